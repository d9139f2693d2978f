package torch

import lib "github.com/sugarme/gotch/libtch"

// callRemoved calls the five functions of gotch whose meaning changed after libtorch 2.1, and that
// compat.h therefore replaces, for the test that they throw. Nothing else may call them.
func callRemoved() map[string]error {
	out := map[string]error{}
	try := func(name string, op func(out *lib.Ctensor)) {
		var s Scope
		defer s.Close()
		s.gotch(op)
		out[name] = s.Err()
	}
	x, err := New[float32](CPU, 1)
	if err != nil {
		return map[string]error{"a tensor": err}
	}
	defer x.Free()
	c := x.c
	try("_cslt_sparse_mm", func(out *lib.Ctensor) { lib.Atg_CsltSparseMm(out, c, c, c, 0) })
	try("_scaled_mm", func(out *lib.Ctensor) { lib.Atg_ScaledMm(out, c, c, c, 6, c, c, c) })
	try("_scaled_mm_out", func(out *lib.Ctensor) { lib.Atg_ScaledMmOut(out, c, c, c, c, c, 6, c, c, c) })
	try("_efficient_attention_backward", func(out *lib.Ctensor) {
		lib.Atg_EfficientAttentionBackward(out, c, c, c, c, c, c, c, c, 1, 1, c, 0, c, c, 0, 0, 0, 1, 0, 1)
	})
	try("_flash_attention_backward", func(out *lib.Ctensor) {
		lib.Atg_FlashAttentionBackward(out, c, c, c, c, c, c, c, c, 1, 1, 0, 0, c, c, 0, 1)
	})
	return out
}
