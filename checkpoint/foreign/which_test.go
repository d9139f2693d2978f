package foreign

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
)

// TestAsked: of several state dicts none is taken; the error lists them with what is known of each.
func TestAsked(t *testing.T) {
	for file, wants := range map[string][]string{
		"two.pt":         {"state_dict (8 tensors, raw weights)", "state_dict_ema (8 tensors, EMA)", "--key says which"},
		"mmengine.pth":   {"state_dict (8 tensors, EMA)", "ema_state_dict (9 tensors, raw weights)", "MMEngine's EMAHook"},
		"averaging.ckpt": {"state_dict (8 tensors, average)", "current_model_state (8 tensors, raw weights)", "Lightning's WeightAveraging"},
		"parts.pt":       {"encoder (1 tensors), decoder (1 tensors)", "--key encoder,decoder"},
		"nested.pt":      {"model.encoder (1 tensors), model.decoder (1 tensors)", "or model for all in it"},
	} {
		_, err := Open(filepath.Join(fixtures, file), Options{})
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, expected …%s…", file, err, want)
			}
		}
	}
	// Two averages of one model are not two parts of it.
	path := filepath.Join(fixtures, "two.pt")
	if _, err := Open(path, Options{Key: "state_dict,state_dict_ema"}); err != nil {
		t.Errorf("what is asked for is taken: %v", err)
	}
	if c, err := Open(path, Options{Key: "state_dict"}); err != nil || c.Weights != Raw || !strings.Contains(c.WeightsWhy, "state_dict_ema") {
		t.Errorf("%q, %v", c.Weights, err)
	}
}

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
		"timm, EMA":                 {dict("state_dict", some, "state_dict_ema", some), "state_dict_ema", EMA},
		"timm, raw":                 {dict("state_dict", some, "state_dict_ema", some), "state_dict", Raw},
		"icefall, mean":             {dict("model", some, "model_avg", some), "model_avg", Average},
		"icefall, raw":              {dict("model", some, "model_avg", some), "model", Raw},
		"alone":                     {dict("state_dict", some, "epoch", int64(1)), "state_dict", ""},
		"a number called ema":       {dict("state_dict", some, "ema", 0.999), "state_dict", ""},
		"an optimizer's average":    {dict("model", some, "optimizer_ema", some), "model", ""},
		"schedule-free, evaluation": {dict("model", some, "optimizer", groups("weight_lr_power", 2.0, "train_mode", false)), "model", Average},
		"schedule-free, Lightning":  {dict("state_dict", some, "optimizer_states", &pickle.List{Items: []any{groups("weight_lr_power", 2.0, "train_mode", true)}}), "state_dict", Raw},
		"another optimizer":         {dict("model", some, "optimizer", groups("lr", 0.1)), "model", ""},
		"the root":                  {dict("a.w", int64(1)), "", ""},
	} {
		f := &finder{root: c.root}
		if got, why := f.weights(c.key); got != c.want {
			t.Errorf("%s: %q (%s), expected %q", name, got, why, c.want)
		}
	}
	for name, want := range map[string]string{"model-EMA.ckpt": EMA, "epoch=3-avg_val_loss=0.2.ckpt": "", "avg_10.pt": Average, "unet_ema": EMA, "swag.pt": "", "schema.pt": "", "swa_final.pt": Average} {
		if got, _ := byName("run/" + name); got != want {
			t.Errorf("%s: %q, expected %q", name, got, want)
		}
	}
}

// What a state dict holds beside tensors is named.
func TestLeftOut(t *testing.T) {
	state := dict("fc.weight", &tensor{}, "fc.temperature", 0.07, "epoch", int64(3), "optimizer", dict("a", int64(1)), "codebook", &pickle.Object{Class: pickle.Global{Module: "my", Name: "Codebook"}}, "fc._extra_state", nil, pickle.Tuple{"a"}, &tensor{})
	if got := leftOut(state, true); !slices.Equal(got, []string{"fc.temperature (a number or text)", "codebook (my.Codebook)", "a key that is no text (a tensor)"}) {
		t.Errorf("at the root: %q", got)
	}
	if got := leftOut(state, false); len(got) != 5 {
		t.Errorf("under a key: %q", got)
	}
}

