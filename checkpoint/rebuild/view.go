package rebuild

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
)

// view is (storage, offset, size, stride, …): a tensor within a storage. The argument after the expected ones,
// where it is not empty, says that the bytes are to be conjugated or negated.
func view(args pickle.Tuple, expected int, dtype any) (*stored.Tensor, error) {
	if len(args) < 4 {
		return nil, errors.New("a tensor with too few arguments")
	}
	s, ok := args[0].(*Storage)
	if !ok {
		return nil, errors.New("a tensor without a storage")
	}
	offset, ok := args[1].(int64)
	if !ok || offset < 0 {
		return nil, errors.New("a tensor without its offset")
	}
	shape, err1 := Shape(args[2])
	strides, err2 := Shape(args[3])
	err := errors.Join(err1, err2)
	if err != nil {
		return nil, err
	}
	if len(shape) != len(strides) {
		return nil, fmt.Errorf("a tensor of shape %v with strides %v", shape, strides)
	}
	t := &stored.Tensor{DType: s.DType, Shape: shape}
	first, count := s.First, s.Count
	if dtype != nil {
		if first, count, err = retype(t, s, dtype); err != nil || t.Fault != "" {
			return t, err
		}
	}
	if t.DType.Size() == 0 {
		t.Fault = fmt.Sprintf("its type %q is not one that safetensors holds", string(t.DType))
		return t, nil
	}
	if expected < len(args) {
		if d, ok := args[expected].(*pickle.Dict); ok && len(d.Keys) > 0 {
			t.Fault = "a conjugate or negative view, whose bytes are not its values: save a clone of it"
		}
	}
	if s.Record.Hollow {
		t.Fault = s.Record.Name + " was never filled: its checksum is 0, that of data.pkl is not"
	}
	n, err := checkpoint.Tensor{DType: t.DType, Shape: shape}.ByteSize()
	if err != nil {
		return nil, err
	}
	p := stored.Part{Record: s.Record, Shape: shape}
	if n > 0 {
		if err := within(offset, shape, strides, count); err != nil {
			return nil, err
		}
		p.Offset = (first + offset) * int64(t.DType.Size())
	}
	if !stored.Contiguous(shape, strides) {
		p.Strides = strides
	}
	t.Parts = []stored.Part{p}
	return t, nil
}

// retype gives a tensor the dtype that it is said to have, and counts the storage in elements of that.
func retype(t *stored.Tensor, s *Storage, dtype any) (first, count int64, err error) {
	g, ok := dtype.(pickle.Global)
	d, known := dtypes[g.Name]
	if !ok || !known || g.Module != "torch" {
		t.Fault, t.DType = fmt.Sprintf("its dtype %v is not one that safetensors holds", dtype), ""
		return 0, 0, nil
	}
	t.DType = d
	if s.DType != "" {
		return s.First, s.Count, nil
	}
	width := int64(d.Size()) // an untyped storage counts bytes
	if s.First%width != 0 {
		return 0, 0, errors.New("a tensor that starts within an element")
	}
	return s.First / width, s.Count / width, nil
}

// within says whether the last element that is reached is in a storage of count elements.
func within(offset int64, shape, strides []int64, count int64) error {
	last := uint64(offset)
	for i, d := range shape {
		hi, lo := bits.Mul64(uint64(d-1), uint64(strides[i]))
		sum, carry := bits.Add64(last, lo, 0)
		if hi != 0 || carry != 0 {
			return fmt.Errorf("a tensor of shape %v with strides %v overflows", shape, strides)
		}
		last = sum
	}
	if last >= uint64(count) {
		return fmt.Errorf("a tensor of shape %v with strides %v from element %d on, in a storage of %d", shape, strides, offset, count)
	}
	return nil
}

// Shape reads a shape or strides.
func Shape(v any) ([]int64, error) {
	var items []any
	switch v := v.(type) {
	case pickle.Tuple:
		items = v
	case *pickle.List:
		items = v.Items
	default:
		return nil, errors.New("a tensor without its shape")
	}
	if len(items) > 64 {
		return nil, fmt.Errorf("a tensor of %d dimensions", len(items))
	}
	out := make([]int64, len(items))
	for i, item := range items {
		n, ok := item.(int64)
		if !ok || n < 0 {
			return nil, errors.New("a tensor whose shape or strides are not numbers from 0 on")
		}
		out[i] = n
	}
	return out, nil
}
