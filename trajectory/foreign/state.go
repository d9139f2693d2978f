package foreign

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"path/filepath"
	"slices"
	"strings"

	"lawa-replay/internal/input"
	"lawa-replay/trajectory/pickle"
	"lawa-replay/trajectory/safetensors"
)

// maxDepth is how deep objects are looked into: pickles may be cyclic.
const maxDepth = 32

// find finds the state dict under key, or where there is one, and what stands beside it.
func (c *Checkpoint) find(root any, key string) ([]named, error) {
	c.Info = infoOf(root)
	if key != "" {
		at := root
		for _, k := range strings.Split(key, ".") {
			if key == "." { // the root
				break
			}
			d := mapping(at)
			next, ok := any(nil), false
			if d != nil {
				next, ok = d.Get(k)
			}
			if !ok {
				return nil, fmt.Errorf("--key %s: no %q there; %s", key, k, describe(at))
			}
			at = next
		}
		tensors, fault := stateDict(at)
		if len(tensors) == 0 {
			if fault == nil {
				fault = fmt.Errorf("no tensors there; %s", describe(at))
			}
			return nil, fmt.Errorf("--key %s: %w", key, fault)
		}
		c.Key = key
		return tensors, fault
	}
	found := candidates(root, "", 0, map[any]bool{})
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("no state dict in it: %s", describe(root))
	case 1:
		c.Key = found[0].key
		return stateDict(found[0].value)
	}
	var list []string
	for _, f := range found {
		tensors, _ := stateDict(f.value)
		list = append(list, fmt.Sprintf("%s (%d tensors)", cmp.Or(f.key, "."), len(tensors)))
	}
	return nil, fmt.Errorf("%d state dicts in it: %s; --key says which", len(found), strings.Join(list, ", "))
}

// candidate is a place where a state dict stands.
type candidate struct {
	key   string
	value any
}

// Under keys with such words in them, or of such names, stand tensors that are not the model's.
var (
	besideWords = []string{"optim", "sched", "scaler", "callback", "hyper", "random", "train_iterator", "meters", "criterion", "extra_state"}
	besideNames = []string{"amp", "args", "cfg", "config", "rng", "rng_state", "loops"}
)

// beside says whether a key is one of those.
func beside(key string) bool {
	key = strings.ToLower(key)
	return slices.Contains(besideNames, key) || slices.ContainsFunc(besideWords, func(w string) bool { return strings.Contains(key, w) })
}

// candidates are the state dicts in v. Single numbers among other things, such as a best accuracy, do not make
// one of a mapping that holds better ones.
func candidates(v any, key string, depth int, seen map[any]bool) []candidate {
	d := mapping(v)
	if d == nil || depth > 4 || seen[v] {
		return nil
	}
	seen[v] = true
	tensors, _ := stateDict(v)
	if o, ok := v.(*pickle.Object); ok && o.Dict == nil && len(tensors) > 0 {
		return []candidate{{key, v}}
	}
	var out []candidate
	for i, k := range d.Keys {
		name, ok := k.(string)
		if !ok || beside(name) {
			continue
		}
		out = append(out, candidates(d.Values[i], strings.TrimPrefix(key+"."+name, "."), depth+1, seen)...)
	}
	if len(tensors) > 0 && len(out) == 0 || slices.ContainsFunc(tensors, func(n named) bool { return len(n.t.shape) > 0 }) {
		out = append(out, candidate{key, v})
	}
	return out
}

