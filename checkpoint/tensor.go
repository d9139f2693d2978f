package checkpoint

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// Tensor is one named tensor. Its bytes are [Begin, End) of the data that it belongs to.
type Tensor struct {
	Name       string
	DType      DType
	Shape      []int64
	Begin, End int64
}

// Elements is the number of elements of an array: the product of its shape.
func Elements(shape []int64) int64 {
	n := int64(1)
	for _, s := range shape {
		n *= s
	}
	return n
}

// Elements is the product of the shape.
func (t Tensor) Elements() int64 { return Elements(t.Shape) }

// ByteSize is the bytes that the dtype and the shape need, or an error where there is no such number.
func (t Tensor) ByteSize() (int64, error) {
	n, ok := width[t.DType]
	if !ok {
		return 0, fmt.Errorf("unknown dtype %q", t.DType)
	}
	for _, s := range t.Shape {
		hi, lo := bits.Mul64(n, uint64(s))
		if s < 0 || hi != 0 {
			return 0, fmt.Errorf("the shape %v overflows", t.Shape)
		}
		n = lo
	}
	if n%8 != 0 {
		return 0, fmt.Errorf("%s needs %d bits, which are no whole bytes", t, n)
	}
	return int64(n / 8), nil
}

// String is the tensor's type, such as "F32[64 3 7 7]".
func (t Tensor) String() string { return fmt.Sprintf("%s%v", t.DType, t.Shape) }

// Arrange lays tensors out back to back: wider dtypes first, so that every element is aligned, and
// otherwise in the order given. It sets Begin and End and returns the arranged copy.
func Arrange(tensors []Tensor) []Tensor {
	out := slices.Clone(tensors)
	slices.SortStableFunc(out, func(a, b Tensor) int { return b.DType.Size() - a.DType.Size() })
	at := int64(0)
	for i := range out {
		out[i].Begin = at
		at += out[i].Elements() * int64(width[out[i].DType]) / 8
		out[i].End = at
	}
	return out
}

// SameTensors compares names, shapes and types, and names the first difference. The order in the file
// does not count.
func SameTensors(want, have []Tensor) error {
	index := make(map[string]Tensor, len(have))
	for _, t := range have {
		index[t.Name] = t
	}
	var missing []string
	for _, w := range want {
		h, ok := index[w.Name]
		if !ok {
			missing = append(missing, w.Name)
			continue
		}
		if h.String() != w.String() {
			return fmt.Errorf("tensor %s is %s, in the other checkpoints %s", w.Name, h, w)
		}
		delete(index, w.Name)
	}
	if len(missing) > 0 {
		return fmt.Errorf("tensor %s is missing", Few(missing, 5))
	}
	for _, h := range have {
		if _, extra := index[h.Name]; extra {
			return fmt.Errorf("tensor %s is not in the other checkpoints", h.Name)
		}
	}
	return nil
}

// Shared is other where the lists are the same, and list where they are not: the checkpoints of a long run hold one list,
// not thousands.
func Shared(list, other []Tensor) []Tensor {
	if slices.EqualFunc(list, other, func(a, b Tensor) bool {
		return a.Name == b.Name && a.DType == b.DType && a.Begin == b.Begin && a.End == b.End && slices.Equal(a.Shape, b.Shape)
	}) {
		return other
	}
	return list
}

// Few joins names for a message: the first of them, and how many more there are.
func Few(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
