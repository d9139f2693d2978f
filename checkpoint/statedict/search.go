// Package statedict finds the state dict of the model in what a file of PyTorch's holds, whatever container it lay in.
//
// It believes that a wrong state dict is worse than a question: where several stand in a file, they are listed with what
// is known of each (raw weights, EMA, an average), and the caller says which. What stands beside the weights, above all
// optimizer state, is never taken for them; what is left out of a state dict is named.
package statedict

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/rebuild"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
)

// MaxDepth is how deep objects are looked into: pickles may be cyclic.
const MaxDepth = 32

// finder looks for state dicts in what a file holds, and keeps what it passes over.
type finder struct {
	*stored.List
	root   *pickle.Dict // nil where the root is none
	arrays map[*pickle.Object]*stored.Tensor
	visits int
	passed []string // keys under which no model is looked for
	lists  []string // keys under which tensors stand in a list
	aside  []string // tensors, and dicts of single numbers, beside the state dicts
}

// candidate is a place where a state dict stands.
type candidate struct {
	key     string
	value   any
	tensors []stored.Named
}

// search lists the state dicts in v. One of single numbers, such as counters, is none where there are others.
func (f *finder) search(v any) []candidate {
	found := f.candidates(v, "", 0, map[any]bool{})
	counters := func(c candidate) bool {
		return !slices.ContainsFunc(c.tensors, func(n stored.Named) bool { return !n.Tensor.Single() })
	}
	if !slices.ContainsFunc(found, func(c candidate) bool { return !counters(c) }) {
		return found
	}
	return slices.DeleteFunc(found, func(c candidate) bool {
		if counters(c) {
			f.aside = append(f.aside, c.key)
			return true
		}
		return false
	})
}

// candidates are the state dicts in v. A few tensors beside one, such as class weights or a best accuracy, are none.
func (f *finder) candidates(v any, key string, depth int, seen map[any]bool) []candidate {
	d := Mapping(v)
	if d == nil || depth > 4 || seen[v] {
		return nil
	}
	seen[v] = true
	f.visits = 0
	tensors, err := f.stateDict(v, 0)
	if err != nil {
		return nil
	}
	if o, ok := v.(*pickle.Object); ok && o.Dict == nil && len(tensors) > 0 {
		return []candidate{{key, v, tensors}}
	}
	var out []candidate
	for i, k := range d.Keys {
		name, ok := KeyName(k)
		if !ok {
			continue
		}
		if beside(name) {
			if len(f.passed) < 16 && Mapping(d.Values[i]) != nil {
				f.passed = append(f.passed, join(key, name))
			}
			continue
		}
		if l, ok := d.Values[i].(*pickle.List); ok && len(f.lists) < 16 && slices.ContainsFunc(l.Items[:min(8, len(l.Items))], func(v any) bool { return f.tensor(v) != nil }) {
			f.lists = append(f.lists, join(key, name))
		}
		out = append(out, f.candidates(d.Values[i], join(key, name), depth+1, seen)...)
	}
	own := slices.DeleteFunc(slices.Clone(tensors), func(n stored.Named) bool { return !strings.Contains(n.Name, ".") && beside(n.Name) })
	switch {
	case len(own) == 0:
	case len(out) > 0 && aside(own, out):
		for _, n := range own {
			if !n.Tensor.Single() || !hasWord(n.Name, "epoch", "step", "steps", "iter", "iteration", "best", "loss", "acc") {
				f.aside = append(f.aside, join(key, n.Name))
			}
		}
	default:
		out = append(out, candidate{key, v, tensors})
	}
	return out
}

// aside says whether a mapping's own tensors only stand beside the state dicts below it: single numbers, or a few
// without a module's name in theirs.
func aside(own []stored.Named, below []candidate) bool {
	most, n := 0, 0
	for _, c := range below {
		most = max(most, len(c.tensors))
	}
	for _, t := range own {
		if strings.Contains(t.Name, ".") {
			return false
		}
		if !t.Tensor.Single() {
			n++
		}
	}
	return n == 0 || n <= 8 && 4*n < most
}

// Mapping is what a value holds by keys: a dict, a subclass of one, or an object's attributes.
func Mapping(v any) *pickle.Dict {
	switch v := v.(type) {
	case *pickle.Dict:
		return v
	case *pickle.Object:
		if v.Dict != nil {
			return v.Dict
		}
		if d, ok := v.State.(*pickle.Dict); ok {
			return d
		}
	}
	return nil
}

// KeyName is a key as a tensor's name: text, or an integer's digits.
func KeyName(k any) (string, bool) {
	switch k := k.(type) {
	case string:
		return k, true
	case int64:
		return strconv.FormatInt(k, 10), true
	}
	return "", false
}

var errTooMany = errors.New("a module of more than 100,000 modules")

// stateDict lists the tensors of a state dict: a mapping with tensors in it by name, or a whole module. Tensors that
// are there, but cannot be read, have a fault. What is looked at is bounded: a module may hold another many times
// over, at every level.
func (f *finder) stateDict(v any, depth int) ([]stored.Named, error) {
	d := Mapping(v)
	if d == nil || depth > MaxDepth {
		return nil, nil
	}
	if f.visits++; f.visits > 100_000 {
		return nil, errTooMany
	}
	if o, ok := v.(*pickle.Object); ok && o.Dict == nil {
		return f.module(o, d, depth)
	}
	var out []stored.Named
	for i, k := range d.Keys {
		name, ok := KeyName(k)
		if !ok {
			continue
		}
		t := f.tensor(d.Values[i])
		if tuple, ok := d.Values[i].(pickle.Tuple); ok && len(tuple) > 0 && strings.HasSuffix(name, "._packed_params") {
			t = &stored.Tensor{Fault: "it is quantised (packed with its bias by torch.ao.nn.quantized), and cannot be averaged"}
		}
		if t != nil {
			out = append(out, stored.Named{Name: name, Tensor: t})
		}
	}
	return out, nil
}

// tensor is a value as one: a tensor, an array of numpy's, or a tensor of a kind that is not read; nil is none.
func (f *finder) tensor(v any) *stored.Tensor {
	switch v := v.(type) {
	case *stored.Tensor:
		return v
	case *pickle.Object:
		if rebuild.IsArray(v) {
			if rebuild.NotOfNumbers(v) != "" {
				return nil
			}
			if f.arrays[v] == nil {
				f.arrays[v] = rebuild.Array(v)
			}
			return f.arrays[v]
		}
		if fault := unread(v); fault != "" {
			return &stored.Tensor{Fault: fault}
		}
	}
	return nil
}
