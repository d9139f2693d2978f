package statedict

import (
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
)

// maxTensors is how many tensors a module may have: one may hold another many times over.
const maxTensors = 1 << 18

// module lists the tensors of a module that was saved whole: its parameters, its persistent buffers, and those
// of its modules; or, of a scripted one, the tensors among its attributes.
func (f *finder) module(o *pickle.Object, d *pickle.Dict, depth int) ([]stored.Named, error) {
	if modules, eager := d.Get("_modules"); eager {
		return f.below(f.own(d), Mapping(modules), depth)
	}
	if g, ok := o.Class.(pickle.Global); !ok || !strings.HasPrefix(g.Module, "__torch__") {
		return nil, nil
	}
	var out []stored.Named
	for i, k := range d.Keys { // tensors and modules in their order, on which the digest depends
		name, ok := k.(string)
		if !ok {
			continue
		}
		if t := f.tensor(d.Values[i]); t != nil {
			out = append(out, stored.Named{Name: name, Tensor: t})
		} else if v, ok := d.Values[i].(*pickle.Object); ok {
			var err error
			if out, err = f.within(out, name, v, depth); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// own are the parameters and the persistent buffers of a module itself.
func (f *finder) own(d *pickle.Dict) []stored.Named {
	var skip []any
	if s, ok := d.Get("_non_persistent_buffers_set"); ok {
		if l, ok := s.(*pickle.List); ok {
			skip = l.Items
		}
	}
	var out []stored.Named
	for _, key := range []string{"_parameters", "_buffers"} {
		v, _ := d.Get(key)
		out = append(out, f.among(Mapping(v), skip)...)
	}
	return out
}

// among are the tensors with a name in a dict, but those to be skipped.
func (f *finder) among(d *pickle.Dict, skip []any) []stored.Named {
	if d == nil {
		return nil
	}
	var out []stored.Named
	for i, k := range d.Keys {
		name, ok := k.(string)
		if t := f.tensor(d.Values[i]); ok && t != nil && !slices.ContainsFunc(skip, func(v any) bool { return v == any(name) }) {
			out = append(out, stored.Named{Name: name, Tensor: t})
		}
	}
	return out
}

// below adds the tensors of the modules in a dict.
func (f *finder) below(out []stored.Named, modules *pickle.Dict, depth int) ([]stored.Named, error) {
	if modules == nil {
		return out, nil
	}
	for i, k := range modules.Keys {
		if name, ok := k.(string); ok {
			var err error
			if out, err = f.within(out, name, modules.Values[i], depth); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// within adds the tensors of a module, each behind the module's name.
func (f *finder) within(out []stored.Named, name string, module any, depth int) ([]stored.Named, error) {
	tensors, err := f.stateDict(module, depth+1)
	if err != nil {
		return nil, err
	}
	for _, t := range tensors {
		if out = append(out, stored.Named{Name: name + "." + t.Name, Tensor: t.Tensor}); len(out) > maxTensors {
			return nil, errTooMany
		}
	}
	return out, nil
}

// describe says what a value holds, one level deep: values may be cyclic, and large.
func describe(v any) string {
	d := Mapping(v)
	if d == nil {
		switch v.(type) {
		case *stored.Tensor:
			return "it is a tensor without a name"
		case *pickle.List, pickle.Tuple:
			return "it is a list, not a dict of tensors by name"
		}
		return "it is no dict"
	}
	var keys []string
	for _, k := range d.Keys {
		if s, ok := KeyName(k); ok {
			if len(s) > 60 {
				s = s[:60] + "…"
			}
			keys = append(keys, s)
		}
		if len(keys) == 12 {
			keys = append(keys, "…")
			break
		}
	}
	if len(keys) == 0 {
		return "it has no keys"
	}
	return "its keys are " + strings.Join(keys, ", ")
}
