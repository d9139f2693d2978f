package torch

/*
#include "language.h"
#include <stdlib.h>
*/
import "C"

import (
	"fmt"
	"unsafe"

	lib "github.com/sugarme/gotch/libtch"
)

// Attention is softmax(q·kᵀ/√width + mask)·v of N × heads × T × width, by libtorch's kernel for the device. mask, if it is not nil, is
// one of AttentionMask; without one, causal lets each token see itself and those before. dropout is of the softmax.
func (s *Scope) Attention(q, k, v, mask *Tensor, causal bool, dropout float64) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char {
		return C.lr_attention(out, q.ptr(), k.ptr(), v.ptr(), mask.ptr(), flag(causal && mask == nil), C.double(dropout))
	})
}

// AttentionMask says which keys each query sees, N × 1 × T × T, of a mask of tokens, N × T of whole numbers: 1 is a token, 0 padding.
// Every token sees itself, so that padding has outputs too, which nobody should use.
func (s *Scope) AttentionMask(tokens *Tensor, causal bool) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_attention_mask(out, tokens.ptr(), flag(causal)) })
}

// SplitHeads is x, N × T × heads·width, as N × heads × T × width.
func (s *Scope) SplitHeads(x *Tensor, heads int64) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_split_heads(out, x.ptr(), C.int64_t(heads)) })
}

// RepeatHeads is x, N × heads × T × width, as N × heads·repeat × T × width, each head repeat times in turn.
func (s *Scope) RepeatHeads(x *Tensor, repeat int64) *Tensor {
	if repeat == 1 {
		return x
	}
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_repeat_heads(out, x.ptr(), C.int64_t(repeat)) })
}

// JoinHeads is x, N × heads × T × width, as N × T × heads·width.
func (s *Scope) JoinHeads(x *Tensor) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_join_heads(out, x.ptr()) })
}

// ThirdsOfHeads is x, N × T × heads·3·width, as three of N × heads × T × width: the query, key and value of each head.
func (s *Scope) ThirdsOfHeads(x *Tensor, heads int64) (q, k, v *Tensor) {
	if s.err != nil {
		return nil, nil, nil
	}
	var out [3]C.lr_tensor
	if s.err = message(C.lr_thirds_of_heads(&out[0], &out[1], &out[2], x.ptr(), C.int64_t(heads))); s.err != nil {
		return nil, nil, nil
	}
	return s.own(lib.Ctensor(out[0])), s.own(lib.Ctensor(out[1])), s.own(lib.Ctensor(out[2]))
}

// Columns are [from, to) of the last dimension of x.
func (s *Scope) Columns(x *Tensor, from, to int64) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_columns(out, x.ptr(), C.int64_t(from), C.int64_t(to)) })
}

// Rotary says by which angles positions turn (Su et al. 2021, arXiv 2104.09864).
type Rotary struct {
	Width  int64   // columns that are turned
	Theta  float64 // base of the frequencies
	Linear float64 // what they are divided by; 0 is 1
	Llama3 *Llama3 // nil: as they are
}

// Llama3 stretches low frequencies to a longer context, as Llama 3.1 does.
type Llama3 struct{ Factor, Low, High, Context float64 }

// Angles are the cosines and sines of positions 0 to length−1, length × Width in float32, where like is.
func (s *Scope) Angles(r Rotary, like *Tensor, length int64) (cos, sin *Tensor) {
	if s.err != nil {
		return nil, nil
	}
	var stretch *C.double
	if l := r.Llama3; l != nil {
		v := [4]C.double{C.double(l.Factor), C.double(l.Low), C.double(l.High), C.double(l.Context)}
		stretch = &v[0]
	}
	linear := r.Linear
	if linear == 0 {
		linear = 1
	}
	var c, n C.lr_tensor
	if s.err = message(C.lr_rotary_angles(&c, &n, like.ptr(), C.int64_t(length), C.int64_t(r.Width), C.double(r.Theta), C.double(linear), stretch)); s.err != nil {
		return nil, nil
	}
	return s.own(lib.Ctensor(c)), s.own(lib.Ctensor(n))
}

// Rotate turns the first columns of x, N × heads × T × width, by angles.
func (s *Scope) Rotate(x, cos, sin *Tensor) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_rotate(out, x.ptr(), cos.ptr(), sin.ptr()) })
}

// Activate is a function of each element: gelu (by the error function), gelu-tanh (its approximation), silu, relu or tanh.
func (s *Scope) Activate(x *Tensor, name string) *Tensor {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_activate(out, x.ptr(), text) })
}

// Multiply is x·y, element by element.
func (s *Scope) Multiply(x, y *Tensor) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_multiply_elements(out, x.ptr(), y.ptr()) })
}

// RMSNorm is x/√(mean x² + eps)·w over the last dimension (Zhang, Sennrich 2019, arXiv 1910.07467).
func (s *Scope) RMSNorm(x, w *Tensor, eps float64) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_rms_norm(out, x.ptr(), w.ptr(), C.double(eps)) })
}

// Dropout makes zeros of the share p of elements, drawn from the device's generator (Seed), and the others 1/(1−p) times as large.
func (s *Scope) Dropout(x *Tensor, p float64) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_dropout(out, x.ptr(), C.double(p)) })
}

// Transposed is xᵀ of a matrix.
func (s *Scope) Transposed(x *Tensor) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_transposed(out, x.ptr()) })
}

// PaddedPositions counts the tokens of each row of ids, N × T, from padding+1 on; where the id is padding the position is too.
func (s *Scope) PaddedPositions(ids *Tensor, padding int64) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_padded_positions(out, ids.ptr(), C.int64_t(padding)) })
}

// Longest is how many places of a mask of tokens, N × T of whole numbers, hold a token of any example, counted from the first; at
// least one.
func (s *Scope) Longest(mask *Tensor) int64 {
	if s.err != nil {
		return 0
	}
	var n C.int64_t
	s.err = message(C.lr_longest(mask.ptr(), &n))
	return int64(n)
}

// PadPlaces is x, N × T × width, with zeros behind, up to so many places.
func (s *Scope) PadPlaces(x *Tensor, places int64) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_pad_places(out, x.ptr(), C.int64_t(places)) })
}

// Within fails where one of ids, N × T of whole numbers, has no row among so many: on a GPU libtorch would not survive it.
func (s *Scope) Within(ids *Tensor, rows int64) {
	if s.err != nil {
		return
	}
	var place, id C.int64_t
	if s.err = message(C.lr_outside(ids.ptr(), C.int64_t(rows), &place, &id)); s.err != nil || place < 0 {
		return
	}
	shape, err := ids.Shape()
	if s.err = err; err == nil {
		width := shape[len(shape)-1]
		s.err = fmt.Errorf("token %d at place %d of example %d of a batch; the vocabulary has %d, from 0 on", int64(id), int64(place)%width+1, int64(place)/width+1, rows)
	}
}
