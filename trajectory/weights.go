package trajectory

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"unsafe"

	"github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"

	"lawa-replay/internal/input"
	"lawa-replay/trajectory/safetensors"
)

// Weights is one checkpoint, mapped read-only: a safetensors file, or one of another program. Reading its bytes
// after the file shrank is a fault: do it inside Guard.
type Weights struct {
	Path   string
	Header *safetensors.Header
	Data   []byte // the offsets of Header.Tensors point into it
	head   []byte // what comes before the tensors in the digest: the header as it is written
	unmap  func() error
	copied bool  // into memory of no file
	size   int64 // of the file or files
}

// MapFile maps the file and checks its header.
func MapFile(path string) (*Weights, error) {
	f, size, err := input.Open(path, input.Any)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	header, err := safetensors.ReadHeader(f, size)
	if err != nil {
		return nil, err
	}
	m, err := mmap.Map(f, mmap.RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("mapping it: %w", err)
	}
	if int64(len(m)) != size {
		m.Unmap()
		return nil, errors.New("its size changed while it was opened")
	}
	return &Weights{path, header, m[header.Data:], m[:header.Data], m.Unmap, false, size}, nil
}

// mapLink maps another program's checkpoint: its file where the tensors are stored in it as they are, and
// else a copy of them.
func mapLink(link Link) (*Weights, error) {
	c, err := link.Open()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	tensors := c.Layout()
	w := &Weights{Path: link.Path, size: c.FileBytes(), Header: &safetensors.Header{Tensors: tensors, Metadata: safetensors.Metadata()}}
	if w.head, err = safetensors.EncodeHeader(tensors, safetensors.Metadata()); err != nil {
		return nil, err
	}
	if paths, places, ok := c.Mapped(); ok {
		bases, sizes, err := w.mapFiles(paths)
		if err != nil {
			return nil, err
		}
		for i, at := range places {
			n := tensors[i].End - tensors[i].Begin
			begin := bases[at.File] + at.Offset
			if at.Offset+n > sizes[at.File] {
				w.Close()
				return nil, errors.New("its size changed while it was opened")
			}
			tensors[i].Begin, tensors[i].End = begin, begin+n
		}
		return w, nil
	}
	w.copied = true
	memory, err := mmap.MapRegion(nil, int(max(1, c.Bytes())), mmap.RDWR, mmap.ANON, 0)
	if err != nil {
		return nil, fmt.Errorf("%d bytes of memory: %w", c.Bytes(), err)
	}
	w.unmap, w.Data = memory.Unmap, memory[:c.Bytes()]
	if err := c.Read(w.Data); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// mapFiles maps files one behind the other, each from a page's begin on, so that tensors of all of them lie in Data.
// It returns where each begins in it, and the files' sizes.
func (w *Weights) mapFiles(paths []string) (bases, sizes []int64, err error) {
	page := int64(os.Getpagesize())
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	end := int64(0)
	for _, path := range paths {
		f, size, err := input.Open(path, input.Any)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, f)
		bases, sizes = append(bases, end), append(sizes, size)
		end += (size + page - 1) / page * page
	}
	// The room first, then the files over it.
	room, err := unix.MmapPtr(-1, 0, nil, uintptr(end), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, nil, fmt.Errorf("mapping it: %w", err)
	}
	w.unmap = func() error { return unix.MunmapPtr(room, uintptr(end)) }
	for i, f := range files {
		if size := sizes[i]; size > 0 {
			if _, err := unix.MmapPtr(int(f.Fd()), 0, unsafe.Add(room, bases[i]), uintptr(size), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
				w.Close()
				return nil, nil, fmt.Errorf("mapping it: %w", err)
			}
		}
	}
	w.Data = unsafe.Slice((*byte)(room), end)
	return bases, sizes, nil
}

// Close unmaps the file; Data must not be used after.
func (w *Weights) Close() error { return w.unmap() }

// Tensor returns the named entry of the header.
func (w *Weights) Tensor(name string) (safetensors.Tensor, bool) {
	for _, t := range w.Header.Tensors {
		if t.Name == name {
			return t, true
		}
	}
	return safetensors.Tensor{}, false
}

// scan reads the whole file once, into the digest, and gives the names of the tensors that are not finite.
func (w *Weights) scan(d *digest) (nonFinite []string, err error) {
	err = Guard(w.Path, func() error {
		const bytes = 1 << 17 // in cache from one use to the next
		d.Write(w.head)
		for _, t := range w.Header.Tensors { // in a file of ours back to back: that is all there is
			ok := true
			for begin := t.Begin; begin < t.End; begin += bytes {
				part := w.Data[begin:min(begin+bytes, t.End)]
				d.Write(part)
				ok = ok && (t.DType.Part() == "" || finite(t.DType.Part(), part))
			}
			if !ok {
				nonFinite = append(nonFinite, t.Name)
			}
		}
		return nil
	})
	return nonFinite, err
}

// Forget lets go of the memory pages that lie within part, which is some of Data: the next use reads them
// again.
func (w *Weights) Forget(part []byte) {
	if w.copied {
		return
	}
	page := uintptr(os.Getpagesize())
	from := uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	skip := (page - from%page) % page
	if n := (uintptr(len(part)) - min(skip, uintptr(len(part)))) / page * page; n > 0 {
		_ = unix.Madvise(part[skip:skip+n], unix.MADV_DONTNEED) // advice
	}
}

// finite looks at the exponents, several at a time: all ones mean NaN or infinity. One added at an
// exponent's lowest bit then carries into its sign's place.
func finite(d safetensors.DType, data []byte) bool {
	var mask, one, top uint64
	switch d {
	case safetensors.F64:
		mask, one, top = 0x7ff<<52, 1<<52, 1<<63
	case safetensors.F32:
		mask, one, top = 0x7f8000007f800000, 0x0080000000800000, 0x8000000080000000
	case safetensors.BF16:
		mask, one, top = 0x7f807f807f807f80, 0x0080008000800080, 0x8000800080008000
	case safetensors.F16:
		mask, one, top = 0x7c007c007c007c00, 0x0400040004000400, 0x8000800080008000
	}
	found, done := vectorExponents(data, mask, one)
	data = data[done:]
	for ; len(data) >= 8; data = data[8:] {
		found |= binary.LittleEndian.Uint64(data)&mask + one
	}
	var rest [8]byte
	copy(rest[:], data)
	found |= binary.LittleEndian.Uint64(rest[:])&mask + one
	return found&top == 0
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
