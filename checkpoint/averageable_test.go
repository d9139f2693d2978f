package checkpoint

import (
	"strings"
	"testing"
)

// TestAverageable: what has no mean is refused by name, and what has one, or is only copied, is not.
func TestAverageable(t *testing.T) {
	tensors := func(text string) []Tensor {
		var out []Tensor
		for _, f := range strings.Fields(text) {
			name, kind, _ := strings.Cut(f, "=")
			dtype, dims, _ := strings.Cut(kind, ":")
			x := Tensor{Name: name, DType: DType(dtype), Shape: []int64{}}
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
		err := Averageable(tensors(c.tensors))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, expected …%s…", name, err, c.want)
		}
	}
}