// mapping is what a value holds by keys: a dict, a subclass of one, or an object's attributes.
func mapping(v any) *pickle.Dict {
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

// stateDict lists the tensors of a state dict: a mapping with tensors in it by name, or a whole module. The
// error is of a tensor that is there, but cannot be read.
func stateDict(v any) ([]named, error) {
	w := &walk{}
	return w.stateDict(v, 0)
}

// walk bounds how much is looked at: a module may hold another many times over, at every level.
type walk struct{ visits int }

var errTooMany = errors.New("a module of more than 100,000 modules")

func (w *walk) stateDict(v any, depth int) ([]named, error) {
	d := mapping(v)
	if d == nil || depth > maxDepth {
		return nil, nil
	}
	if w.visits++; w.visits > 100_000 {
		return nil, errTooMany
	}
	if o, ok := v.(*pickle.Object); ok && o.Dict == nil {
		return w.module(o, d, depth)
	}
	var out []named
	var fault error
	for i, k := range d.Keys {
		name, ok := k.(string)
		if !ok {
			return nil, nil
		}
		switch t := d.Values[i].(type) {
		case *tensor:
			out = append(out, named{name, t})
		case *pickle.Object:
			if g, ok := t.Class.(pickle.Global); ok && strings.HasPrefix(g.Module, "torch._") && strings.HasPrefix(g.Name, "_rebuild_") && fault == nil {
				fault = fmt.Errorf("tensor %s is made by %v, which is not read (sparse, quantised and other tensors without plain bytes are not)", name, g)
			}
		}
	}
	return out, fault
}

// module lists the tensors of a module that was saved whole: its parameters, its persistent buffers, and those
// of its modules; or, of a scripted one, the tensors among its attributes.
func (w *walk) module(o *pickle.Object, d *pickle.Dict, depth int) ([]named, error) {
	var out []named
	add := func(prefix string, v any) error {
		tensors, err := w.stateDict(v, depth+1)
		for _, t := range tensors {
			if out = append(out, named{prefix + t.name, t.t}); len(out) > 1<<18 {
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
			from := mapping(v)
			if from == nil {
				continue
			}
			for i, k := range from.Keys {
				name, ok1 := k.(string)
				t, ok2 := from.Values[i].(*tensor)
				if ok1 && ok2 && !slices.ContainsFunc(skip, func(v any) bool { return v == any(name) }) {
					out = append(out, named{name, t})
				}
			}
		}
		from := mapping(modules)
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
		switch v := d.Values[i].(type) {
		case *tensor:
			out = append(out, named{name, v})
		case *pickle.Object:
			if err := add(name+".", v); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// describe says what a value holds, one level deep: values may be cyclic, and large.
func describe(v any) string {
	d := mapping(v)
	if d == nil {
		switch v.(type) {
		case *tensor:
			return "it is a tensor without a name"
		case *pickle.List, pickle.Tuple:
			return "it is a list, not a dict of tensors by name"
		}
		return "it is no dict"
	}
	var keys []string
	for _, k := range d.Keys {
		if s, ok := k.(string); ok {
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

// infoOf reads the numbers beside the weights.
func infoOf(root any) Info {
	info := Info{Numbers: map[string]float64{}}
	d := mapping(root)
	if d == nil {
		return info
	}
	for i, k := range d.Keys {
		if name, ok := k.(string); ok {
			if v, ok := number(d.Values[i]); ok && len(info.Numbers) < 1000 {
				info.Numbers[name] = v
			}
		}
	}
	_, info.Lightning = d.Get("pytorch-lightning_version")
	at := func(names ...string) *float64 {
		for _, n := range names {
			if v, ok := info.Numbers[n]; ok {
				return &v
			}
		}
		return nil
	}
	info.Epoch = at("epoch", "epochs", "last_epoch")
	info.Step = at("global_step", "step", "steps", "iteration", "iter", "num_updates", "global_steps")
	// fairseq: extra_state.train_iterator.epoch is the one that comes next where none of it was trained on.
	extra, _ := d.Get("extra_state")
	if e := mapping(extra); e != nil {
		if v, _ := e.Get("val_loss"); info.Numbers != nil {
			if n, ok := number(v); ok {
				info.Numbers["val_loss"] = n
			}
		}
		iterator, _ := e.Get("train_iterator")
		if it := mapping(iterator); it != nil && info.Epoch == nil {
			v, _ := it.Get("epoch")
			within, _ := it.Get("iterations_in_epoch")
			if n, ok := number(v); ok {
				if w, ok := number(within); ok && w == 0 && n > 1 {
					n--
				}
				info.Epoch = &n
			}
		}
	}
	history, _ := d.Get("optimizer_history")
	if l, ok := history.(*pickle.List); ok && len(l.Items) > 0 && info.Step == nil {
		if last := mapping(l.Items[len(l.Items)-1]); last != nil {
			v, _ := last.Get("num_updates")
			if n, ok := number(v); ok {
				info.Step = &n
			}
		}
	}
	return info
}

// number is a value as a number: an integer, a float, or a numpy scalar of either.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	case *pickle.Object:
		return numpyScalar(v)
	}
	return 0, false
}

// numpyScalar reads numpy.core.multiarray.scalar(dtype('f8'), b'…').
func numpyScalar(o *pickle.Object) (float64, bool) {
	g, ok := o.Class.(pickle.Global)
	if !ok || g.Name != "scalar" || g.Module != "numpy.core.multiarray" && g.Module != "numpy._core.multiarray" || len(o.Args) != 2 {
		return 0, false
	}
	dtype, ok := o.Args[0].(*pickle.Object)
	if !ok || len(dtype.Args) == 0 {
		return 0, false
	}
	code, _ := dtype.Args[0].(string)
	var data []byte
	switch v := o.Args[1].(type) {
	case []byte:
		data = v
	case *pickle.Object: // protocol 2: _codecs.encode('…', 'latin1')
		if g, ok := v.Class.(pickle.Global); ok && g == (pickle.Global{Module: "_codecs", Name: "encode"}) && len(v.Args) > 0 {
			text, _ := v.Args[0].(string)
			for _, r := range text {
				if r > 255 {
					return 0, false
				}
				data = append(data, byte(r))
			}
		}
	}
	le := binary.LittleEndian
	switch {
	case code == "f8" && len(data) == 8:
		return math.Float64frombits(le.Uint64(data)), true
	case code == "f4" && len(data) == 4:
		return float64(math.Float32frombits(le.Uint32(data))), true
	case code == "f2" && len(data) == 2:
		return float64(safetensors.FromF16(le.Uint16(data))), true
	case code == "i8" && len(data) == 8:
		return float64(int64(le.Uint64(data))), true
	case code == "i4" && len(data) == 4:
		return float64(int32(le.Uint32(data))), true
	}
	return 0, false
}

// trainerState reads what HuggingFace's Trainer leaves in a checkpoint's folder.
func (c *Checkpoint) trainerState() {
	text, err := input.ReadFile(filepath.Join(c.Path, "trainer_state.json"), input.Text)
	if err != nil {
		return
	}
	var state struct {
		Epoch *float64         `json:"epoch"`
		Step  *float64         `json:"global_step"`
		Log   []map[string]any `json:"log_history"`
	}
	if json.Unmarshal(text, &state) != nil {
		return
	}
	if c.Info.Numbers == nil {
		c.Info.Numbers = map[string]float64{}
	}
	if state.Epoch != nil {
		c.Info.Epoch = state.Epoch
	}
	if state.Step == nil {
		return
	}
	c.Info.Step = state.Step
	for _, line := range state.Log {
		if line["step"] != *state.Step {
			continue
		}
		for k, v := range line {
			if n, ok := v.(float64); ok && k != "step" && k != "epoch" {
				c.Info.Numbers[k] = n
			}
		}
	}
}