// TestUnread: tensors without plain bytes are named, with what they are, and can be left out.
func TestUnread(t *testing.T) {
	for _, c := range []struct {
		file, want string
		o          Options
	}{
		{"skip.pt", "tensor lap: it is a sparse tensor, which is not read (--skip lap leaves it out)", Options{}},
		{"skip.pt", "tensor q.weight: it is quantised", Options{Skip: []string{"lap"}}},
		{"dtensor.pt", "tensor a.weight: it is a DTensor: one process's share", Options{}},
		{"bare-2.pt", "no tensor's name begins with modle.; they begin with conv1., bn1., fc.", Options{Strip: []string{"modle."}}},
		{"bare-2.pt", "no tensor of it is left", Options{Skip: []string{"*"}}},
		{"bare-2.pt", `pattern of names "["`, Options{Skip: []string{"["}}},
		{"bare-2.pt", "--max-pickle", Options{MaxPickle: 500}},
		{"bare-legacy-2.pt", "--max-pickle", Options{MaxPickle: 500}},
		{"arrays-2.pkl", "--max-pickle", Options{MaxPickle: 500}},
		{"arrays-2.pt", "", Options{Strict: true}},
		{"state.pkl", "", Options{Strict: true}},
	} {
		_, err := openAll(filepath.Join(fixtures, c.file), c.o)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, expected …%s…", c.file, err, c.want)
		}
	}
	c, err := openAll(filepath.Join(fixtures, "bare-2.pt"), Options{Skip: []string{"fc.bias", "head.*"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Tensors) != 7 || !slices.Contains(c.Notes, "left out, as fc.bias: fc.bias") || !slices.Contains(c.Notes, "nothing is left out: no tensor is called head.*") {
		t.Errorf("%d tensors, notes %q", len(c.Tensors), c.Notes)
	}
}

// Tensors that are tied in one checkpoint and stored twice in another have one layout when they are untied.
func TestApart(t *testing.T) {
	open := func(name string, o Options) *Checkpoint {
		c, err := Open(filepath.Join(fixtures, name), o)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	both := []*Checkpoint{open("tie-1.pt", Options{}), open("tie-2.pt", Options{})}
	apart := Apart(both)
	if !slices.Equal(apart, []string{"b"}) {
		t.Fatalf("tied in one and stored apart in the other are %q", apart)
	}
	c := open("tie-1.pt", Options{Untie: apart})
	defer c.Close()
	have := content(t, c)
	if len(c.Tied) != 0 || len(have) != 2 || string(have["a"]) != string(have["b"]) {
		t.Errorf("tied %v, tensors %v", c.Tied, c.Layout())
	}
	if Apart(both[:1]) != nil || Apart(both[1:]) != nil {
		t.Error("checkpoints that agree are untied")
	}
}

// TestAverageable: what has no mean is refused by name, and what has one, or is only copied, is not.
func TestAverageable(t *testing.T) {
	tensors := func(text string) []checkpoint.Tensor {
		var out []checkpoint.Tensor
		for _, f := range strings.Fields(text) {
			name, kind, _ := strings.Cut(f, "=")
			dtype, dims, _ := strings.Cut(kind, ":")
			x := checkpoint.Tensor{Name: name, DType: checkpoint.DType(dtype), Shape: []int64{}}
			for _, d := range strings.Split(dims, "x") {
				if d != "" {
					x.Shape = append(x.Shape, int64(d[0]-'0'))
				}
			}
			out = append(out, x)
		}
		return out
	}
	for name, c := range map[string]struct{ tensors, want string }{
		"floats and counters":  {"w.weight=F32:2x3 d.weight=F64:2 h.weight=F16:2 b.weight=BF16:2 bn.num_batches_tracked=I64: emb.position_ids=I64:1x4 mask=BOOL:4 mask8=U8:4x4 z=C64:2 palette=U8:3x3 logit_scale=F32:", ""},
		"one empty tensor":     {"a.weight=F32:2x3 a.bias=F32:0 b.weight=F32:3", ""},
		"ZeRO-3":               {"a.weight=F32:0 a.bias=F32:0 b.weight=F32:0", "zero_to_fp32.py"},
		"ZeRO-3, persistent":   {"a.weight=F32:0 a.bias=F32:3 b.weight=F32:0 b.bias=F32:3 n.weight=F32:3 n.bias=F32:3 c=F32:2", "a.weight, b.weight"},
		"float8":               {"a.weight=F8_E4M3:2x3 a.weight_scale=F32:", "a.weight (F8_E4M3[2 3])"},
		"bitsandbytes, 8 bits": {"a.weight=I8:2x3 a.SCB=F32:2 a.weight_format=U8:", "a.weight (I8[2 3])"},
		"bitsandbytes, 4 bits": {"a.weight=U8:6x1 a.weight.absmax=U8:1 a.weight.quant_map=F32:4 a.weight.quant_state.bitsandbytes__nf4=U8:9", "a.weight (U8[6 1])"},
		"GPTQ":                 {"a.qweight=I32:2x3 a.qzeros=I32:1x1 a.scales=F16:1x3 a.g_idx=I32:3", "a.qweight (I32[2 3]), a.qzeros"},
		"compressed-tensors":   {"a.weight_packed=I32:2x3 a.weight_scale=BF16:2x1 a.weight_shape=I64:2", "a.weight_packed"},
		"quanto":               {"a.weight._data=I8:2x3 a.weight._scale=F32:2x1", "a.weight._data"},
		"integers as weights":  {"a.weight=I8:2x3", "a.weight"},
	} {
		err := checkpoint.Averageable(tensors(c.tensors))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, expected …%s…", name, err, c.want)
		}
	}
}
