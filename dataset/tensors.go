package dataset

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"codeberg.org/sbinet/npyio/npy"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Array is a tensor of examples: N times a shape.
type Array struct {
	DType checkpoint.DType
	Shape []int64 // of one example
	Data  []byte  // little-endian
}

// size is the bytes of one example.
func (a *Array) size() int {
	n := int64(a.DType.Size())
	for _, s := range a.Shape {
		n *= s
	}
	return int(n)
}

func (a *Array) head(n int) *Array {
	if a == nil {
		return nil
	}
	return &Array{a.DType, a.Shape, a.Data[:n*a.size()]}
}

func (a *Array) gather(order []int) *Array {
	if a == nil {
		return nil
	}
	size := a.size()
	data := make([]byte, 0, len(order)*size)
	for _, i := range order {
		data = append(data, a.Data[i*size:(i+1)*size]...)
	}
	return &Array{a.DType, a.Shape, data}
}

// Integers reads the elements of an integer array.
func (a *Array) Integers() ([]int64, error) {
	le := binary.LittleEndian
	width := a.DType.Size()
	out := make([]int64, 0, len(a.Data)/max(1, width))
	for data := a.Data; len(data) > 0; data = data[width:] {
		var v int64
		switch a.DType {
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
			return nil, fmt.Errorf("targets of %s; whole numbers are wanted", a.DType)
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

// tensorsPrefix starts the text that names a file of tensors.
const tensorsPrefix = "tensors:"

// IsTensors says whether text names a file of tensors rather than a data set.
func IsTensors(text string) bool { return strings.HasPrefix(text, tensorsPrefix) }

// OpenTensors reads the tensors inputs and targets, examples first, as they were exported from any loader:
// tensors:FILE.safetensors, tensors:FILE.npz, or tensors:INPUTS.npy[,TARGETS.npy]. Targets may be missing: for
// statistics they are not needed, and a language model's are its inputs.
func OpenTensors(text string) (*Split, error) {
	path := strings.TrimPrefix(text, tensorsPrefix)
	s, err := openTensors(path)
	if err != nil {
		return nil, fmt.Errorf("data %s: %w", text, err)
	}
	return s, nil
}

func openTensors(path string) (*Split, error) {
	var arrays map[string]*array
	var err error
	switch strings.ToLower(filepath.Ext(path)) {
	case ".safetensors":
		arrays, err = fromSafetensors(path)
	case ".npz":
		arrays, err = fromNPZ(path)
	case ".npy":
		arrays = map[string]*array{}
		for i, p := range strings.Split(path, ",") {
			if i > 1 {
				return nil, errors.New("more than two .npy files: want INPUTS.npy,TARGETS.npy")
			}
			a, err := fromNPY(p)
			if err != nil {
				return nil, err
			}
			arrays[[]string{"inputs", "targets"}[i]] = a
		}
	default:
		return nil, errors.New("want a file ending in .safetensors, .npz or .npy")
	}
	if err != nil {
		return nil, err
	}
	inputs := arrays["inputs"]
	if inputs == nil {
		var names []string
		for name := range arrays {
			names = append(names, name)
		}
		slices.Sort(names)
		return nil, fmt.Errorf("no tensor called inputs in it; it has %s", strings.Join(names, ", "))
	}
	s := &Split{Name: "val"}
	for _, a := range []struct {
		name string
		to   **Array
	}{{"inputs", &s.Inputs}, {"targets", &s.Targets}} {
		have := arrays[a.name]
		if have == nil {
			continue
		}
		if len(have.shape) == 0 || have.shape[0] == 0 {
			return nil, fmt.Errorf("%s of shape %v: the first dimension counts the examples", a.name, have.shape)
		}
		if have.dtype.Size() == 0 {
			return nil, fmt.Errorf("%s of dtype %s, which is not read", a.name, have.dtype)
		}
		if have.shape[0] != inputs.shape[0] {
			return nil, fmt.Errorf("%d targets for %d inputs", have.shape[0], inputs.shape[0])
		}
		*a.to = &Array{have.dtype, have.shape[1:], have.data}
	}
	s.N = int(inputs.shape[0])
	return s.seal(), nil
}

// array is one as a file has it.
type array struct {
	dtype checkpoint.DType
	shape []int64
	data  []byte
}

func fromSafetensors(path string) (map[string]*array, error) {
	w, err := safetensors.Map(path)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	out := map[string]*array{}
	for _, t := range w.Tensors {
		if t.Name == "inputs" || t.Name == "targets" {
			data := make([]byte, t.End-t.Begin)
			if err := checkpoint.Guard(path, func() error { copy(data, w.Data[t.Begin:t.End]); return nil }); err != nil {
				return nil, err
			}
			out[t.Name] = &array{t.DType, t.Shape, data}
		} else {
			out[t.Name] = &array{}
		}
	}
	return out, nil
}

// fromNPZ reads numpy's archive, a zip of .npy files.
func fromNPZ(path string) (map[string]*array, error) {
	file, size, err := input.Open(path, input.Any)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r, err := zip.NewReader(file, size)
	if err != nil {
		return nil, err
	}
	out := map[string]*array{}
	for _, f := range r.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		if out[name] != nil {
			return nil, fmt.Errorf("it holds %s twice", name)
		}
		if name != "inputs" && name != "targets" {
			out[name] = &array{}
			continue
		}
		in, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		// Deflate makes at most 1,032 bytes of one; what the entry claims beyond that is not believed.
		size := min(f.UncompressedSize64, 1032*f.CompressedSize64+1)
		a, err := parseNPY(in, int64(size))
		in.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = a
	}
	return out, nil
}

func fromNPY(path string) (*array, error) {
	f, size, err := input.Open(path, input.Any)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a, err := parseNPY(f, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// npyTypes are numpy's little-endian types by their names in safetensors.
var npyTypes = map[string]checkpoint.DType{"<f8": "F64", "<f4": "F32", "<f2": "F16", "<i8": "I64", "<i4": "I32", "<i2": "I16", "|i1": "I8", "|u1": "U8", "|b1": "BOOL"}

// maxNPYHeader is more than any header has, in bytes.
const maxNPYHeader = 1 << 16

// parseNPY reads one .npy file of at most size bytes. The memory grows with what arrives.
func parseNPY(in io.Reader, size int64) (a *array, err error) {
	defer func() {
		if r := recover(); r != nil { // the header's parser indexes into what it finds
			a, err = nil, fmt.Errorf("its header cannot be read: %v", r)
		}
	}()
	var head [12]byte // the reader takes memory for what it claims
	n, err := io.ReadFull(in, head[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	if claimed := binary.LittleEndian.Uint32(head[8:]); head[6] == 2 && claimed > maxNPYHeader {
		return nil, fmt.Errorf("its header claims to be %d bytes long", claimed)
	}
	in = io.MultiReader(bytes.NewReader(head[:n]), in)
	r, err := npy.NewReader(io.LimitReader(in, size))
	if err != nil {
		return nil, err
	}
	d := r.Header.Descr
	a = &array{dtype: npyTypes[strings.Trim(d.Type, "'")]}
	if a.dtype == "" {
		return nil, fmt.Errorf("of type %q; little-endian floats and integers are read", d.Type)
	}
	if d.Fortran && len(d.Shape) > 1 {
		return nil, errors.New("in Fortran order: save numpy.ascontiguousarray of it")
	}
	want := int64(a.dtype.Size())
	for _, s := range d.Shape {
		if s < 0 || s > 0 && want > size/int64(s) {
			return nil, fmt.Errorf("of shape %v, in a file of %d bytes", d.Shape, size)
		}
		want *= int64(s)
		a.shape = append(a.shape, int64(s))
	}
	a.data, err = io.ReadAll(io.LimitReader(in, want))
	if err != nil {
		return nil, err
	}
	if int64(len(a.data)) < want {
		return nil, fmt.Errorf("cut short: %d of %d bytes", len(a.data), want)
	}
	return a, nil
}

// sealTensors is the digest of a split of tensors.
func (s *Split) sealTensors() func() string {
	return sync.OnceValue(func() string {
		h := sha256.New()
		for _, a := range []*Array{s.Inputs, s.Targets} {
			if a == nil {
				fmt.Fprintln(h, "none")
				continue
			}
			fmt.Fprintf(h, "tensors %d %s %v\n", s.N, a.DType, a.Shape)
			h.Write(a.Data)
		}
		return hex.EncodeToString(h.Sum(nil))
	})
}
