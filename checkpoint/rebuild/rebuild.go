// Package rebuild makes tensors of what pickles say would make them: torch's _rebuild functions, storages, and numpy's
// arrays and scalars, read as data.
//
// It believes that a list of what is interpreted must be closed: what is not in it stays an inert object, and is named
// where a tensor was wanted.
package rebuild

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
)

// Storage is a PyTorch storage: a run of elements of one type within a record.
type Storage struct {
	Record *stored.Record
	DType  checkpoint.DType // "" where it is untyped: elements are bytes
	First  int64            // element of the record at which it starts
	Count  int64            // elements
}

func (s *Storage) Element() int64 { return max(1, int64(s.DType.Size())) }

// Bytes is its size, from its first element on.
func (s *Storage) Bytes() int64 { return s.Count * s.Element() }

var storageTypes = map[string]checkpoint.DType{
	"FloatStorage": "F32", "DoubleStorage": "F64", "HalfStorage": "F16", "BFloat16Storage": "BF16", "LongStorage": "I64", "IntStorage": "I32",
	"ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8", "BoolStorage": "BOOL", "ComplexFloatStorage": "C64", "ComplexDoubleStorage": "C128", "UntypedStorage": "",
}

// dtypes by their names in torch, for _rebuild_tensor_v3.
var dtypes = map[string]checkpoint.DType{
	"float32": "F32", "float": "F32", "float64": "F64", "double": "F64", "float16": "F16", "half": "F16", "bfloat16": "BF16", "int64": "I64", "long": "I64",
	"int32": "I32", "int": "I32", "int16": "I16", "short": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL", "complex64": "C64", "cfloat": "C64", "complex128": "C128", "cdouble": "C128",
	"uint16": "U16", "uint32": "U32", "uint64": "U64", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "float8_e8m0fnu": "F8_E8M0",
	"float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2fnuz": "F8_E5M2FNUZ",
}

// PersistentStorage reads the persistent id of a storage: ('storage', class, key, location, elements, …). The
// storage has no record yet.
func PersistentStorage(id any) (s *Storage, key string, rest pickle.Tuple, err error) {
	t, ok := id.(pickle.Tuple)
	if !ok || len(t) < 5 || t[0] != "storage" {
		return nil, "", nil, errors.New("a persistent id that is not a storage's")
	}
	key, ok1 := t[2].(string)
	count, ok2 := t[4].(int64)
	if !ok1 || !ok2 {
		return nil, "", nil, errors.New("a storage without its key and size")
	}
	s, err = storageOf(t[1], count)
	return s, key, t[5:], err
}

func storageOf(class any, count int64) (*Storage, error) {
	g, ok := class.(pickle.Global)
	if !ok || g.Module != "torch" && g.Module != "torch.storage" && g.Module != "torch.cuda" {
		return nil, errors.New("a storage of no known class")
	}
	d, ok := storageTypes[g.Name]
	width := int64(max(1, d.Size()))
	if !ok {
		d, width = checkpoint.DType(g.Name), 16 // an error where a tensor of it is needed
	}
	if count < 0 || count > 1<<62/width {
		return nil, fmt.Errorf("a storage of %d elements", count)
	}
	return &Storage{DType: d, Count: count}, nil
}

// Call interprets the functions that make tensors: the closed list.
func Call(f pickle.Global, args pickle.Tuple) (any, bool, error) {
	var v any
	var err error
	switch f {
	case pickle.Global{Module: "torch._utils", Name: "_rebuild_tensor"}:
		v, err = view(args, 4, nil)
	case pickle.Global{Module: "torch._utils", Name: "_rebuild_tensor_v2"}:
		v, err = view(args, 6, nil)
	case pickle.Global{Module: "torch._utils", Name: "_rebuild_tensor_v3"}:
		if len(args) < 7 {
			return nil, true, errors.New("_rebuild_tensor_v3 with too few arguments")
		}
		v, err = view(args, 7, args[6])
	case pickle.Global{Module: "torch._utils", Name: "_rebuild_parameter"}, pickle.Global{Module: "torch._utils", Name: "_rebuild_parameter_with_state"},
		pickle.Global{Module: "torch.nn.parameter", Name: "Parameter"}, pickle.Global{Module: "torch.nn.parameter", Name: "Buffer"}:
		if len(args) == 0 {
			return nil, false, nil
		}
		v = args[0]
	case pickle.Global{Module: "torch._tensor", Name: "_rebuild_from_type_v2"}:
		if len(args) < 3 {
			return nil, true, errors.New("_rebuild_from_type_v2 with too few arguments")
		}
		inner, ok1 := args[0].(pickle.Global)
		with, ok2 := args[2].(pickle.Tuple)
		if !ok1 || !ok2 || inner == f {
			return nil, false, nil
		}
		return Call(inner, with)
	case pickle.Global{Module: "torch", Name: "Size"}:
		if len(args) == 1 {
			v = args[0]
		} else {
			v = pickle.Tuple{}
		}
	default:
		if numpyGlobal(f) { // data, which array and numpyScalar read
			return &pickle.Object{Class: f, Args: args}, true, nil
		}
		return nil, false, nil
	}
	return v, true, err
}

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
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if len(shape) != len(strides) {
		return nil, fmt.Errorf("a tensor of shape %v with strides %v", shape, strides)
	}
	t := &stored.Tensor{DType: s.DType, Shape: shape}
	count, first := s.Count, s.First
	width := s.Element()
	if dtype != nil {
		g, ok := dtype.(pickle.Global)
		d, known := dtypes[g.Name]
		if !ok || !known || g.Module != "torch" {
			t.Fault = fmt.Sprintf("its dtype %v is not one that safetensors holds", dtype)
			t.DType = ""
			return t, nil
		}
		t.DType, width = d, int64(d.Size())
		if s.DType == "" { // counts bytes
			if first%width != 0 {
				return nil, errors.New("a tensor that starts within an element")
			}
			count, first = count/width, first/width
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
	if n > 0 {
		// The last element that is reached must be in the storage.
		last := uint64(offset)
		for i, d := range shape {
			hi, lo := bits.Mul64(uint64(d-1), uint64(strides[i]))
			sum, carry := bits.Add64(last, lo, 0)
			if hi != 0 || carry != 0 {
				return nil, fmt.Errorf("a tensor of shape %v with strides %v overflows", shape, strides)
			}
			last = sum
		}
		if last >= uint64(count) {
			return nil, fmt.Errorf("a tensor of shape %v with strides %v from element %d on, in a storage of %d", shape, strides, offset, count)
		}
	}
	p := stored.Part{Record: s.Record, Offset: (first + offset) * width, Shape: shape}
	if n == 0 {
		p.Offset = 0
	}
	if !stored.Contiguous(shape, strides) {
		p.Strides = strides
	}
	t.Parts = []stored.Part{p}
	return t, nil
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
