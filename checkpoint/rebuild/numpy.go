package rebuild

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
)

// numpyCodes are dtypes by their codes in numpy.
var numpyCodes = map[string]checkpoint.DType{
	"f2": "F16", "f4": "F32", "f8": "F64", "i1": "I8", "i2": "I16", "i4": "I32", "i8": "I64", "u1": "U8", "u2": "U16", "u4": "U32", "u8": "U64", "b1": "BOOL",
	"c8": "C64", "c16": "C128",
}

// fromNumpy says whether an object is what a function of numpy's made: its modules were renamed in numpy 2.
func fromNumpy(o *pickle.Object, module, name string) bool {
	g, ok := o.Class.(pickle.Global)
	return ok && g.Name == name && (g.Module == "numpy."+module || g.Module == "numpy.core."+module || g.Module == "numpy._core."+module)
}

// numpyGlobal says whether a global is among those of arrays and scalars: they stay objects, and are read as data.
func numpyGlobal(g pickle.Global) bool {
	switch module := strings.TrimPrefix(strings.TrimPrefix(g.Module, "numpy.core."), "numpy._core."); g.Name {
	case "_reconstruct", "scalar":
		return module == "multiarray"
	case "_frombuffer":
		return module == "numeric"
	case "dtype":
		return g.Module == "numpy"
	case "encode":
		return g.Module == "_codecs"
	}
	return isBytes(g)
}

// IsArray says whether an object is an array of numpy's.
func IsArray(o *pickle.Object) bool {
	return fromNumpy(o, "multiarray", "_reconstruct") || fromNumpy(o, "numeric", "_frombuffer")
}

// Array reads an array of numpy's as the tensor that torch.from_numpy would make of it: ndarray.__reduce__ and, of
// protocol 5, ndarray.__reduce_ex__. Its bytes are in memory; those of the other endianness are turned.
func Array(o *pickle.Object) *stored.Tensor {
	faulty := func(format string, args ...any) *stored.Tensor {
		return &stored.Tensor{Fault: fmt.Sprintf(format, args...)}
	}
	size, dtype, content, column, ok := arrayParts(o)
	if !ok {
		return faulty("an array of numpy's without its state")
	}
	shape, err := Shape(size)
	if err != nil {
		return faulty("an array of numpy's: %v", err)
	}
	d, swapped, _ := numpyType(dtype)
	data, ok := Content(content)
	need, err := checkpoint.Tensor{DType: d, Shape: shape}.ByteSize()
	if !ok || err != nil || need != int64(len(data)) {
		return &stored.Tensor{Shape: shape, Fault: fmt.Sprintf("an array of numpy's of %s%v whose bytes are %d", d, shape, len(data))}
	}
	if swapped {
		data = turn(data, d)
	}
	p := stored.Part{Record: stored.Memory("an array within the pickle", data), Shape: shape}
	if column && len(shape) > 1 {
		strides := make([]int64, len(shape))
		n := int64(1)
		for i, s := range shape {
			strides[i] = n
			n *= max(1, s)
		}
		if !stored.Contiguous(shape, strides) {
			p.Strides = strides
		}
	}
	return &stored.Tensor{DType: d, Shape: shape, Parts: []stored.Part{p}}
}

// arrayParts are an array's shape, dtype and bytes, and whether its first index changes fastest.
func arrayParts(o *pickle.Object) (size, dtype, content any, column, ok bool) {
	if fromNumpy(o, "multiarray", "_reconstruct") {
		state, _ := o.State.(pickle.Tuple)
		if len(state) < 4 {
			return nil, nil, nil, false, false
		}
		state = state[len(state)-4:] // what comes before is the state's version
		return state[0], state[1], state[3], state[2] == true || state[2] == int64(1), true
	}
	if len(o.Args) < 4 {
		return nil, nil, nil, false, false
	}
	return o.Args[2], o.Args[1], o.Args[0], o.Args[3] == "F", true
}

// ArrayShape is the shape of an array of numbers; false of other objects.
func ArrayShape(o *pickle.Object) ([]int64, bool) {
	size, _, _, _, ok := arrayParts(o)
	if !ok || !IsArray(o) || NotOfNumbers(o) != "" {
		return nil, false
	}
	shape, err := Shape(size)
	return shape, err == nil
}

