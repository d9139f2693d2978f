package torch

/*
#include "shim.h"
#include <stdlib.h>
*/
import "C"

import (
	"runtime"
	"slices"
	"unsafe"

	lib "github.com/sugarme/gotch/libtch"
)

// Scope runs operations and owns their results. The first error sticks: what follows it does nothing
// and returns nil, so a network reads as a formula and Err is asked once, at its end.
type Scope struct {
	made []*Tensor
	err  error
}

// Close frees every tensor that the scope made, and forgets its error.
func (s *Scope) Close() {
	for _, t := range s.made {
		t.Free()
	}
	s.made, s.err = s.made[:0], nil
}

// Release frees t before the scope is closed, if the scope made it.
func (s *Scope) Release(t *Tensor) {
	for i := len(s.made) - 1; i >= 0; i-- {
		if s.made[i] == t {
			t.Free()
			s.made = slices.Delete(s.made, i, i+1)
			return
		}
	}
}

// Err returns the first error since the scope was made or closed.
func (s *Scope) Err() error { return s.err }

// Fail makes err the scope's error, if it is one and the first.
func (s *Scope) Fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// shim runs an operation of the C++ file.
func (s *Scope) shim(op func(out *C.lr_tensor) *C.char) *Tensor {
	if s.err != nil {
		return nil
	}
	var out C.lr_tensor
	if s.err = message(op(&out)); s.err != nil {
		return nil
	}
	return s.own(lib.Ctensor(out))
}

// gotch runs an operation of gotch, whose error waits in a slot of this OS thread.
func (s *Scope) gotch(op func(out *lib.Ctensor)) *Tensor {
	if s.err != nil {
		return nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var out lib.Ctensor
	op(&out)
	if s.err = lastError(); s.err != nil {
		return nil
	}
	return s.own(out)
}

func (s *Scope) own(c lib.Ctensor) *Tensor {
	t := &Tensor{c}
	s.made = append(s.made, t)
	return t
}

func lastError() error {
	m := (*C.char)(unsafe.Pointer(lib.GetAndResetLastErr()))
	if m == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(m))
	return tidy(C.GoString(m))
}
