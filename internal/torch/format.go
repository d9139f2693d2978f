package torch

/*
#include "shim.h"
*/
import "C"

// MemoryFormat is the order in which images and activations, N×C×H×W, lie in memory.
type MemoryFormat int

// The memory formats.
const (
	UsualFormat  MemoryFormat = iota // the one that For chooses
	ChannelsLast                     // the channels of a pixel side by side
	Contiguous                       // the pixels of a channel side by side
)

// String is the format's name.
func (f MemoryFormat) String() string { return []string{"usual", "channels last", "contiguous"}[f] }

// For is f where somebody chose it, and otherwise channels last on a CPU and for the tensor cores of a GPU, contiguous in a GPU's
// float32. The format changes the last bits, so it depends on nothing else: docs/performance.md has what was measured.
func (f MemoryFormat) For(d Device, p Precision) MemoryFormat {
	switch {
	case f != UsualFormat:
		return f
	case d != CPU && p == Float32:
		return Contiguous
	}
	return ChannelsLast
}

// Format is x in a memory format, if it has four dimensions and floats; otherwise it is x.
func (s *Scope) Format(x *Tensor, f MemoryFormat) *Tensor {
	if x == nil {
		return nil
	}
	return s.shim(func(out *C.lr_tensor) *C.char { return C.lr_format(out, x.ptr(), flag(f == ChannelsLast)) })
}
