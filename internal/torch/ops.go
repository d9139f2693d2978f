package torch

/*
#include "shim.h"
*/
import "C"

import (
	"unsafe"

	lib "github.com/sugarme/gotch/libtch"
)

// Normalize returns (x/255 − mean)/std in float32 for images [from, to) of a uint8 tensor N×C×H×W, with
// one mean and one standard deviation per channel, rounded as torchvision's ToTensor and Normalize do.
// On a CPU the result has its channels last in memory, the layout in which convolutions run faster.
func (s *Scope) Normalize(images *Tensor, from, to int64, mean, std []float32) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char {
		return C.lr_normalize(out, images.ptr(), C.int64_t(from), C.int64_t(to), (*C.float)(unsafe.Pointer(&mean[0])), (*C.float)(unsafe.Pointer(&std[0])))
	})
}

// Conv2d convolves x (N×C×H×W) with w (out×C/groups×k×k), and adds b (out) if it is not nil.
func (s *Scope) Conv2d(x, w, b *Tensor, stride, padding, groups int64) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char {
		return C.lr_conv2d(out, x.ptr(), w.ptr(), b.ptr(), C.int64_t(stride), C.int64_t(padding), C.int64_t(groups))
	})
}

// BatchNorm is the state of one batch-norm layer: four float32 tensors of one value per channel.
type BatchNorm struct {
	Weight, Bias, RunningMean, RunningVar *Tensor
}

// BatchNormEps and BatchNormMomentum are PyTorch's defaults (torch.nn.BatchNorm2d).
const (
	BatchNormEps      = 1e-5
	BatchNormMomentum = 0.1
)

// BatchNormEval normalises x in place with the running statistics, adds residual (if it is not nil) and
// applies ReLU (if relu).
func (s *Scope) BatchNormEval(x *Tensor, bn *BatchNorm, residual *Tensor, relu bool) *Tensor {
	return s.batchNorm(x, bn, -1, residual, relu)
}

// BatchNormStatistics does the same with the statistics of the batch, and lets them into the running ones:
// running = (1 − momentum)·running + momentum·batch, with the unbiased variance, as torch's batch_norm
// does in training. Nothing is recorded for gradients.
func (s *Scope) BatchNormStatistics(x *Tensor, bn *BatchNorm, momentum float64, residual *Tensor, relu bool) *Tensor {
	return s.batchNorm(x, bn, momentum, residual, relu)
}

func (s *Scope) batchNorm(x *Tensor, bn *BatchNorm, momentum float64, residual *Tensor, relu bool) *Tensor {
	if s.err != nil {
		return nil
	}
	s.err = message(C.lr_bn_act(x.ptr(), bn.Weight.ptr(), bn.Bias.ptr(), bn.RunningMean.ptr(), bn.RunningVar.ptr(), BatchNormEps, C.double(momentum), residual.ptr(), flag(relu)))
	return x
}

// BatchNormTrain is BatchNormStatistics with PyTorch's default momentum, differentiable, into a new tensor.
func (s *Scope) BatchNormTrain(x *Tensor, bn *BatchNorm, residual *Tensor, relu bool) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char {
		return C.lr_bn_act_train(out, x.ptr(), bn.Weight.ptr(), bn.Bias.ptr(), bn.RunningMean.ptr(), bn.RunningVar.ptr(), BatchNormEps, BatchNormMomentum, residual.ptr(), flag(relu))
	})
}

// PadChannels takes every stride-th pixel of x (N×C×H×W) and puts zero channels before and behind its own,
// up to the given number: the parameter-free shortcut of residual networks.
func (s *Scope) PadChannels(x *Tensor, stride, channels int64) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char {
		return C.lr_pad_channels(out, x.ptr(), C.int64_t(stride), C.int64_t(channels))
	})
}

// MeanOfPixels averages x (N×C×H×W) over its pixels: N×C.
func (s *Scope) MeanOfPixels(x *Tensor) *Tensor {
	return s.gotch(func(out *lib.Ctensor) {
		const drop, float32 = 0, 6
		lib.AtgMeanDim(out, x.c, []int64{2, 3}, 2, drop, float32)
	})
}

// MaxPool2d is the largest value of each window of kernel×kernel pixels of x (N×C×H×W).
func (s *Scope) MaxPool2d(x *Tensor, kernel, stride, padding int64) *Tensor {
	return s.gotch(func(out *lib.Ctensor) {
		square := func(n int64) []int64 { return []int64{n, n} }
		lib.AtgMaxPool2d(out, x.c, square(kernel), 2, square(stride), 2, square(padding), 2, square(1), 2, 0)
	})
}

// Linear is x·wᵀ + b over the last dimension, with w out×in; b may be nil.
func (s *Scope) Linear(x, w, b *Tensor) *Tensor {
	return s.gotch(func(out *lib.Ctensor) { lib.AtgLinear(out, x.c, w.c, b.handle()) })
}

// Embedding gives each of the int64 indices its row of w (rows×width).
func (s *Scope) Embedding(w, indices *Tensor) *Tensor {
	const noPadding, no = -1, 0
	return s.gotch(func(out *lib.Ctensor) { lib.AtgEmbedding(out, w.c, indices.c, noPadding, no, no) })
}

// LayerNorm normalises the last dimension, as long as w and b.
func (s *Scope) LayerNorm(x, w, b *Tensor, eps float64) *Tensor {
	shape, err := w.Shape()
	s.Fail(err)
	return s.gotch(func(out *lib.Ctensor) { lib.AtgLayerNorm(out, x.c, shape, len(shape), w.c, b.c, eps, 1) })
}

// Add is x + y.
func (s *Scope) Add(x, y *Tensor) *Tensor {
	return s.gotch(func(out *lib.Ctensor) { lib.AtgAdd(out, x.c, y.c) })
}

// Reshape is x in another shape of as many elements; one size may be -1.
func (s *Scope) Reshape(x *Tensor, shape ...int64) *Tensor {
	return s.gotch(func(out *lib.Ctensor) { lib.AtgReshape(out, x.c, shape, len(shape)) })
}

// Relu is max(x, 0).
func (s *Scope) Relu(x *Tensor) *Tensor {
	return s.gotch(func(out *lib.Ctensor) { lib.AtgRelu(out, x.c) })
}

// Clone is a copy of x.
func (s *Scope) Clone(x *Tensor) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_clone(out, x.ptr()) })
}

// Leaf returns a view of flat (float32) from its element offset on that takes part in gradients: they
// accumulate in the same place of grad. With a nil grad it is a plain view.
func (s *Scope) Leaf(flat, grad *Tensor, offset int64, shape []int64) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char {
		return C.lr_leaf(out, flat.ptr(), grad.ptr(), C.int64_t(offset), dims(shape), C.int(len(shape)))
	})
}

// Backward adds the gradients of a loss of one element to those of its leaves.
func (s *Scope) Backward(loss *Tensor) {
	if s.err == nil {
		s.err = message(C.lr_backward(loss.ptr()))
	}
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
