// Package safetensors reads and writes the safetensors format, as its specification and its reference
// reader judge it, and stricter where the specification is.
//
// A file is untrusted: every size is checked with arithmetic that cannot overflow, before memory is asked
// for. Format: 8 bytes little-endian length n, n bytes of JSON header, then the tensors' bytes, back to
// back, without gaps. https://huggingface.co/docs/safetensors
package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxHeader is the longest header that the reference reader takes, in bytes.
const MaxHeader = 100_000_000

// DType is a dtype by its name in the format: F32, BF16, I64, …
type DType string

// The dtypes that averaging treats as numbers, and I64; all others are copied.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	C64  DType = "C64"  // two float32
	C128 DType = "C128" // two float64; no file of the format may hold it
	I64  DType = "I64"
)

var width = map[DType]uint64{ // bits
	"BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
	"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
	"I16": 16, "U16": 16, F16: 16, BF16: 16, "I32": 32, "U32": 32, F32: 32, C64: 64, F64: 64, I64: 64, "U64": 64, C128: 128,
}

// Size is the bytes of one element, or 0 for dtypes narrower than a byte and unknown ones.
func (d DType) Size() int {
	switch d { // the common ones without a look into the table
	case F64:
		return 8
	case F32:
		return 4
	case F16, BF16:
		return 2
	}
	return int(width[d] / 8)
}

// Float says whether d is a floating-point dtype that can be averaged: F64, F32, F16 or BF16.
func (d DType) Float() bool { return d == F64 || d == F32 || d == F16 || d == BF16 }

// Complex says whether d is a complex dtype: C64 or C128.
func (d DType) Complex() bool { return d == C64 || d == C128 }

// Part is the floating dtype of d's numbers: d itself, that of the two parts of a complex number, or "" of dtypes that
// are not averaged.
func (d DType) Part() DType {
	switch {
	case d.Float():
		return d
	case d == C64:
		return F32
	case d == C128:
		return F64
	}
	return ""
}

// Holds says whether a file of the format can hold the tensors. The error names the first that it cannot.
func Holds(tensors []Tensor) error {
	for _, t := range tensors {
		if t.DType == C128 {
			return fmt.Errorf("tensor %s is of complex128, which safetensors does not have", t.Name)
		}
	}
	return nil
}

// Tensor is one entry of a header. Its bytes are [Begin, End) of the data section.
type Tensor struct {
	Name       string
	DType      DType
	Shape      []int64
	Begin, End int64
}

// Elements is the product of the shape.
func (t Tensor) Elements() int64 {
	n := int64(1)
	for _, s := range t.Shape {
		n *= s
	}
	return n
}

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

// Header is what stands before the data section.
type Header struct {
	Tensors  []Tensor // in the order of their bytes
	Metadata map[string]string
	Data     int64 // where the data section starts in the file
}

// ReadHeader reads and checks the header of a file of size bytes.
func ReadHeader(r io.ReaderAt, size int64) (*Header, error) {
	var prefix [8]byte
	if size < 8 {
		return nil, fmt.Errorf("%d bytes: too short for a safetensors file", size)
	}
	if _, err := r.ReadAt(prefix[:], 0); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > MaxHeader || n > uint64(size-8) {
		return nil, fmt.Errorf("the header claims %d bytes in a file of %d (not a safetensors file, or cut short)", n, size)
	}
	text := make([]byte, n)
	if _, err := r.ReadAt(text, 8); err != nil {
		return nil, err
	}
	h, err := parse(text)
	if err != nil {
		return nil, err
	}
	h.Data = 8 + int64(n)
	if err := h.check(uint64(size - h.Data)); err != nil {
		return nil, err
	}
	return h, nil
}

