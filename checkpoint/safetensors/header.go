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
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// Holds says whether a file of the format can hold the tensors. The error names the first that it cannot.
func Holds(tensors []checkpoint.Tensor) error {
	for _, t := range tensors {
		if t.DType == checkpoint.C128 {
			return fmt.Errorf("tensor %s is of complex128, which safetensors does not have", t.Name)
		}
	}
	return nil
}

// Header is what stands before the data section.
type Header struct {
	Tensors  []checkpoint.Tensor // in the order of their bytes
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
	if n > checkpoint.MaxHeader || n > uint64(size-8) {
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
	slices.SortStableFunc(h.Tensors, func(a, b checkpoint.Tensor) int {
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

func entry(d *json.Decoder, name string) (checkpoint.Tensor, error) {
	t := checkpoint.Tensor{Name: name, Shape: []int64{}}
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
			if t.DType = checkpoint.DType(s); t.DType == checkpoint.C128 {
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
