package torch

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"slices"

	lib "github.com/sugarme/gotch/libtch"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// Precision is the arithmetic of a network's forward pass. Weights, their gradients and outputs are float32 in each.
type Precision int

// The precisions.
const (
	// Float32 is that throughout: on a GPU without TF32, which PyTorch by default has in convolutions.
	Float32 Precision = iota
	// TF32 lets a GPU round the operands of convolutions and matrix products to 10 bits of mantissa
	// (torch.backends.cuda.matmul.allow_tf32 and cudnn.allow_tf32).
	TF32
	// BFloat16 is torch.autocast(dtype=torch.bfloat16): libtorch's own lists say which operations stay float32.
	BFloat16
)

// Precisions are the names of all, the usual first.
var Precisions = []string{"float32", "tf32", "bfloat16"}

// String is the name that ParsePrecision reads.
func (p Precision) String() string { return Precisions[p] }

// ParsePrecision reads a precision's name; "" is float32.
func ParsePrecision(text string) (Precision, error) {
	i := slices.Index(Precisions, text)
	if i < 0 && text != "" {
		return 0, spec.Unknown("precision", text, Precisions)
	}
	return Precision(max(i, 0)), nil
}

// Check is an error where d has no such arithmetic.
func (p Precision) Check(d Device) error {
	if p == TF32 && d == CPU {
		return fmt.Errorf("%v is an arithmetic of NVIDIA GPUs; on %v there are %v and %v", p, d, Float32, BFloat16)
	}
	return nil
}

// In runs f, which computes on d, by the arithmetic p, and gives its result as float32. The backward pass comes after it,
// as PyTorch has it. TF32 is a setting of the process: passes that differ in it must not run at the same time.
func (s *Scope) In(p Precision, d Device, f func() *Tensor) *Tensor {
	if d != CPU {
		C.lr_allow_tf32(flag(p == TF32))
	}
	if p != BFloat16 {
		return f()
	}
	return s.float(s.autocast(d, f))
}

// autocast runs f under torch.autocast of bfloat16.
func (s *Scope) autocast(d Device, f func() *Tensor) *Tensor {
	s.Fail(message(C.lr_autocast(C.int(d), 1)))
	defer func() { s.Fail(message(C.lr_autocast(C.int(d), 0))) }()
	return f()
}

// float is x in float32, differentiable; nil stays nil.
func (s *Scope) float(x *Tensor) *Tensor {
	if x == nil {
		return nil
	}
	return s.gotch(func(out *lib.Ctensor) { lib.AtgTotype(out, x.c, int32(dtypeOf[float32]())) })
}