// check demands that the tensors fill the data section: each starts where the one before it ended.
func (h *Header) check(size uint64) error {
	slices.SortStableFunc(h.Tensors, func(a, b Tensor) int {
		if a.Begin != b.Begin {
			return int(math.Copysign(1, float64(a.Begin-b.Begin)))
		}
		return int(math.Copysign(1, float64(a.End-b.End)))
	})
	end := int64(0)
	for _, t := range h.Tensors {
		if t.Begin != end {
			return fmt.Errorf("tensor %s: starts at byte %d of the data, the one before it ends at %d", t.Name, t.Begin, end)
		}
		n, err := t.ByteSize()
		if err != nil {
			return fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		if n != t.End-t.Begin {
			return fmt.Errorf("tensor %s: %s needs %d bytes, its offsets hold %d", t.Name, t, n, t.End-t.Begin)
		}
		end = t.End
	}
	if uint64(end) != size {
		return fmt.Errorf("the tensors end at byte %d of the data, the file holds %d (cut short, or longer than written)", end, size)
	}
	return nil
}

// parse reads the JSON strictly: encoding/json alone would let pass doubled names, other spellings of the
// keys, and broken Unicode.
func parse(text []byte) (*Header, error) {
	if len(text) == 0 || text[0] != '{' {
		return nil, errors.New("the header does not start with {")
	}
	if !utf8.Valid(text) {
		return nil, errors.New("the header is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	h := &Header{}
	seen := map[string]bool{}
	err := object(d, func(key string) error {
		if seen[key] {
			return fmt.Errorf("the name %q stands twice", key)
		}
		seen[key] = true
		if strings.ContainsRune(key, utf8.RuneError) {
			return fmt.Errorf("the name %q is not valid Unicode", key)
		}
		if key == "__metadata__" {
			h.Metadata = map[string]string{}
			return object(d, func(key string) error {
				v, err := d.Token()
				s, ok := v.(string)
				if err == nil && !ok {
					err = fmt.Errorf("__metadata__: %q is not a string", key)
				}
				if _, twice := h.Metadata[key]; twice {
					err = fmt.Errorf("__metadata__: %q stands twice", key)
				}
				h.Metadata[key] = s
				return err
			})
		}
		t, err := entry(d, key)
		if err != nil {
			return fmt.Errorf("tensor %s: %w", key, err)
		}
		h.Tensors = append(h.Tensors, t)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if rest := text[d.InputOffset():]; len(bytes.TrimRight(rest, " ")) > 0 {
		return nil, errors.New("header: something follows the closing brace")
	}
	return h, nil
}

func entry(d *json.Decoder, name string) (Tensor, error) {
	t := Tensor{Name: name, Shape: []int64{}}
	seen := map[string]bool{}
	err := object(d, func(key string) error {
		if seen[key] {
			return fmt.Errorf("%q stands twice", key)
		}
		seen[key] = true
		switch key {
		case "dtype":
			v, err := d.Token()
			s, ok := v.(string)
			if err == nil && !ok {
				err = errors.New("dtype is not a string")
			}
			if t.DType = DType(s); t.DType == C128 {
				return fmt.Errorf("unknown dtype %q", s)
			}
			return err
		case "shape":
			var err error
			t.Shape, err = integers(d, 64)
			return err
		case "data_offsets":
			o, err := integers(d, 2)
			if err == nil && len(o) != 2 {
				err = fmt.Errorf("data_offsets holds %d numbers", len(o))
			}
			if err == nil {
				t.Begin, t.End = o[0], o[1]
			}
			return err
		}
		return fmt.Errorf("unknown key %q", key)
	})
	if err == nil && len(seen) != 3 {
		err = errors.New("want dtype, shape and data_offsets")
	}
	return t, err
}

func object(d *json.Decoder, field func(key string) error) error {
	if err := delim(d, '{'); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		if err := field(key.(string)); err != nil {
			return err
		}
	}
	return delim(d, '}')
}

func integers(d *json.Decoder, most int) ([]int64, error) {
	if err := delim(d, '['); err != nil {
		return nil, err
	}
	out := []int64{}
	for d.More() {
		v, err := d.Token()
		if err != nil {
			return nil, err
		}
		n, ok := v.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%v is not a number", v)
		}
		i, err := n.Int64()
		if err != nil || i < 0 {
			return nil, fmt.Errorf("%s is not a whole number from 0 to 2⁶³−1", n)
		}
		if out = append(out, i); len(out) > most {
			return nil, fmt.Errorf("more than %d numbers", most)
		}
	}
	return out, delim(d, ']')
}

func delim(d *json.Decoder, want json.Delim) error {
	v, err := d.Token()
	if err != nil {
		return err
	}
	if v != want {
		return fmt.Errorf("found %v, expected %v", v, want)
	}
	return nil
}
