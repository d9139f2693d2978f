package evaluator

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/model"
)

// weights are the values that an instance is loaded with.
type weights struct {
	tensors    []checkpoint.Tensor
	data       []byte
	tied       map[string]string // names that stand for other tensors
	statistics bn.Statistics     // in place of those of data
}

// named finds tensors by name, tied ones too.
func named(tensors []checkpoint.Tensor, tied map[string]string) map[string]checkpoint.Tensor {
	m := make(map[string]checkpoint.Tensor, len(tensors)+len(tied))
	for _, t := range tensors {
		m[t.Name] = t
	}
	for alias, kept := range tied {
		if t, ok := m[kept]; ok {
			if _, has := m[alias]; !has {
				m[alias] = t
			}
		}
	}
	return m
}

// find finds an entry's tensor, under its own name or another that is used for it.
func find(net model.Network, have map[string]checkpoint.Tensor, name string) (checkpoint.Tensor, bool) {
	if t, ok := have[name]; ok {
		return t, true
	}
	for _, alias := range net.Alias(name) {
		if t, ok := have[alias]; ok {
			return t, true
		}
	}
	return checkpoint.Tensor{}, false
}

// Match says whether the checkpoints' tensors are the network's. The error lists those that are missing, extra, or
// of another shape. num_batches_tracked may be missing, as PyTorch allows: nothing is computed from it.
// A prefix that all names share, and that alone is in the way, is taken off: Prefix.
func Match(net model.Network, tensors []checkpoint.Tensor, tied map[string]string) error {
	if len(faults(net, tensors, tied)) == 0 || Prefix(net, tensors, tied) != "" {
		return nil
	}
	p := nearest(net, tensors, tied)
	bare, aliases := without(p, tensors, tied)
	if err := sameClasses(net, p, named(bare, aliases)); err != nil {
		return err
	}
	spec := net.Spec()
	if head, digest, ok := strings.Cut(spec, ":"); ok && len(digest) == 64 {
		spec = "this " + head + " module"
	}
	if p != "" {
		err := fmt.Errorf("the checkpoints' tensors are not those of %s; without %s before their names there remain: %s",
			spec, p, strings.Join(faults(net, bare, aliases), "; "))
		return hint.With(hint.With(err, "strip "+p, "takes it off"), "skip", "leaves tensors out")
	}
	return fmt.Errorf("the checkpoints' tensors are not those of %s; %s", spec, strings.Join(faults(net, tensors, tied), "; "))
}

// sameClasses says it where the checkpoints, by their names without a prefix, tell another number of classes apart than the
// network.
func sameClasses(net model.Network, prefix string, have map[string]checkpoint.Tensor) error {
	n, ok := net.(interface{ Classifier() string })
	if !ok {
		return nil
	}
	t, ok := find(net, have, n.Classifier())
	for _, e := range net.Layout().Entries {
		if ok && e.Name == n.Classifier() && len(t.Shape) == len(e.Shape) && t.Shape[0] != e.Shape[0] {
			return fmt.Errorf("the checkpoints are of %d classes (tensor %s), the network is of %d, as its text or the data say: %s", t.Shape[0], prefix+t.Name, e.Shape[0], net.Spec())
		}
	}
	return nil
}

// bareNamed finds tensors by the network's names.
func bareNamed(net model.Network, tensors []checkpoint.Tensor, tied map[string]string) map[string]checkpoint.Tensor {
	prefix := Prefix(net, tensors, tied)
	have := named(tensors, tied)
	if prefix == "" {
		return have
	}
	bare := make(map[string]checkpoint.Tensor, len(have))
	for name, t := range have {
		bare[strings.TrimPrefix(name, prefix)] = t
	}
	return bare
}

// faults lists in which the tensors differ from the network's, by their names as they are.
func faults(net model.Network, tensors []checkpoint.Tensor, tied map[string]string) []string {
	have := named(tensors, tied)
	used := map[string]bool{}
	var missing, wrong, extra []string
	for _, e := range net.Layout().Entries {
		t, ok := find(net, have, e.Name)
		if !ok {
			if e.Role != model.Counter {
				missing = append(missing, e.Name)
			}
			continue
		}
		used[t.Name] = true
		want := checkpoint.Tensor{DType: checkpoint.F32, Shape: e.Shape}
		fits := t.DType.Float()
		switch e.Role {
		case model.Counter:
			want.DType, fits = checkpoint.I64, !t.DType.Float()
		case model.Other:
			want.DType = checkpoint.DType(e.DType)
			fits = t.DType == want.DType
		}
		if !fits || !slices.Equal(t.Shape, e.Shape) {
			wrong = append(wrong, fmt.Sprintf("%s is %s, expected %s", t.Name, t, want))
		}
	}
	twice, _ := net.(ties)
	for _, t := range tensors {
		if used[t.Name] {
			continue
		}
		if twice != nil {
			if _, tied := twice.Tied(t.Name); tied || twice.Ignores(t.Name) {
				continue
			}
		}
		extra = append(extra, t.Name)
	}
	var faults []string
	for _, l := range []struct {
		what  string
		names []string
	}{{"missing", missing}, {"not the network's", extra}, {"of another kind", wrong}} {
		if len(l.names) > 0 {
			faults = append(faults, fmt.Sprintf("%s: %s", l.what, checkpoint.Few(l.names, 10)))
		}
	}
	return faults
}

// ties is a network some of whose tensors others call by several names, and beside which they may have what are no weights.
type ties interface {
	Tied(name string) (entry string, ok bool)
	Ignores(name string) bool
}

// sameTied says whether what the checkpoints have twice, and the network once, is the same.
func sameTied(net model.Network, have map[string]checkpoint.Tensor, data []byte) error {
	twice, ok := net.(ties)
	if !ok {
		return nil
	}
	for name, t := range have {
		entry, tied := twice.Tied(name)
		if !tied {
			continue
		}
		other, ok := have[entry]
		if ok && !bytes.Equal(data[t.Begin:t.End], data[other.Begin:other.End]) {
			err := fmt.Errorf("the checkpoints' %s and %s differ, and are one tensor of %s", name, entry, net.Spec())
			return hint.With(err, "model …,tied=false", "has them apart, if it is the weight of the head")
		}
	}
	return nil
}

// load puts weights, which Match, into those of an instance of net, by name.
func load(net model.Network, in *model.Weights, w weights) error {
	have := bareNamed(net, w.tensors, w.tied)
	if err := sameTied(net, have, w.data); err != nil {
		return err
	}
	buffer := make([]float32, min(in.Floats(), 1<<20)) // some at a time: all of them would be as large as the network
	for _, e := range net.Layout().Entries {
		if e.Role == model.Counter {
			continue
		}
		t, ok := find(net, have, e.Name)
		if !ok {
			return fmt.Errorf("the checkpoints have no tensor %s, which %s needs", e.Name, net.Spec())
		}
		data := w.statistics.Bytes(t, w.data)
		if e.Role == model.Other {
			if err := in.LoadOther(e, data); err != nil {
				return err
			}
			continue
		}
		size := int64(t.DType.Size())
		for at, n := int64(0), e.Elements(); at < n; at += int64(len(buffer)) {
			part := buffer[:min(n-at, int64(len(buffer)))]
			checkpoint.Decode(part, t.DType, data[at*size:(at+int64(len(part)))*size])
			if err := in.Load(e.Offset+at, part); err != nil {
				return err
			}
		}
	}
	return nil
}
