package trajectory

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/edsrzf/mmap-go"

	"lawa-replay/trajectory/safetensors"
)

// Weights is one safetensors file, mapped read-only. Reading its bytes after the file shrank is a fault:
// do it inside Guard.
type Weights struct {
	Path   string
	Header *safetensors.Header
	Data   []byte // the data section; the offsets of Header.Tensors point into it
	file   mmap.MMap
}

// MapFile maps the file and checks its header.
func MapFile(path string) (*Weights, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	header, err := safetensors.ReadHeader(f, info.Size())
	if err != nil {
		return nil, err
	}
	m, err := mmap.Map(f, mmap.RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("mapping it: %w", err)
	}
	if int64(len(m)) != info.Size() {
		m.Unmap()
		return nil, errors.New("its size changed while it was opened")
	}
	return &Weights{path, header, m[header.Data:], m}, nil
}

// Close unmaps the file; Data must not be used after.
func (w *Weights) Close() error { return w.file.Unmap() }

// Tensor returns the named entry of the header.
func (w *Weights) Tensor(name string) (safetensors.Tensor, bool) {
	for _, t := range w.Header.Tensors {
		if t.Name == name {
			return t, true
		}
	}
	return safetensors.Tensor{}, false
}

// SHA256 reads the whole file and returns its digest in hexadecimal.
func (w *Weights) SHA256() (digest string, err error) {
	err = Guard(w.Path, func() error {
		sum := sha256.Sum256(w.file)
		digest = hex.EncodeToString(sum[:])
		return nil
	})
	return digest, err
}

// NonFinite returns the names of the floating tensors that hold a NaN or an infinity.
func (w *Weights) NonFinite() (names []string, err error) {
	err = Guard(w.Path, func() error {
		for _, t := range w.Header.Tensors {
			if t.DType.Float() && !finite(t.DType, w.Data[t.Begin:t.End]) {
				names = append(names, t.Name)
			}
		}
		return nil
	})
	return names, err
}

// finite looks at the exponent bits: all ones mean NaN or infinity.
func finite(d safetensors.DType, data []byte) bool {
	switch d {
	case safetensors.F32:
		for ; len(data) >= 4; data = data[4:] {
			if binary.LittleEndian.Uint32(data)&0x7f800000 == 0x7f800000 {
				return false
			}
		}
	case safetensors.F64:
		for ; len(data) >= 8; data = data[8:] {
			if binary.LittleEndian.Uint64(data)&0x7ff<<52 == 0x7ff<<52 {
				return false
			}
		}
	default:
		mask := uint16(0x7f80) // bfloat16
		if d == safetensors.F16 {
			mask = 0x7c00
		}
		for ; len(data) >= 2; data = data[2:] {
			if binary.LittleEndian.Uint16(data)&mask == mask {
				return false
			}
		}
	}
	return true
}

// Guard runs f, which reads mapped memory of the file at path, and turns the fault that a shrunken or
// unreadable file raises into an error.
func Guard(path string, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
			err = fmt.Errorf("%s: reading it failed: the file shrank while it was in use, or its disk does not answer", path)
		}
	}()
	return f()
}
