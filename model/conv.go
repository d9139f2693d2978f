package model

// Conv is a convolution of N×In×H×W with Out kernels of Kernel×Kernel.
type Conv struct {
	In, Out, Kernel, Stride, Padding int
	Groups                           int // 0 is 1
	Bias                             bool
	Init                             Init // of the weight; nil is HeNormal
}

// Bind implements Layer.
func (l Conv) Bind(b *Binder) Forward {
	groups, init := max(1, l.Groups), l.Init
	if init == nil {
		init = HeNormal
	}
	weight := b.Parameter("weight", init, shape(l.Out, l.In/groups, l.Kernel, l.Kernel)...)
	var bias *Tensor
	if l.Bias {
		bias = b.Parameter("bias", Zeros, int64(l.Out))
	}
	return func(p Pass, x ...*Tensor) *Tensor {
		return p.Conv2d(x[0], weight, bias, int64(l.Stride), int64(l.Padding), int64(groups))
	}
}

// ConvNormAct is a convolution without a bias, batch norm, and ReLU if wanted: two passes over the activations instead
// of three.
type ConvNormAct struct {
	Conv
	ConvName, NormName string
	ReLU               bool
}

// Bind implements Layer.
func (l ConvNormAct) Bind(b *Binder) Forward {
	f := l.bind(b)
	return func(p Pass, x ...*Tensor) *Tensor { return f(p, x[0], nil, l.ReLU) }
}

// bind gives the layer with a sum, if residual is not nil, between batch norm and ReLU.
func (l ConvNormAct) bind(b *Binder) func(p Pass, x, residual *Tensor, relu bool) *Tensor {
	conv := b.Part(l.ConvName, l.Conv)
	norm := bindNorm(b, l.NormName, l.Out)
	return func(p Pass, x, residual *Tensor, relu bool) *Tensor {
		y := conv.Forward(p, x)
		if !p.needed {
			residual, relu = nil, false
		}
		z := norm.apply(p, y, residual, relu)
		if z != y {
			p.Release(y)
		}
		return z
	}
}

func shape(sizes ...int) []int64 {
	out := make([]int64, len(sizes))
	for i, s := range sizes {
		out[i] = int64(s)
	}
	return out
}