// NotOfNumbers is the dtype of an array of something else than numbers, such as objects or texts; "" of those that
// are.
func NotOfNumbers(o *pickle.Object) string {
	if _, dtype, _, _, ok := arrayParts(o); ok {
		if d, _, code := numpyType(dtype); d == "" {
			return code
		}
	}
	return ""
}

// numpyType reads numpy.dtype('f4', …), and from its state whether it is big-endian. code is what it is called.
func numpyType(v any) (d checkpoint.DType, swapped bool, code string) {
	o, ok := v.(*pickle.Object)
	if !ok || len(o.Args) == 0 || o.Class != (pickle.Global{Module: "numpy", Name: "dtype"}) {
		return "", false, "that is not numpy's"
	}
	switch a := o.Args[0].(type) {
	case string:
		code = strings.TrimLeft(a, "<>|=")
		swapped = strings.HasPrefix(a, ">")
	case pickle.Global: // of ml_dtypes
		return dtypes[a.Name], false, a.Name
	}
	if state, ok := o.State.(pickle.Tuple); ok && len(state) > 1 {
		swapped = state[1] == ">"
		if len(state) > 3 && state[3] != nil { // names of fields
			return "", false, "of records"
		}
	}
	d = numpyCodes[code]
	if code == "O8" || code == "O" {
		code = "object"
	}
	return d, swapped && d.Size() > 1, code
}

// Content is a value's bytes: bytes, Python 2's str, or protocol 2's _codecs.encode('…', 'latin1').
func Content(v any) ([]byte, bool) {
	switch v := v.(type) {
	case []byte:
		return v, true
	case string:
		return []byte(v), true
	case *pickle.Object:
		if isBytes(v.Class) && len(v.Args) == 0 { // protocol 2's b''
			return nil, true
		}
		if v.Class != (pickle.Global{Module: "_codecs", Name: "encode"}) || len(v.Args) == 0 {
			return nil, false
		}
		text, _ := v.Args[0].(string)
		data := make([]byte, 0, len(text))
		for _, r := range text {
			if r > 255 {
				return nil, false
			}
			data = append(data, byte(r))
		}
		return data, true
	}
	return nil, false
}

// isBytes says whether a class is Python's bytes.
func isBytes(class any) bool {
	g, ok := class.(pickle.Global)
	return ok && g.Name == "bytes" && (g.Module == "builtins" || g.Module == "__builtin__")
}

// turn gives the numbers in data the other endianness.
func turn(data []byte, d checkpoint.DType) []byte {
	out := slices.Clone(data)
	width := d.Size()
	if d.Complex() {
		width /= 2
	}
	for number := range slices.Chunk(out, width) {
		slices.Reverse(number)
	}
	return out
}

// Scalar reads numpy.core.multiarray.scalar(dtype('f8'), b'…').
func Scalar(o *pickle.Object) (float64, bool) {
	if !fromNumpy(o, "multiarray", "scalar") || len(o.Args) != 2 {
		return 0, false
	}
	d, swapped, _ := numpyType(o.Args[0])
	data, ok := Content(o.Args[1])
	if !ok || d == "" || len(data) != d.Size() {
		return 0, false
	}
	if swapped {
		data = turn(data, d)
	}
	return Element(d, data)
}

// Element is one number of a real dtype.
func Element(d checkpoint.DType, data []byte) (float64, bool) {
	le := binary.LittleEndian
	switch d {
	case "F64":
		return math.Float64frombits(le.Uint64(data)), true
	case "F32", "F16", "BF16":
		var v [1]float32
		checkpoint.Decode(v[:], d, data)
		return float64(v[0]), true
	case "I64":
		return float64(int64(le.Uint64(data))), true
	case "U64":
		return float64(le.Uint64(data)), true
	case "I32":
		return float64(int32(le.Uint32(data))), true
	case "U32":
		return float64(le.Uint32(data)), true
	case "I16":
		return float64(int16(le.Uint16(data))), true
	case "U16":
		return float64(le.Uint16(data)), true
	case "I8":
		return float64(int8(data[0])), true
	case "U8":
		return float64(data[0]), true
	}
	return 0, false
}
