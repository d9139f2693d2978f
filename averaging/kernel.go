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
			acc[i] += float64(w * float64(math.Float32frombits(uint32(le.Uint16(x[2*i:]))<<16)))
		}
	case safetensors.F16:
		for i := range acc {
			acc[i] += float64(w * float64(fromHalf(le.Uint16(x[2*i:]))))
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
			le.PutUint16(dst[2*i:], toBfloat(v/norm))
		}
	case safetensors.F16:
		for i, v := range acc {
			le.PutUint16(dst[2*i:], toHalf(v/norm))
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

// fromHalf is the value of an IEEE 754 binary16, exactly. The bits of its exponent and fraction, put into
// those of a float32, are 2¹¹² too small.
func fromHalf(h uint16) float32 {
	v := math.Float32frombits(uint32(h&0x7fff)<<13) * (1 << 112)
	bits := math.Float32bits(v) | uint32(h&0x8000)<<16
	if h&0x7c00 == 0x7c00 { // infinite or NaN: all ones in the wider exponent too
		bits |= 0x7f800000
	}
	return math.Float32frombits(bits)
}

// toBfloat rounds v once, ties to even, to a bfloat16.
func toBfloat(v float64) uint16 { return toSmall(v, 8, 127) }

// toHalf rounds v once, ties to even, to a binary16.
func toHalf(v float64) uint16 { return toSmall(v, 5, 15) }

// toSmall rounds v once, ties to even, to a 16-bit float of the given exponent width and bias.
func toSmall(v float64, width, bias int) uint16 {
	bits := math.Float64bits(v)
	sign := uint16(bits >> 48 & 0x8000)
	bits &= 1<<63 - 1
	fraction := 15 - width
	inf := uint16(1<<width-1) << fraction
	if bits >= 0x7ff<<52 {
		if bits > 0x7ff<<52 {
			return sign | inf | 1<<(fraction-1)
		}
		return sign | inf
	}
	exponent := int(bits>>52) - 1023
	drop := 52 - fraction // bits of the fraction that go
	if exponent < 1-bias {
		// Subnormal: the leading bit becomes an ordinary one, and more go.
		drop += 1 - bias - exponent
		if drop > 53 {
			return sign // under half of the smallest
		}
		bits = bits&(1<<52-1) | 1<<52
	} else {
		bits -= uint64(1023-bias) << 52
	}
	odd := bits >> drop & 1
	bits = (bits + 1<<(drop-1) - 1 + odd) >> drop // the carry may raise the exponent, as it should
	if bits >= uint64(inf) {
		return sign | inf
	}
	return sign | uint16(bits)
}
