package evaluator

import (
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/model"
)

// Prefix is what is taken off the checkpoints' names, such as the "model." of a LightningModule: a prefix that all of
// them share, and without which they are exactly the network's. "" where they are that already, or never.
func Prefix(net model.Network, tensors []checkpoint.Tensor, tied map[string]string) string {
	if len(tensors) == 0 || len(faults(net, tensors, tied)) == 0 {
		return ""
	}
	for _, p := range prefixes(tensors[0].Name) {
		if slices.ContainsFunc(tensors, func(t checkpoint.Tensor) bool { return !strings.HasPrefix(t.Name, p) }) {
			return ""
		}
		if bare, tied := without(p, tensors, tied); len(faults(net, bare, tied)) == 0 {
			return p
		}
	}
	return ""
}

// prefixes are the beginnings of a name that end in a dot, the shortest first.
func prefixes(name string) []string {
	var out []string
	for i, c := range name {
		if c == '.' {
			out = append(out, name[:i+1])
		}
	}
	return out
}

// without takes a prefix off the names that have it.
func without(prefix string, tensors []checkpoint.Tensor, tied map[string]string) ([]checkpoint.Tensor, map[string]string) {
	bare := slices.Clone(tensors)
	for i := range bare {
		bare[i].Name = strings.TrimPrefix(bare[i].Name, prefix)
	}
	names := make(map[string]string, len(tied))
	for alias, kept := range tied {
		names[strings.TrimPrefix(alias, prefix)] = strings.TrimPrefix(kept, prefix)
	}
	return bare, names
}

// nearest is the prefix that, taken off, makes most names the network's; "" where none makes any more.
func nearest(net model.Network, tensors []checkpoint.Tensor, tied map[string]string) string {
	known := func(tensors []checkpoint.Tensor, tied map[string]string) int {
		have, n := named(tensors, tied), 0
		for _, e := range net.Layout().Entries {
			if _, ok := find(net, have, e.Name); ok && e.Role != model.Counter {
				n++
			}
		}
		return n
	}
	best, prefix := known(tensors, tied), ""
	var tried []string
	for _, t := range tensors {
		for _, p := range prefixes(t.Name) {
			if slices.Contains(tried, p) || len(tried) > 100 {
				continue
			}
			tried = append(tried, p)
			if n := known(without(p, tensors, tied)); n > best {
				best, prefix = n, p
			}
		}
	}
	return prefix
}
