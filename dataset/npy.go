package dataset

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"codeberg.org/sbinet/npyio/npy"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

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
	files := map[string]*zip.File{}
	var names []string
	for _, f := range r.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		if files[name] != nil {
			return nil, fmt.Errorf("it holds %s twice", name)
		}
		files[name] = f
		names = append(names, name)
	}
	out := map[string]*array{}
	for _, name := range wanted(names) {
		f := files[name]
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
var npyTypes = map[string]checkpoint.DType{"<f8": "F64", "<f4": "F32", "<f2": "F16", "<i8": "I64", "<i4": "I32", "<i2": "I16", "|i1": "I8", "|u1": "U8", "<u2": "U16", "<u4": "U32", "<u8": "U64", "|b1": "BOOL"}

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
