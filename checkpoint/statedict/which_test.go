package statedict

import (
	"slices"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
)

// TestWeights: which weights stand under a key, by what stands beside it.
func TestWeights(t *testing.T) {
	some := dict("w", int64(1))
	groups := func(pairs ...any) *pickle.Dict {
		return dict("param_groups", &pickle.List{Items: []any{dict(pairs...)}})
	}
	for name, c := range map[string]struct {
		root      *pickle.Dict
		key, want string
	}{
		"timm, EMA":                 {dict("state_dict", some, "state_dict_ema", some), "state_dict_ema", checkpoint.EMA},
		"timm, raw":                 {dict("state_dict", some, "state_dict_ema", some), "state_dict", checkpoint.Raw},
		"icefall, mean":             {dict("model", some, "model_avg", some), "model_avg", checkpoint.Average},
		"icefall, raw":              {dict("model", some, "model_avg", some), "model", checkpoint.Raw},
		"alone":                     {dict("state_dict", some, "epoch", int64(1)), "state_dict", ""},
		"a number called ema":       {dict("state_dict", some, "ema", 0.999), "state_dict", ""},
		"an optimizer's average":    {dict("model", some, "optimizer_ema", some), "model", ""},
		"schedule-free, evaluation": {dict("model", some, "optimizer", groups("weight_lr_power", 2.0, "train_mode", false)), "model", checkpoint.Average},
		"schedule-free, Lightning":  {dict("state_dict", some, "optimizer_states", &pickle.List{Items: []any{groups("weight_lr_power", 2.0, "train_mode", true)}}), "state_dict", checkpoint.Raw},
		"another optimizer":         {dict("model", some, "optimizer", groups("lr", 0.1)), "model", ""},
		"the root":                  {dict("a.w", int64(1)), "", ""},
	} {
		f := &finder{root: c.root}
		if got, why := f.weights(c.key); got != c.want {
			t.Errorf("%s: %q (%s), expected %q", name, got, why, c.want)
		}
	}
	for name, want := range map[string]string{"model-EMA.ckpt": checkpoint.EMA, "epoch=3-avg_val_loss=0.2.ckpt": "", "avg_10.pt": checkpoint.Average, "unet_ema": checkpoint.EMA, "swag.pt": "", "schema.pt": "", "swa_final.pt": checkpoint.Average} {
		if got, _ := byName("run/" + name); got != want {
			t.Errorf("%s: %q, expected %q", name, got, want)
		}
	}
}

// What a state dict holds beside tensors is named.
func TestLeftOut(t *testing.T) {
	state := dict("fc.weight", &stored.Tensor{}, "fc.temperature", 0.07, "epoch", int64(3), "optimizer", dict("a", int64(1)), "codebook", &pickle.Object{Class: pickle.Global{Module: "my", Name: "Codebook"}}, "fc._extra_state", nil, pickle.Tuple{"a"}, &stored.Tensor{})
	if got := leftOut(state, true); !slices.Equal(got, []string{"fc.temperature (a number or text)", "codebook (my.Codebook)", "a key that is no text (a tensor)"}) {
		t.Errorf("at the root: %q", got)
	}
	if got := leftOut(state, false); len(got) != 5 {
		t.Errorf("under a key: %q", got)
	}
}
