package torch

/*
#include "data.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	lib "github.com/sugarme/gotch/libtch"
)

// Zeros returns a tensor of zeros of a dtype by its name in safetensors.
func Zeros(d Device, dtype string, shape ...int64) (*Tensor, error) {
	kind, err := DTypeOf(dtype)
	if err != nil {
		return nil, err
	}
	var out C.lr_tensor
	if err := message(C.lr_new(&out, dims(shape), C.int(len(shape)), C.int(kind), C.int(d))); err != nil {
		return nil, fmt.Errorf("a tensor of shape %v on %v: %w", shape, d, err)
	}
	return &Tensor{lib.Ctensor(out)}, nil
}

// WriteBytes copies n elements, of a dtype by its name in safetensors, into t (contiguous) from its element offset on,
// and converts them to t's own dtype.
func WriteBytes(t *Tensor, offset int64, dtype string, data []byte, n int64) error {
	kind, err := DTypeOf(dtype)
	if err != nil || n == 0 {
		return err
	}
	err = message(C.lr_write_as(t.ptr(), C.int64_t(offset), unsafe.Pointer(&data[0]), C.int64_t(n), C.int(kind)))
	runtime.KeepAlive(data)
	return err
}

// FreeMemory is what is free of a device's memory, in bytes; -1 where that is not known, as on the CPU.
func (d Device) FreeMemory() (int64, error) {
	var n C.int64_t
	err := message(C.lr_free_memory(C.int(d), &n))
	return int64(n), err
}

// Ignored is a label that is not scored and that adds nothing to a loss, as in torch.nn.CrossEntropyLoss.
const Ignored = -100

// What ScoreClasses gives in place of a rank.
const (
	RankNoClass = -1
	RankIgnored = -2
)

// ScoreClasses compares outputs, N × classes, with N labels of a whole-number dtype, where the outputs are and in float64.
// out gets two numbers for each label in turn: the cross-entropy in nats, −log softmax(outputs)[label], and how many classes
// are preferred to the label, a tie going to the lower class as argmax has it. Where an output is NaN the first is NaN and
// the second the number of classes; a label of Ignored has the rank RankIgnored, one that is no class RankNoClass.
func ScoreClasses(out []float64, outputs, labels *Tensor) error {
	if len(out) == 0 {
		return nil
	}
	err := message(C.lr_score_classes(outputs.ptr(), labels.ptr(), (*C.double)(unsafe.Pointer(&out[0]))))
	runtime.KeepAlive(out)
	return err
}

// scoreByOperations is ScoreClasses as other devices compute it, for tests: outputs N × classes on any.
func scoreByOperations(out []float64, outputs, labels *Tensor) error {
	err := message(C.lr_score_by_operations(outputs.ptr(), labels.ptr(), (*C.double)(unsafe.Pointer(&out[0]))))
	runtime.KeepAlive(out)
	return err
}

// WholeAt is the element of a whole-number tensor at an index into its flattened values.
func WholeAt(t *Tensor, index int) (int64, error) {
	var out C.int64_t
	err := message(C.lr_whole_at(t.ptr(), C.int64_t(index), &out))
	return int64(out), err
}

// ScoreValues compares outputs with targets of as many values. out gets two numbers for each example in turn: the mean
// squared and the mean absolute error over its values.
func ScoreValues(out []float64, outputs, targets *Tensor) error {
	if len(out) == 0 {
		return nil
	}
	err := message(C.lr_score_values(outputs.ptr(), targets.ptr(), (*C.double)(unsafe.Pointer(&out[0]))))
	runtime.KeepAlive(out)
	return err
}

// ClassLoss is the mean cross-entropy in nats of outputs, N × classes, with N labels, of which those of Ignored do not count.
// Label smoothing is as torch.nn.CrossEntropyLoss defines it.
func (s *Scope) ClassLoss(outputs, labels *Tensor, smoothing float64) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char {
		return C.lr_class_loss(out, outputs.ptr(), labels.ptr(), C.double(smoothing))
	})
}

// Scored finds the labels of N × T, or with next those of each place's next one, that are not Ignored: the places that they are
// scored at, counted through all N·T, and the labels themselves. Both are int64, of as many elements, maybe none. Where mask (N × T,
// or nil) is 0 there is no label.
func (s *Scope) Scored(labels, mask *Tensor, next bool) (places, scored *Tensor) {
	if s.err != nil {
		return nil, nil
	}
	var at, own C.lr_tensor
	if s.err = message(C.lr_scored(&at, &own, labels.ptr(), mask.ptr(), flag(next))); s.err != nil {
		return nil, nil
	}
	return s.own(lib.Ctensor(at)), s.own(lib.Ctensor(own))
}

// SquareLoss is the mean squared error of outputs against targets of as many values.
func (s *Scope) SquareLoss(outputs, targets *Tensor) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_square_loss(out, outputs.ptr(), targets.ptr()) })
}

// Own lets the scope free t, as it does its own results.
func (s *Scope) Own(t *Tensor) { s.made = append(s.made, t) }
