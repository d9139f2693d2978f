package averaging

import (
	"unsafe"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"golang.org/x/sys/cpu"
)

// vectors says that the loops of kernel_amd64.s run here. A test turns it off to compare.
var vectors = cpu.X86.HasAVX2 && cpu.X86.HasFMA // every processor with FMA3 converts binary16 (F16C)

//go:noescape
func setF32(acc *float64, x unsafe.Pointer, w float64, n int)

//go:noescape
func addF32(acc *float64, x unsafe.Pointer, w float64, n int)

//go:noescape
func setBF16(acc *float64, x unsafe.Pointer, w float64, n int)

//go:noescape
func addBF16(acc *float64, x unsafe.Pointer, w float64, n int)

//go:noescape
func setF16(acc *float64, x unsafe.Pointer, w float64, n int)

//go:noescape
func addF16(acc *float64, x unsafe.Pointer, w float64, n int)

//go:noescape
func setF64(acc *float64, x unsafe.Pointer, w float64, n int)

//go:noescape
func addF64(acc *float64, x unsafe.Pointer, w float64, n int)

//go:noescape
func roundF32(dst unsafe.Pointer, acc *float64, norm float64, n int)

//go:noescape
func setRoundF32(dst unsafe.Pointer, acc *float64, x unsafe.Pointer, w, norm float64, n int)

//go:noescape
func addRoundF32(dst unsafe.Pointer, acc *float64, x unsafe.Pointer, w, norm float64, n int)

// sumLoops are the loops for each type that is summed.
var sumLoops = map[checkpoint.DType]struct {
	set, add func(acc *float64, x unsafe.Pointer, w float64, n int)
}{
	checkpoint.F32:  {setF32, addF32},
	checkpoint.BF16: {setBF16, addBF16},
	checkpoint.F16:  {setF16, addF16},
	checkpoint.F64:  {setF64, addF64},
}

// addVectors sums as many elements as the vectors hold, and says how many.
func addVectors(acc []float64, w float64, d checkpoint.DType, x []byte, first bool) int {
	n := len(acc) &^ 15
	loops, known := sumLoops[d]
	if n == 0 || !vectors || !known {
		return 0
	}
	loop := loops.add
	if first {
		loop = loops.set
	}
	loop(&acc[0], unsafe.Pointer(&x[:n*d.Size()][0]), w, n)
	return n
}

// roundVectors rounds as many elements as the vectors hold, and says how many.
func roundVectors(dst []byte, d checkpoint.DType, acc []float64, norm float64) int {
	n := len(acc) &^ 15
	if n == 0 || !vectors || d != checkpoint.F32 {
		return 0
	}
	roundF32(unsafe.Pointer(&dst[:4*n][0]), &acc[0], norm, n)
	return n
}

// addRoundVectors does both in one pass, where it can.
func addRoundVectors(dst []byte, d checkpoint.DType, acc []float64, w float64, x []byte, norm float64, first bool) int {
	n := len(acc) &^ 15
	if n == 0 || !vectors || d != checkpoint.F32 || uintptr(unsafe.Pointer(&dst[0]))%32 != 0 {
		return 0
	}
	f := addRoundF32
	if first {
		f = setRoundF32
	}
	f(unsafe.Pointer(&dst[:4*n][0]), &acc[0], unsafe.Pointer(&x[:4*n][0]), w, norm, n)
	return n
}
