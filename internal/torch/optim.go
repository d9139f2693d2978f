package torch

/*
#include "shim.h"
*/
import "C"

// SGD is one step of torch.optim.SGD over whole flat tensors, after which grad is zero. The first step
// sets the momentum instead of decaying it.
func SGD(params, grad, momentum *Tensor, lr, mu, weightDecay float64, nesterov, first bool) error {
	return message(C.lr_sgd(params.ptr(), grad.ptr(), momentum.ptr(), C.double(lr), C.double(mu), C.double(weightDecay), flag(nesterov), flag(first)))
}

// Adam is one step, counted from 1, of torch.optim.Adam over whole flat tensors, after which grad is zero; of
// torch.optim.AdamW, where the weight decay is decoupled from the gradients. m and v are the running means of the
// gradients and of their squares.
func Adam(params, grad, m, v *Tensor, lr, beta1, beta2, eps, weightDecay float64, decoupled bool, step int64) error {
	return message(C.lr_adam(params.ptr(), grad.ptr(), m.ptr(), v.ptr(), C.double(lr), C.double(beta1), C.double(beta2), C.double(eps), C.double(weightDecay), flag(decoupled), C.int64_t(step)))
}

// AddScaled makes t of t + scale·x.
func (t *Tensor) AddScaled(x *Tensor, scale float64) error {
	return message(C.lr_add_scaled(t.ptr(), x.ptr(), C.double(scale)))
}

// AddProduct makes t of t + scale·x·y, element by element.
func (t *Tensor) AddProduct(x, y *Tensor, scale float64) error {
	return message(C.lr_add_product(t.ptr(), x.ptr(), y.ptr(), C.double(scale)))
}

// ClipNorm makes t of t·min(1, most/(‖t‖₂ + 1e-6)), as torch.nn.utils.clip_grad_norm_ does with the gradients of a network.
func (t *Tensor) ClipNorm(most float64) error {
	return message(C.lr_clip_norm(t.ptr(), C.double(most)))
}

// Multiply makes the elements [from, from+n) of t, of one dimension, scale times as large.
func (t *Tensor) Multiply(from, n int64, scale float64) error {
	return message(C.lr_multiply(t.ptr(), C.int64_t(from), C.int64_t(n), C.double(scale)))
}

// AddAt makes t[i] of t[i] + x, a tensor of one element.
func (t *Tensor) AddAt(i int, x *Tensor) error {
	return message(C.lr_add_at(t.ptr(), C.int64_t(i), x.ptr()))
}

// Lerp makes t of t + share·(x − t).
func (t *Tensor) Lerp(x *Tensor, share float64) error {
	return message(C.lr_lerp(t.ptr(), x.ptr(), C.double(share)))
}

// Copy makes t of the values of x.
func (t *Tensor) Copy(x *Tensor) error { return message(C.lr_copy(t.ptr(), x.ptr())) }

// Zero makes t of zeros.
func (t *Tensor) Zero() error { return message(C.lr_zero(t.ptr())) }

// Mix is x·share + x[order]·(1 − share), where order (int64) is one of the examples of x, its first dimension. It is not
// differentiable.
func (s *Scope) Mix(x, order *Tensor, share float64) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_mix(out, x.ptr(), order.ptr(), C.double(share)) })
}

// Take is x[order], where order (int64) is of the examples of x, its first dimension.
func (s *Scope) Take(x, order *Tensor) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_take(out, x.ptr(), order.ptr()) })
}

// Times is x·scale, differentiable.
func (s *Scope) Times(x *Tensor, scale float64) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_times(out, x.ptr(), C.double(scale)) })
}
