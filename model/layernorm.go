package model

// LayerNorm normalises the last dimension, of Width values (Ba, Kiros, Hinton 2016, arXiv 1607.06450):
// torch.nn.LayerNorm, with the biased variance.
type LayerNorm struct {
	Width int
	Eps   float64 // 0 is PyTorch's default, 1e-5
}

// Bind implements Layer.
func (l LayerNorm) Bind(b *Binder) Forward {
	width, eps := int64(l.Width), l.Eps
	if eps == 0 {
		eps = 1e-5
	}
	weight, bias := b.Parameter("weight", Ones, width), b.Parameter("bias", Zeros, width)
	return func(p Pass, x ...*Tensor) *Tensor { return p.LayerNorm(x[0], weight, bias, eps) }
}
