// Package torch is the only one that calls libtorch: through gotch, and through a small C++ file for
// what gotch lacks.
//
// It believes three things. Errors are returned, never fatal. Memory is released by hand: a Scope owns
// what its operations made and frees it when it is closed, because a finalizer cannot know how much
// memory hides behind a pointer. And libtorch's thread-local state (error slot, gradient mode, thread
// count) belongs to an OS thread, so whoever computes runs in Worker, which holds one.
package torch

/*
#cgo CXXFLAGS: -std=c++17 -O3 -Wno-psabi
#include "shim.h"
#include <stdlib.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	lib "github.com/sugarme/gotch/libtch"
)

// Version is that of the libtorch headers the program was built with, such as "2.11.0".
func Version() string { return C.GoString(C.lr_torch_version()) }

// Device is where tensors live: CPU, or a CUDA device by its number.
type Device int

// CPU is the host.
const CPU Device = -1

// String returns "cpu" or "cuda:N".
func (d Device) String() string {
	if d == CPU {
		return "cpu"
	}
	return fmt.Sprintf("cuda:%d", int(d))
}

// Kind names what d is, whatever its number: "cpu", or "cuda" and the GPU's name, such as "cuda NVIDIA H100 80GB HBM3".
// Where the driver names none, it is "cuda" alone.
func (d Device) Kind() string {
	if d == CPU {
		return "cpu"
	}
	var name [256]C.char
	if C.lr_cuda_name(C.int(d), &name[0], C.int(len(name))) != 0 {
		return "cuda"
	}
	return "cuda " + C.GoString(&name[0])
}

// ParseDevice reads "cpu", "cuda" or "cuda:N".
func ParseDevice(s string) (Device, error) {
	switch {
	case s == "cpu":
		return CPU, nil
	case s == "cuda":
		return 0, nil
	case strings.HasPrefix(s, "cuda:"):
		if n, err := strconv.Atoi(s[len("cuda:"):]); err == nil && n >= 0 {
			return Device(n), nil
		}
	}
	return 0, fmt.Errorf("device %q: want cpu, cuda or cuda:N", s)
}

// Open makes d usable. For a CUDA device it loads libtorch_cuda.so, which libtorch accepts only before
// anything else of it has run: call Open first thing.
func (d Device) Open() error {
	if d == CPU {
		return nil
	}
	if err := message(C.lr_open_cuda()); err != nil {
		return fmt.Errorf("device %v: the CUDA half of libtorch does not load (make setup CUDA=1 fetches it; or let LD_LIBRARY_PATH name the torch/lib of a CUDA build of torch %s): %w", d, Version(), err)
	}
	if n := int(C.lr_cuda_devices()); int(d) >= n {
		return fmt.Errorf("device %v: libtorch sees %d CUDA devices here (is there a GPU, and a driver that fits torch %s?)", d, n, Version())
	}
	return nil
}

// Worker runs f on an OS thread of its own that no other goroutine shares: libtorch computes there with
// the given number of threads and, unless grad is true, records nothing for gradients.
func Worker(threads int, grad bool, f func() error) error {
	done := make(chan error, 1)
	go func() {
		defer close(done) // also when f ends the goroutine, as testing's FailNow does
		// Never unlocked: the thread ends with the goroutine, and libtorch's state in it too.
		runtime.LockOSThread()
		C.lr_set_threads(C.int(threads))
		if !grad {
			lib.AtGradSetEnabled(0)
		}
		done <- f()
	}()
	return <-done
}

// Metered runs f in a Worker of one thread, and counts the bytes that it allocates for tensors on the CPU: how many more are
// there after it than before, and at most while it runs.
func Metered(f func() error) (live, peak int64, err error) {
	if err := message(C.lr_meter_begin()); err != nil {
		return 0, 0, err
	}
	err = f()
	var l, p C.int64_t
	if err2 := message(C.lr_meter_end(&l, &p)); err == nil {
		err = err2
	}
	return int64(l), int64(p), err
}

// Seed sets libtorch's default generators, on every device.
func Seed(seed int64) error { return message(C.lr_manual_seed(C.int64_t(seed))) }

// message takes over what a function of the shim returned.
func message(m *C.char) error {
	if m == nil {
		return nil
	}
	defer C.lr_free(m)
	return tidy(C.GoString(m))
}

// tidy cuts the C++ stack trace that libtorch appends.
func tidy(text string) error {
	text, _, _ = strings.Cut(text, "\nException raised from")
	return errors.New("libtorch: " + strings.TrimSpace(text))
}
