package averaging

import (
	"encoding/binary"
	"math"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// add is acc += w·x, or acc = w·x where first. The product is rounded before it is added on every
// processor: float64(…) forbids Go to fuse the two.
func add(acc []float64, w float64, d checkpoint.DType, x []byte, first bool) {
	done := addVectors(acc, w, d, x, first)
	x = x[done*d.Size():]
	acc = acc[done:]
	if first {
		// −0 + v is v for every v, so the sum starts as the first product itself.
		for i := range acc {
			acc[i] = math.Copysign(0, -1)
		}
	}
	le := binary.LittleEndian
	switch d {
	case checkpoint.F64:
		for i := range acc {
			acc[i] += float64(w * math.Float64frombits(le.Uint64(x[8*i:])))
		}
	case checkpoint.F32:
		for i := range acc {
			acc[i] += float64(w * float64(math.Float32frombits(le.Uint32(x[4*i:]))))
		}
	case checkpoint.BF16:
		for i := range acc {
			acc[i] += float64(w * float64(checkpoint.FromBF16(le.Uint16(x[2*i:]))))
		}
	case checkpoint.F16:
		for i := range acc {
			acc[i] += float64(w * float64(checkpoint.FromF16(le.Uint16(x[2*i:]))))
		}
	}
}

// round is dst = acc/norm in the type d, ties to even.
func round(dst []byte, d checkpoint.DType, acc []float64, norm float64) {
	done := roundVectors(dst, d, acc, norm)
	dst = dst[done*d.Size():]
	acc = acc[done:]
	le := binary.LittleEndian
	switch d {
	case checkpoint.F64:
		for i, v := range acc {
			le.PutUint64(dst[8*i:], math.Float64bits(v/norm))
		}
	case checkpoint.F32:
		for i, v := range acc {
			le.PutUint32(dst[4*i:], math.Float32bits(float32(v/norm)))
		}
	case checkpoint.BF16:
		for i, v := range acc {
			le.PutUint16(dst[2*i:], checkpoint.ToBF16(v/norm))
		}
	case checkpoint.F16:
		for i, v := range acc {
			le.PutUint16(dst[2*i:], checkpoint.ToF16(v/norm))
		}
	}
}

// addRound is add, then round.
func addRound(dst []byte, to checkpoint.DType, acc []float64, w float64, from checkpoint.DType, x []byte, norm float64, first bool) {
	done := 0
	if from == to {
		done = addRoundVectors(dst, from, acc, w, x, norm, first)
	}
	acc = acc[done:]
	add(acc, w, from, x[done*from.Size():], first)
	round(dst[done*to.Size():], to, acc, norm)
}
