package checkpoint

import (
	"fmt"
	"os"
	"runtime/debug"
	"unsafe"

	"github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// Mapped is one checkpoint in memory, read-only: its file or files, mapped, or a copy of what must be put together.
// Reading mapped bytes after the file shrank is a fault: do it inside Guard.
type Mapped struct {
	Path    string
	Tensors []Tensor // their offsets point into Data
	Data    []byte
	Head    []byte // what comes before the tensors in the digest: the header of the arranged safetensors file
	Size    int64  // of the file or files, in bytes
	unmap   func() error
	copied  bool // into memory of no file
}

// MapFile maps a file in use. The tensors, and what of the file is Data, are for the caller to set.
func MapFile(f *File) (*Mapped, error) {
	m, err := mmap.Map(f.f, mmap.RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("mapping it: %w", err)
	}
	if int64(len(m)) != f.size {
		m.Unmap()
		return nil, errChanged
	}
	return &Mapped{Path: f.path, Data: m, Size: f.size, unmap: m.Unmap}, nil
}

// Allocate gives memory of no file, to be filled.
func Allocate(path string, bytes int64) (*Mapped, error) {
	memory, err := mmap.MapRegion(nil, int(max(1, bytes)), mmap.RDWR, mmap.ANON, 0)
	if err != nil {
		return nil, fmt.Errorf("%d bytes of memory: %w", bytes, err)
	}
	return &Mapped{Path: path, Data: memory[:bytes], unmap: memory.Unmap, copied: true}, nil
}

// MapFiles maps files in use one behind the other, each from a page's begin on, so that tensors of all of them lie in
// Data. It returns where each begins in it.
func MapFiles(path string, files []*File) (m *Mapped, bases []int64, err error) {
	page := int64(os.Getpagesize())
	end := int64(0)
	for _, f := range files {
		bases = append(bases, end)
		end += (f.size + page - 1) / page * page
	}
	// The room first, then the files over it.
	room, err := unix.MmapPtr(-1, 0, nil, uintptr(end), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, nil, fmt.Errorf("mapping it: %w", err)
	}
	m = &Mapped{Path: path, unmap: func() error { return unix.MunmapPtr(room, uintptr(end)) }}
	for i, f := range files {
		if f.size > 0 {
			if _, err := unix.MmapPtr(int(f.f.Fd()), 0, unsafe.Add(room, bases[i]), uintptr(f.size), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
				m.Close()
				return nil, nil, fmt.Errorf("mapping it: %w", err)
			}
		}
	}
	m.Data = unsafe.Slice((*byte)(room), end)
	return m, bases, nil
}

// Copied says whether Data is memory of no file.
func (m *Mapped) Copied() bool { return m.copied }

// Close unmaps the file; Data must not be used after.
func (m *Mapped) Close() error { return m.unmap() }

// Tensor returns the named tensor.
func (m *Mapped) Tensor(name string) (Tensor, bool) {
	for _, t := range m.Tensors {
		if t.Name == name {
			return t, true
		}
	}
	return Tensor{}, false
}

// Forget lets go of the memory pages that lie within part, which is some of Data: the next use reads them
// again.
func (m *Mapped) Forget(part []byte) {
	if m.copied {
		return
	}
	page := uintptr(os.Getpagesize())
	from := uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	skip := (page - from%page) % page
	if n := (uintptr(len(part)) - min(skip, uintptr(len(part)))) / page * page; n > 0 {
		_ = unix.Madvise(part[skip:skip+n], unix.MADV_DONTNEED) // advice
	}
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
