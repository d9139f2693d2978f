package dataset

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// Batch is some examples, field by field, in the host's memory. A batch may be read into again and again: its memory
// is used again.
type Batch struct {
	N      int
	Arrays []Array // one for each field, in the split's order

	indices []int // of the split that a view is of
}

// Array is one field of N examples: N times Field.Bytes, little-endian, one example behind the other.
type Array struct {
	Field
	Data []byte
}

// Reset makes room for n examples of the fields. What is in the arrays is for the caller to overwrite.
func (b *Batch) Reset(n int, fields ...Field) {
	b.N = n
	b.Arrays = slices.Grow(b.Arrays[:0], len(fields))[:len(fields)]
	for i, f := range fields {
		size := n * int(f.Bytes())
		b.Arrays[i] = Array{f, slices.Grow(b.Arrays[i].Data[:0], size)[:size]}
	}
}

// Array finds an array by its field's name; nil where there is none.
func (b *Batch) Array(name string) *Array {
	for i := range b.Arrays {
		if b.Arrays[i].Name == name {
			return &b.Arrays[i]
		}
	}
	return nil
}

// Integers reads the elements of an integer array.
func (a *Array) Integers() ([]int64, error) {
	le := binary.LittleEndian
	width := a.DType.Size()
	out := make([]int64, 0, len(a.Data)/max(1, width))
	for data := a.Data; len(data) > 0; data = data[width:] {
		var v int64
		switch a.DType {
		case "U64": // those that are too large are negative, which nobody takes
			v = int64(le.Uint64(data))
		case "U32":
			v = int64(le.Uint32(data))
		case "U16":
			v = int64(le.Uint16(data))
		case "I64":
			v = int64(le.Uint64(data))
		case "I32":
			v = int64(int32(le.Uint32(data)))
		case "I16":
			v = int64(int16(le.Uint16(data)))
		case "I8":
			v = int64(int8(data[0]))
		case "U8", "BOOL":
			v = int64(data[0])
		default:
			return nil, fmt.Errorf("%s of %s; whole numbers are wanted", a.Name, a.DType)
		}
		out = append(out, v)
	}
	return out, nil
}

// Floats reads the elements as float32; integers are converted.
func (a *Array) Floats() ([]float32, error) {
	if a.DType.Float() {
		out := make([]float32, len(a.Data)/a.DType.Size())
		checkpoint.Decode(out, a.DType, a.Data)
		return out, nil
	}
	whole, err := a.Integers()
	out := make([]float32, len(whole))
	for i, v := range whole {
		out[i] = float32(v)
	}
	return out, err
}
