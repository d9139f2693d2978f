package statedict

import (
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
)

// module lists the tensors of a module that was saved whole: its parameters, its persistent buffers, and those
// of its modules; or, of a scripted one, the tensors among its attributes.
func (f *finder) module(o *pickle.Object, d *pickle.Dict, depth int) ([]stored.Named, error) {
	var out []stored.Named
	add := func(prefix string, v any) error {
		tensors, err := f.stateDict(v, depth+1)
		for _, t := range tensors {
			if out = append(out, stored.Named{Name: prefix + t.Name, Tensor: t.Tensor}); len(out) > 1<<18 {
				return errTooMany
			}
		}
		return err
	}
	modules, eager := d.Get("_modules")
	if eager {
		var skip []any
		if s, ok := d.Get("_non_persistent_buffers_set"); ok {
			if l, ok := s.(*pickle.List); ok {
				skip = l.Items
			}
		}
		for _, key := range []string{"_parameters", "_buffers"} {
			v, _ := d.Get(key)
			from := Mapping(v)
			if from == nil {
				continue
			}
			for i, k := range from.Keys {
				name, ok := k.(string)
				if t := f.tensor(from.Values[i]); ok && t != nil && !slices.ContainsFunc(skip, func(v any) bool { return v == any(name) }) {
					out = append(out, stored.Named{Name: name, Tensor: t})
				}
			}
		}
		from := Mapping(modules)
		if from == nil {
			return out, nil
		}
		for i, k := range from.Keys {
			if name, ok := k.(string); ok {
				if err := add(name+".", from.Values[i]); err != nil {
					return nil, err
				}
			}
		}
		return out, nil
	}
	if g, ok := o.Class.(pickle.Global); !ok || !strings.HasPrefix(g.Module, "__torch__") {
		return nil, nil
	}
	for i, k := range d.Keys {
		name, ok := k.(string)
		if !ok {
			continue
		}
		if t := f.tensor(d.Values[i]); t != nil {
			out = append(out, stored.Named{Name: name, Tensor: t})
		} else if v, ok := d.Values[i].(*pickle.Object); ok {
			if err := add(name+".", v); err != nil {
				return nil, err
			}
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
