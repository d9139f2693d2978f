package statedict

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
	"github.com/lawa-replay/lawa-replay/internal/hint"
)

// Find finds the state dict in what a file holds: under the key of the options, or where there is one. It adds the
// tensors to the list, with what stands beside them.
func Find(l *stored.List, root any, o checkpoint.Options) error {
	l.Info = infoOf(root)
	f := &finder{List: l, root: Mapping(root), arrays: map[*pickle.Object]*stored.Tensor{}}
	tensors, err := f.find(root, o.Key)
	l.Tensors = append(l.Tensors, tensors...)
	return err
}

func (f *finder) find(root any, key string) ([]stored.Named, error) {
	if key != "" {
		return f.under(root, key)
	}
	found := f.search(root)
	switch len(found) {
	case 0:
		text := describe(root)
		if len(f.passed) > 0 {
			text += "; under " + checkpoint.Few(f.passed, 5) + " no model is looked for"
		}
		if len(f.lists) > 0 {
			text += "; under " + checkpoint.Few(f.lists, 5) + " stand tensors in a list, without names"
		}
		return nil, fmt.Errorf("no state dict in it: %s", text)
	case 1:
		return f.take(found[0]), nil
	}
	return nil, f.ask(found)
}

// ask is the error where there are several state dicts: what each is said to hold, as far as that is known.
func (f *finder) ask(found []candidate) error {
	var list, keys, whys []string
	known := false
	for _, c := range found {
		text := fmt.Sprintf("%s (%d tensors", cmp.Or(c.key, "."), len(c.tensors))
		if weights, _ := f.weights(c.key); weights != "" {
			text += ", " + describeWeights(weights)
			known = true
			if _, why := f.framework(c.key); why != "" && !slices.Contains(whys, why) {
				whys = append(whys, why)
			}
		}
		list, keys = append(list, text+")"), append(keys, c.key)
	}
	text := fmt.Sprintf("%d state dicts in it: %s", len(found), checkpoint.Few(list, 12))
	if len(whys) > 0 {
		text += "; " + strings.Join(whys, ", ")
	}
	err := hint.With(errors.New(text), "key", "says which")
	if known || slices.Contains(keys, "") || len(keys) >= 5 {
		return err
	}
	err = hint.With(err, "key "+strings.Join(keys, ","), "takes these as one model")
	if parent := shared(keys); parent != "" {
		err = hint.With(err, "key "+parent, "takes all in it")
	}
	return err
}

// shared is the key of the dict in which all of these stand; "" if there is none.
func shared(keys []string) string {
	at := strings.Split(keys[0], ".")
	at = at[:len(at)-1]
	for _, k := range keys[1:] {
		other := strings.Split(k, ".")
		n := 0
		for n < len(at) && n < len(other)-1 && at[n] == other[n] {
			n++
		}
		at = at[:n]
	}
	return strings.Join(at, ".")
}

// take takes a candidate, and notes what it leaves out.
func (f *finder) take(found candidate) []stored.Named {
	f.Key = found.key
	f.Weights, f.WeightsWhy = f.weights(found.key)
	aside := slices.DeleteFunc(slices.Clone(f.aside), func(k string) bool { return k == f.Info.EpochKey || k == f.Info.StepKey })
	if len(aside) > 0 {
		f.Note("left out, beside the state dict%s: %s", underKey(found.key), checkpoint.Few(aside, 5))
	}
	if out := leftOut(found.value, found.key == ""); len(out) > 0 {
		f.Note("left out of the state dict%s, as no tensors with a name: %s", underKey(found.key), checkpoint.Few(out, 5))
	}
	return f.withoutOptimizer(found.tensors)
}

// withoutOptimizer leaves out the entries of an optimizer that stand flat beside the model's, as OLMo-core stores them.
func (f *finder) withoutOptimizer(tensors []stored.Named) []stored.Named {
	var model []stored.Named
	for _, n := range tensors {
		if head, _, below := strings.Cut(n.Name, "."); !below || !slices.Contains([]string{"optim", "optimizer"}, head) {
			model = append(model, n)
		}
	}
	if n := len(tensors) - len(model); n > 0 && len(model) > 0 {
		f.Note("left out: %d tensors of the optimizer, optim.…", n)
		return model
	}
	return tensors
}

func underKey(key string) string {
	if key == "" {
		return ""
	}
	return " " + key
}

// under takes the state dict at a key; all of those in a dict of them; or, of several keys with commas between them,
// all of these as one model. The names of several get the key's last word and a dot in front, as those of nested
// modules have.
func (f *finder) under(root any, key string) ([]stored.Named, error) {
	keys := strings.Split(key, ",")
	var out []stored.Named
	for _, k := range keys {
		at, err := lookUp(root, k)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", key, err)
		}
		tensors, err := f.at(at, k)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", key, err)
		}
		if len(keys) == 1 {
			out = tensors
			break
		}
		prefix := k[strings.LastIndex(k, ".")+1:] + "."
		for _, n := range tensors {
			out = append(out, stored.Named{Name: prefix + n.Name, Tensor: n.Tensor})
		}
	}
	if len(keys) > 1 {
		f.Note("%s are taken as one model: each name begins with its key's last word", strings.Join(keys, " and "))
	}
	f.Key = key
	f.Weights, f.WeightsWhy = f.weights(keys[0])
	return out, nil
}

// at lists the tensors of what stands at a key.
func (f *finder) at(v any, key string) ([]stored.Named, error) {
	if key == "." {
		key = ""
	}
	f.visits = 0
	tensors, err := f.stateDict(v, 0)
	if err != nil {
		return nil, err
	}
	if len(tensors) > 0 {
		return f.take(candidate{key, v, tensors}), nil
	}
	found := f.search(v)
	for i := range found {
		if weights, _ := byWords(words(found[i].key)); weights != "" && len(found) > 1 { // not two parts of one model
			for j := range found {
				found[j].key = join(key, found[j].key)
			}
			return nil, f.ask(found)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("no tensors there; %s", describe(v))
	case 1:
		f.Note("the state dict of %s stands under %s", key, join(key, found[0].key))
		return f.take(found[0]), nil
	}
	var out []stored.Named
	var keys []string
	for _, in := range found {
		for _, n := range in.tensors {
			out = append(out, stored.Named{Name: in.key + "." + n.Name, Tensor: n.Tensor})
		}
		keys = append(keys, in.key)
	}
	f.Note("%s of %s are taken as one model: each name begins with its dict's", checkpoint.Few(keys, 8), key)
	return out, nil
}

func join(key, below string) string { return strings.Trim(key+"."+below, ".") }

// lookUp finds what stands under a key, a.b.c. Keys may have dots in them: the longest that is there counts.
func lookUp(root any, key string) (any, error) {
	if key == "." {
		return root, nil
	}
	at, rest := root, strings.Split(key, ".")
	for len(rest) > 0 {
		d := Mapping(at)
		n := len(rest)
		for ; n > 0 && d != nil; n-- {
			if v, ok := entry(d, strings.Join(rest[:n], ".")); ok {
				at = v
				break
			}
		}
		if n == 0 || d == nil {
			return nil, fmt.Errorf("no %q there; %s", rest[0], describe(at))
		}
		rest = rest[n:]
	}
	return at, nil
}

// entry finds what stands under a key, which may be an integer's digits.
func entry(d *pickle.Dict, key string) (any, bool) {
	if v, ok := d.Get(key); ok {
		return v, true
	}
	n, err := strconv.ParseInt(key, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != key {
		return nil, false
	}
	if i := slices.Index(d.Keys, any(n)); i >= 0 {
		return d.Values[i], true
	}
	return nil, false
}
