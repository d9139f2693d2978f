package model

// Linear is x·weightᵀ + bias over the last dimension: torch.nn.Linear, whose weights it begins with; biases begin at 0.
type Linear struct {
	In, Out  int
	NoBias   bool
	BiasInit Init // nil is Zeros
}

// Bind implements Layer.
func (l Linear) Bind(b *Binder) Forward {
	weight := b.Parameter("weight", Uniform, shape(l.Out, l.In)...)
	var bias *Tensor
	if !l.NoBias {
		init := l.BiasInit
		if init == nil {
			init = Zeros
		}
		bias = b.Parameter("bias", init, int64(l.Out))
	}
	return func(p Pass, x ...*Tensor) *Tensor { return p.Linear(x[0], weight, bias) }
}
