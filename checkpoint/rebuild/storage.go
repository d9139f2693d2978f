package rebuild

import (
	"errors"
	"fmt"

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
