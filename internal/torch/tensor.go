package torch

/*
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	lib "github.com/sugarme/gotch/libtch"
)

// Tensor is a tensor of libtorch. Free it, or let the Scope that made it do so.
type Tensor struct{ c lib.Ctensor }

// Element is a Go type that a tensor can hold; the dtypes are uint8, int64, float32 and float64.
type Element interface {
	uint8 | int64 | float32 | float64
}

func dtypeOf[E Element]() int {
	var e E
	switch any(e).(type) {
	case uint8:
		return 0
	case int64:
		return 4
	case float32:
		return 6
	}
	return 7
}

// New returns a tensor of zeros.
func New[E Element](d Device, shape ...int64) (*Tensor, error) {
	var out C.lr_tensor
	err := message(C.lr_new(&out, dims(shape), C.int(len(shape)), C.int(dtypeOf[E]()), C.int(d)))
	if err != nil {
		return nil, fmt.Errorf("a tensor of shape %v on %v: %w", shape, d, err)
	}
	return &Tensor{lib.Ctensor(out)}, nil
}

// From returns a tensor with a copy of data, whose length is the product of shape.
func From[E Element](d Device, data []E, shape ...int64) (*Tensor, error) {
	n := int64(1)
	for _, s := range shape {
		n *= s
	}
	if n != int64(len(data)) {
		return nil, fmt.Errorf("%d values for a tensor of shape %v", len(data), shape)
	}
	t, err := New[E](d, shape...)
	if err != nil {
		return nil, err
	}
	if err := Write(t, 0, data); err != nil {
		t.Free()
		return nil, err
	}
	return t, nil
}

// Write copies data into t (contiguous, of data's dtype) from its element offset on.
func Write[E Element](t *Tensor, offset int64, data []E) error {
	if len(data) == 0 {
		return nil
	}
	if err := t.is(dtypeOf[E]()); err != nil {
		return err
	}
	err := message(C.lr_write(t.ptr(), C.int64_t(offset), unsafe.Pointer(&data[0]), C.int64_t(len(data))))
	runtime.KeepAlive(data)
	return err
}

// Read copies len(dst) elements of t (contiguous, of dst's dtype) from its element offset on.
func Read[E Element](dst []E, t *Tensor, offset int64) error {
	if len(dst) == 0 {
		return nil
	}
	if err := t.is(dtypeOf[E]()); err != nil {
		return err
	}
	return message(C.lr_read(t.ptr(), C.int64_t(offset), unsafe.Pointer(&dst[0]), C.int64_t(len(dst))))
}

// Shape returns the sizes of t.
func (t *Tensor) Shape() ([]int64, error) {
	shape, _, _, err := t.describe()
	return shape, err
}

// Values copies out the elements of t, whatever their dtype and their order in memory, the last dimension changing fastest.
// Whole numbers beyond 2⁵³ are rounded.
func (t *Tensor) Values() ([]float64, error) {
	shape, err := t.Shape()
	if err != nil {
		return nil, err
	}
	n := int64(1)
	for _, size := range shape {
		n *= size
	}
	var s Scope
	defer s.Close()
	x := s.gotch(func(out *lib.Ctensor) { lib.AtgTotype(out, t.c, int32(dtypeOf[float64]())) })
	x = s.gotch(func(out *lib.Ctensor) { lib.AtgContiguous(out, x.handle()) })
	if err := s.Err(); err != nil {
		return nil, err
	}
	out := make([]float64, n)
	return out, Read(out, x, 0)
}

// Free releases t; to free nil, or twice, is harmless.
func (t *Tensor) Free() {
	if t != nil && t.c != nil {
		lib.AtFree(t.c)
		t.c = nil
	}
}

func (t *Tensor) ptr() C.lr_tensor {
	if t == nil {
		return nil
	}
	return C.lr_tensor(t.c)
}

// handle is what gotch takes: nil for a tensor that is not there.
func (t *Tensor) handle() lib.Ctensor {
	if t == nil {
		return nil
	}
	return t.c
}

func (t *Tensor) describe() (shape []int64, dtype int, d Device, err error) {
	if t == nil || t.c == nil {
		return nil, 0, 0, fmt.Errorf("the tensor was freed")
	}
	var sizes [8]C.int64_t
	var n, kind, device C.int
	if err := message(C.lr_describe(t.ptr(), &sizes[0], &n, &kind, &device)); err != nil {
		return nil, 0, 0, err
	}
	shape = make([]int64, n)
	for i := range shape {
		shape[i] = int64(sizes[i])
	}
	return shape, int(kind), Device(device), nil
}

func (t *Tensor) is(dtype int) error {
	_, have, _, err := t.describe()
	if err == nil && have != dtype {
		err = fmt.Errorf("a tensor of dtype %d read or written as dtype %d", have, dtype)
	}
	return err
}

func dims(shape []int64) *C.int64_t {
	if len(shape) == 0 {
		return nil
	}
	return (*C.int64_t)(unsafe.Pointer(&shape[0]))
}
