package statedict

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
)

func describeWeights(weights string) string {
	if weights == checkpoint.Raw {
		return "raw weights"
	}
	return weights
}

// weights says which weights stand under a key, and what tells. "" is not known.
func (f *finder) weights(key string) (weights, why string) {
	d := f.root
	if d == nil {
		return "", ""
	}
	if w, why := f.framework(key); w != "" {
		return w, why
	}
	last := key[strings.LastIndex(key, ".")+1:]
	if w, word := byWords(words(last)); w != "" {
		return w, word + " stands in the key " + last
	}
	if w, why := f.scheduleFree(); w != "" {
		return w, why
	}
	for i, k := range d.Keys {
		if name, ok := k.(string); ok && name != key && !strings.Contains(key, ".") && !beside(name) {
			if w, _ := byWords(words(name)); w != "" && Mapping(d.Values[i]) != nil {
				return checkpoint.Raw, "the average stands under " + name
			}
		}
	}
	return "", ""
}

// framework knows the frameworks that average while they train: they store two state dicts, and some swap them.
func (f *finder) framework(key string) (weights, why string) {
	d := f.root
	if d == nil {
		return "", ""
	}
	has := func(key string) bool {
		v, ok := d.Get(key)
		return ok && v != nil
	}
	meta, _ := d.Get("meta")
	engine := false
	if m := Mapping(meta); m != nil {
		_, engine = m.Get("mmengine_version")
	}
	switch {
	case has("ema_state_dict") && (engine || has("message_hub")): // mmengine/hooks/ema_hook.py
		const swaps = "MMEngine's EMAHook stores the average under state_dict, and the raw weights under ema_state_dict"
		switch key {
		case "state_dict":
			return checkpoint.EMA, swaps
		case "ema_state_dict":
			return checkpoint.Raw, swaps
		}
	case has("current_model_state"): // lightning/pytorch/callbacks/weight_averaging.py
		const swaps = "Lightning's WeightAveraging stores the average under state_dict, and the raw weights under current_model_state"
		switch key {
		case "state_dict":
			return checkpoint.Average, swaps
		case "current_model_state":
			return checkpoint.Raw, swaps
		}
	case key == "model_avg" && has("model"):
		return checkpoint.Average, "icefall's running mean of the weights of all batches"
	case key == "ema" && has("train_args"):
		return checkpoint.EMA, "Ultralytics stores no other weights"
	}
	return "", ""
}

// byWords says which weights words name.
func byWords(words []string) (weights, word string) {
	for _, w := range words {
		switch w {
		case "ema", "shadow":
			return checkpoint.EMA, w
		case "swa", "avg", "average", "averaged", "polyak":
			return checkpoint.Average, w
		}
	}
	return "", ""
}

// byName says which weights a file's name says it holds. Only at its front is avg taken for that: further behind it
// stands in the names of metrics.
func byName(path string) (weights, word string) {
	for i, w := range words(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))) {
		switch w {
		case "ema":
			return checkpoint.EMA, w
		case "swa", "averaged":
			return checkpoint.Average, w
		case "avg", "average":
			if i == 0 {
				return checkpoint.Average, w
			}
		}
	}
	return "", ""
}

// scheduleFree says which weights a schedule-free optimizer had put into the model when it was saved: the point y at
// which gradients are taken, or the average x (facebookresearch/schedule_free, train_mode of a parameter group).
func (f *finder) scheduleFree() (weights, why string) {
	for i, k := range f.root.Keys {
		name, ok := k.(string)
		if !ok || !beside(name) {
			continue
		}
		states := []any{f.root.Values[i]}
		if l, ok := states[0].(*pickle.List); ok { // Lightning's
			states = l.Items[:min(8, len(l.Items))]
		}
		for _, s := range states {
			d := Mapping(s)
			if d == nil {
				continue
			}
			v, _ := d.Get("param_groups")
			groups, ok := v.(*pickle.List)
			if !ok || len(groups.Items) == 0 {
				continue
			}
			g := Mapping(groups.Items[0])
			if g == nil {
				continue
			}
			if _, free := g.Get("weight_lr_power"); !free {
				continue
			}
			switch mode, _ := g.Get("train_mode"); mode {
			case true:
				return checkpoint.Raw, "the optimizer is schedule-free, and was in train mode: these are its y, not its average x (optimizer.eval() before saving stores x)"
			case false:
				return checkpoint.Average, "the optimizer is schedule-free, and was in eval mode: these are its average x"
			}
		}
	}
	return "", ""
}

// ByNames completes what is known of the weights by the names of tensors and files, and notes what follows. file is what
// was opened: the path itself, or what of that folder is the model.
func ByNames(c checkpoint.Checkpoint, file string) {
	a := c.About()
	if a.Weights == "" {
		for _, path := range []string{file, filepath.Dir(file)} {
			if w, word := byName(path); w != "" && strings.HasPrefix(path, a.Path) {
				a.Weights, a.WeightsWhy = w, word+" stands in its name"
				break
			}
		}
	}
	if a.Weights == checkpoint.EMA || a.Weights == checkpoint.Average {
		a.Note("these weights are an %s already: %s", map[string]string{checkpoint.EMA: "exponential moving average", checkpoint.Average: "average"}[a.Weights], a.WeightsWhy)
	}
	names := slices.Collect(maps.Keys(c.Tied()))
	for _, t := range c.Tensors() {
		names = append(names, t.Name)
	}
	begins := func(p string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, p) })
	}
	if begins("ema_model.") && begins("online_model.") {
		a.Note("ema-pytorch's wrapper: both the average (ema_model.…) and the raw weights (online_model.…) are in the state dict")
	}
	if slices.ContainsFunc(names, checkpoint.LowRank) {
		a.Note("a low-rank adapter: the mean of the factors A and B is not the factors of the mean of their products")
	}
}
