package stored

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// renaming is what becomes of the names in the files.
type renaming struct {
	prefix string   // that every name has from what the model was wrapped in
	strip  []string // to be taken off, where a name has it
	skip   []string // patterns of names to be left out
	left   []string // names that are left out: counters of wrappers
}

// wrapping are the modules that compilers and wrappers put between a module and its own.
var wrapping = []string{"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}

// unwrapped is a name without those, wherever they stand.
func unwrapped(name string) string {
	if !strings.Contains(name, "_orig_mod") && !strings.Contains(name, "_wrapped_module") {
		return name
	}
	return strings.Join(slices.DeleteFunc(strings.Split(name, "."), func(s string) bool { return slices.Contains(wrapping, s) }), ".")
}

// renaming finds what is to be taken off and left out, and notes it.
func (l *List) renaming(o checkpoint.Options) (*renaming, error) {
	r := &renaming{skip: o.Skip}
	names := make([]string, len(l.Tensors))
	for i, n := range l.Tensors {
		names[i] = unwrapped(n.Name)
	}
	r.prefix, r.left = wrappers(names, l.Tensors)
	if len(r.left) > 0 {
		l.Note("left out: %s, with which the model's wrapper counts its updates", strings.Join(r.left, ", "))
		if l.Weights == "" && slices.Contains(r.left, "n_averaged") {
			l.Weights, l.WeightsWhy = checkpoint.Average, "n_averaged stands beside the tensors, as torch.optim.swa_utils.AveragedModel has it"
		}
	}
	for _, p := range o.Strip {
		p = unwrapped(strings.TrimSuffix(p, ".") + ".")
		if p = strings.TrimPrefix(p, r.prefix); p == "" {
			continue // taken off already
		}
		found := false
		for i, n := range names {
			if s, ok := strings.CutPrefix(strings.TrimPrefix(n, r.prefix), p); ok && s != "" {
				names[i], found = r.prefix+s, true
			}
		}
		if !found {
			return nil, fmt.Errorf("no tensor's name begins with %s; they begin with %s", p, checkpoint.Few(heads(names), 6))
		}
		r.strip = append(r.strip, p)
	}
	for _, s := range o.Skip {
		var out []string
		for i, n := range l.Tensors {
			if _, err := path.Match(s, ""); err != nil {
				return nil, fmt.Errorf("pattern of names %q: %w", s, err)
			}
			if matches(s, n.Name, strings.TrimPrefix(names[i], r.prefix)) {
				out = append(out, names[i])
			}
		}
		if len(out) == 0 {
			l.Note("nothing is left out: no tensor is called %s", s)
		} else {
			l.Note("left out, as %s: %s", s, checkpoint.Few(out, 5))
		}
	}
	return r, nil
}

// name is what a tensor is called here; false leaves it out.
func (r *renaming) name(full string) (string, bool) {
	name := unwrapped(full)
	if slices.Contains(r.left, name) {
		return "", false
	}
	name = strings.TrimPrefix(name, r.prefix)
	for _, p := range r.strip {
		if s := strings.TrimPrefix(name, p); s != "" {
			name = s
		}
	}
	return name, !slices.ContainsFunc(r.skip, func(s string) bool { return matches(s, full, name) })
}

// matches says whether a pattern names a tensor, by its name in the file or the one that it has here. Dots are as any
// other character.
func matches(pattern, full, name string) bool {
	a, _ := path.Match(pattern, full)
	b, _ := path.Match(pattern, name)
	return a || b
}

// heads are the first words of names, each once.
func heads(names []string) []string {
	var out []string
	for _, n := range names {
		if head, _, more := strings.Cut(n, "."); more {
			n = head + "."
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// counters are the entries by which wrappers count their updates: torch.optim.swa_utils.AveragedModel and MMEngine's.
var counters = []string{"n_averaged", "steps"}

// wrappers is the prefix that every name has from what the model was wrapped in, such as DistributedDataParallel's
// "module.", but for the wrapper's counters.
func wrappers(names []string, tensors []Named) (prefix string, left []string) {
	for {
		found := ""
		for _, p := range []string{"module.", "_forward_module."} {
			some, all := false, true
			var beside []string
			for i, n := range names {
				switch {
				case strings.HasPrefix(n, prefix+p):
					some = true
				case slices.Contains(left, n):
				case prefix == "" && p == "module." && slices.Contains(counters, n) && tensors[i].Tensor.Single():
					beside = append(beside, n)
				default:
					all = false
				}
			}
			if some && all {
				found, left = p, append(left, beside...)
				break
			}
		}
		if found == "" {
			return prefix, left
		}
		prefix += found
	}
}
