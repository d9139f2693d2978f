package torch

/*
#include "shim.h"
#include <stdlib.h>
*/
import "C"

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"unsafe"
)

// Module is a TorchScript module in evaluation mode. It belongs to one goroutine at a time.
type Module struct{ m C.lr_module }

// ModuleTensor is a parameter or a buffer of a module.
type ModuleTensor struct {
	Name   string
	Buffer bool
	DType  DType
	Shape  []int64
}

// DType is libtorch's number of a dtype (c10::ScalarType).
type DType int

// The dtypes by their names in safetensors.
var dtypeNames = map[string]DType{"U8": 0, "I8": 1, "I16": 2, "I32": 3, "I64": 4, "F16": 5, "F32": 6, "F64": 7, "C64": 9, "BOOL": 11, "BF16": 15}

// DTypeOf is the dtype that safetensors calls so.
func DTypeOf(name string) (DType, error) {
	d, ok := dtypeNames[name]
	if !ok {
		return 0, fmt.Errorf("libtorch computes with no dtype %s", name)
	}
	return d, nil
}

// Float says whether d is a floating-point dtype.
func (d DType) Float() bool { return d == 5 || d == 6 || d == 7 || d == 15 }

// String is the name of d in safetensors.
func (d DType) String() string {
	for name, v := range dtypeNames {
		if v == d {
			return name
		}
	}
	return fmt.Sprintf("dtype %d", int(d))
}

// LoadModule reads a TorchScript archive (torch.jit.save) and puts the module on a device.
func LoadModule(data []byte, d Device) (*Module, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("the file is empty")
	}
	m := &Module{}
	err := message(C.lr_script_load(&m.m, unsafe.Pointer(&data[0]), C.int64_t(len(data)), C.int(d)))
	runtime.KeepAlive(data)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Free releases the module; to free nil, or twice, is harmless.
func (m *Module) Free() {
	if m != nil && m.m != nil {
		C.lr_script_free(m.m)
		m.m = nil
	}
}

// Tensors lists the module's parameters and buffers, by the names of its state dict.
func (m *Module) Tensors() ([]ModuleTensor, error) {
	var text *C.char
	if err := message(C.lr_script_tensors(m.m, &text)); err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(text))
	var out []ModuleTensor
	for line := range strings.Lines(C.GoString(text)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) < 3 {
			return nil, fmt.Errorf("libtorch lists a tensor as %q", line)
		}
		t := ModuleTensor{Name: fields[0], Buffer: fields[1] == "b", Shape: []int64{}}
		d, err := strconv.Atoi(fields[2])
		if err != nil {
			return nil, err
		}
		t.DType = DType(d)
		for _, f := range fields[3:] {
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return nil, err
			}
			t.Shape = append(t.Shape, n)
		}
		out = append(out, t)
	}
	return out, nil
}

// Inputs are the names of what forward takes and has no default.
func (m *Module) Inputs() ([]string, error) {
	var text *C.char
	if err := message(C.lr_script_inputs(m.m, &text)); err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(text))
	return strings.Fields(C.GoString(text)), nil
}

// Bind lets the named tensor of the module be the memory of t, which must outlive the module's use.
func (m *Module) Bind(name string, t *Tensor) error {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return message(C.lr_script_bind(m.m, c, t.ptr()))
}

// Write overwrites the named tensor with the bytes of a tensor of its dtype and shape.
func (m *Module) Write(name string, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	err := message(C.lr_script_write(m.m, c, unsafe.Pointer(&data[0]), C.int64_t(len(data))))
	runtime.KeepAlive(data)
	return err
}

// Norms finds the submodules with running statistics, for Observe, and counts them. It comes after Bind.
func (m *Module) Norms() (int, error) {
	var n C.int
	err := message(C.lr_script_norms(m.m, &n))
	return int(n), err
}

// Forward runs the module in evaluation mode on its inputs: its result, the first of a tuple, or a dict's "logits".
func (s *Scope) Forward(m *Module, in []*Tensor) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char {
		x := pointers(in)
		return C.lr_script_forward(out, m.m, unsafe.SliceData(x), C.int(len(x)))
	})
}

// Observe lets the statistics of a batch of inputs into the module's running ones with the given momentum. Only the
// submodules that have statistics are in training mode.
func (s *Scope) Observe(m *Module, in []*Tensor, momentum float64) {
	if s.err == nil {
		x := pointers(in)
		s.err = message(C.lr_script_observe(m.m, unsafe.SliceData(x), C.int(len(x)), C.double(momentum)))
	}
}

func pointers(tensors []*Tensor) []C.lr_tensor {
	out := make([]C.lr_tensor, len(tensors))
	for i, t := range tensors {
		out[i] = t.ptr()
	}
	return out
}

// Narrow is examples [from, to) of t.
func (s *Scope) Narrow(t *Tensor, from, to int64) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_narrow(out, t.ptr(), C.int64_t(from), C.int64_t(to)) })
}

// Float is t in float32 where it floats, and as it is where it does not; contiguous.
func (s *Scope) Float(t *Tensor) *Tensor {
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_to_float(out, t.ptr()) })
}
