package checkpoint

import "encoding/binary"

// Finite says whether all values of a floating dtype are finite. It looks at the exponents, several at a time: all ones
// mean NaN or infinity. One added at an exponent's lowest bit then carries into its sign's place.
func Finite(d DType, data []byte) bool {
	var mask, one, top uint64
	switch d {
	case F64:
		mask, one, top = 0x7ff<<52, 1<<52, 1<<63
	case F32:
		mask, one, top = 0x7f8000007f800000, 0x0080000000800000, 0x8000000080000000
	case BF16:
		mask, one, top = 0x7f807f807f807f80, 0x0080008000800080, 0x8000800080008000
	case F16:
		mask, one, top = 0x7c007c007c007c00, 0x0400040004000400, 0x8000800080008000
	}
	found, done := vectorExponents(data, mask, one)
	data = data[done:]
	for ; len(data) >= 8; data = data[8:] {
		found |= binary.LittleEndian.Uint64(data)&mask + one
	}
	var rest [8]byte
	copy(rest[:], data)
	found |= binary.LittleEndian.Uint64(rest[:])&mask + one
	return found&top == 0
}
