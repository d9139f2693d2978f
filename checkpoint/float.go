package checkpoint

import (
	"encoding/binary"
	"math"
)

// Decode reads len(dst) values of a floating tensor of type d from its bytes. F64 is rounded; the other
// types are held exactly.
func Decode(dst []float32, d DType, data []byte) {
	le := binary.LittleEndian
	switch d {
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(le.Uint64(data[8*i:])))
		}
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(data[4*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = FromBF16(le.Uint16(data[2*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = FromF16(le.Uint16(data[2*i:]))
		}
	}
}

// Encode writes values as a floating tensor of type d, rounded once, ties to even.
func Encode(data []byte, d DType, values []float32) {
	le := binary.LittleEndian
	for i, v := range values {
		switch d {
		case F64:
			le.PutUint64(data[8*i:], math.Float64bits(float64(v)))
		case F32:
			le.PutUint32(data[4*i:], math.Float32bits(v))
		case BF16:
			le.PutUint16(data[2*i:], ToBF16(float64(v)))
		case F16:
			le.PutUint16(data[2*i:], ToF16(float64(v)))
		}
	}
}

// FromBF16 is the value of a bfloat16, exactly: the upper half of a float32.
func FromBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// FromF16 is the value of an IEEE 754 binary16, exactly. The bits of its exponent and fraction, put into
// those of a float32, are 2¹¹² too small.
func FromF16(h uint16) float32 {
	v := math.Float32frombits(uint32(h&0x7fff)<<13) * (1 << 112)
	bits := math.Float32bits(v) | uint32(h&0x8000)<<16
	if h&0x7c00 == 0x7c00 { // infinite or NaN: all ones in the wider exponent too
		bits |= 0x7f800000
	}
	return math.Float32frombits(bits)
}

// ToBF16 rounds v once, ties to even, to a bfloat16.
func ToBF16(v float64) uint16 { return narrow(v, 8, 127) }

// ToF16 rounds v once, ties to even, to a binary16.
func ToF16(v float64) uint16 { return narrow(v, 5, 15) }

// narrow rounds v once, ties to even, to a 16-bit float of the given exponent width and bias.
func narrow(v float64, width, bias int) uint16 {
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
