package averaging

import (
	"encoding/binary"
	"math"

	"lawa-replay/trajectory/safetensors"
)

// add is acc += w·x, or acc = w·x where first. The product is rounded before it is added on every
// processor: float64(…) forbids Go to fuse the two.
func add(acc []float64, w float64, d safetensors.DType, x []byte, first bool) {
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
	case safetensors.F64:
		for i := range acc {
			acc[i] += float64(w * math.Float64frombits(le.Uint64(x[8*i:])))
		}
	case safetensors.F32:
		for i := range acc {
			acc[i] += float64(w * float64(math.Float32frombits(le.Uint32(x[4*i:]))))
		}
	case safetensors.BF16:
		for i := range acc {
			acc[i] += float64(w * float64(safetensors.FromBF16(le.Uint16(x[2*i:]))))
		}
	case safetensors.F16:
		for i := range acc {
			acc[i] += float64(w * float64(safetensors.FromF16(le.Uint16(x[2*i:]))))
		}
	}
}

// round is dst = acc/norm in the type d, ties to even.
func round(dst []byte, d safetensors.DType, acc []float64, norm float64) {
	done := roundVectors(dst, d, acc, norm)
	dst = dst[done*d.Size():]
	acc = acc[done:]
	le := binary.LittleEndian
	switch d {
	case safetensors.F64:
		for i, v := range acc {
			le.PutUint64(dst[8*i:], math.Float64bits(v/norm))
		}
	case safetensors.F32:
		for i, v := range acc {
			le.PutUint32(dst[4*i:], math.Float32bits(float32(v/norm)))
		}
	case safetensors.BF16:
		for i, v := range acc {
			le.PutUint16(dst[2*i:], safetensors.ToBF16(v/norm))
		}
	case safetensors.F16:
		for i, v := range acc {
			le.PutUint16(dst[2*i:], safetensors.ToF16(v/norm))
		}
	}
}

// addRound is add, then round.
func addRound(dst []byte, to safetensors.DType, acc []float64, w float64, from safetensors.DType, x []byte, norm float64, first bool) {
	done := 0
	if from == to {
		done = addRoundVectors(dst, from, acc, w, x, norm, first)
	}
	acc = acc[done:]
	add(acc, w, from, x[done*from.Size():], first)
	round(dst[done*to.Size():], to, acc, norm)
}
