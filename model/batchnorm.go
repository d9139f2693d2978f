package model

import "github.com/lawa-replay/lawa-replay/internal/torch"

// BatchNorm normalises each of Channels channels (Ioffe and Szegedy 2015, arXiv 1502.03167): torch.nn.BatchNorm2d with
// its defaults.
type BatchNorm struct{ Channels int }

// Bind implements Layer.
func (l BatchNorm) Bind(b *Binder) Forward {
	n := bindNorm(b, "", l.Channels)
	return func(p Pass, x ...*Tensor) *Tensor {
		y := x[0]
		if p.Mode.kind != training {
			y = p.Clone(y)
		}
		return n.apply(p, y, nil, false)
	}
}

// norm is a batch norm with its tensors: the one place that knows how statistics are observed.
type norm struct {
	torch.BatchNorm
	batches *int64 // observed so far
}

func bindNorm(b *Binder, name string, channels int) *norm {
	n := &norm{}
	b.Part(name, bindFunc(func(b *Binder) {
		c := int64(channels)
		n.Weight, n.Bias = b.Parameter("weight", Ones, c), b.Parameter("bias", Zeros, c)
		n.RunningMean, n.RunningVar = b.Statistic("running_mean", Zeros, c), b.Statistic("running_var", Ones, c)
		n.batches = b.Counter("num_batches_tracked")
	}))
	return n
}

// bindFunc takes tensors from a binder.
type bindFunc func(*Binder)

// Bind implements Layer.
func (f bindFunc) Bind(b *Binder) Forward {
	f(b)
	return nil
}

// apply is batch norm, the sum with residual if there is one, and ReLU if wanted: on x itself, which it may overwrite,
// unless it is differentiable.
func (n *norm) apply(p Pass, x, residual *Tensor, relu bool) *Tensor {
	if p.Err() != nil {
		return nil
	}
	share, observed := p.Mode.Momentum()
	if !observed {
		return p.BatchNormEval(x, &n.BatchNorm, residual, relu)
	}
	*n.batches++
	if p.Mode.kind == observing {
		return p.BatchNormStatistics(x, &n.BatchNorm, share, residual, relu)
	}
	return p.BatchNormTrain(x, &n.BatchNorm, residual, relu)
}
