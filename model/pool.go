package model

// GlobalAvgPool averages N×C×H×W over the pixels: N×C.
type GlobalAvgPool struct{}

// Bind implements Layer.
func (GlobalAvgPool) Bind(*Binder) Forward {
	return func(p Pass, x ...*Tensor) *Tensor { return p.MeanOfPixels(x[0]) }
}

// MaxPool is the largest value of each window of Kernel×Kernel pixels of N×C×H×W: torch.nn.MaxPool2d.
type MaxPool struct{ Kernel, Stride, Padding int }

// Bind implements Layer.
func (l MaxPool) Bind(*Binder) Forward {
	return func(p Pass, x ...*Tensor) *Tensor {
		return p.MaxPool2d(x[0], int64(l.Kernel), int64(l.Stride), int64(l.Padding))
	}
}

// PadChannels takes every Stride-th pixel and puts zero channels before and behind, up to Channels.
type PadChannels struct{ Stride, Channels int }

// Bind implements Layer.
func (l PadChannels) Bind(*Binder) Forward {
	return func(p Pass, x ...*Tensor) *Tensor { return p.PadChannels(x[0], int64(l.Stride), int64(l.Channels)) }
}
