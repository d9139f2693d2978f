package model

// Linear is x·weightᵀ + bias over the last dimension: torch.nn.Linear, whose weights it begins with; biases begin at 0.
type Linear struct {
	In, Out    int
	NoBias     bool
	Transposed bool // the weight is In × Out, as transformers has it for GPT-2
	Init       Init // of the weight; nil is Uniform
	BiasInit   Init // nil is Zeros
}

// Bind implements Layer.
func (l Linear) Bind(b *Binder) Forward {
	weight := l.weight(b)
	var bias *Tensor
	if !l.NoBias {
		init := l.BiasInit
		if init == nil {
			init = Zeros
		}
		bias = b.Parameter("bias", init, int64(l.Out))
	}
	return func(p Pass, x ...*Tensor) *Tensor {
		if l.Transposed {
			return p.Linear(x[0], p.Transposed(weight), bias)
		}
		return p.Linear(x[0], weight, bias)
	}
}

func (l Linear) weight(b *Binder) *Tensor {
	init := l.Init
	if init == nil {
		init = Uniform
	}
	if l.Transposed {
		return b.Parameter("weight", init, shape(l.In, l.Out)...)
	}
	return b.Parameter("weight", init, shape(l.Out, l.In)...)
}
