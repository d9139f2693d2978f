package checkpoint

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lawa-replay/lawa-replay/internal/input"
)

// HeadBytes is how many bytes of a file are looked at to know what it is.
const HeadBytes = 512

// File is a file of weights, or bytes in memory in its place. It is open while somebody uses it, so that the lists of
// any number of checkpoints may be kept. Opened again, it must be what it was: of the same size and time.
type File struct {
	path     string
	size     int64
	modified time.Time
	data     []byte // in place of a file
	inMemory bool

	mu   sync.Mutex
	f    *os.File
	uses int
	read atomic.Int64
}

// OpenFile opens a file for one use, which Close ends.
func OpenFile(path string) (*File, error) {
	f := &File{path: path}
	return f, f.Use()
}

// InMemory is bytes in place of a file. They need no use.
func InMemory(name string, data []byte) *File {
	return &File{path: name, data: data, size: int64(len(data)), inMemory: true}
}

// Path is where it lies.
func (f *File) Path() string { return f.path }

// Size is its size in bytes.
func (f *File) Size() int64 { return f.size }

// InMemory says whether it is bytes in memory.
func (f *File) InMemory() bool { return f.inMemory }

// BytesRead is what was read of the file so far, without what was mapped.
func (f *File) BytesRead() int64 { return f.read.Load() }

// Head is its first HeadBytes bytes, or all where it has fewer.
func (f *File) Head() ([]byte, error) {
	head := make([]byte, min(f.size, HeadBytes))
	_, err := f.ReadAt(head, 0)
	return head, err
}

// ReadAt implements io.ReaderAt, of a file in use.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if f.inMemory {
		return bytes.NewReader(f.data).ReadAt(p, off)
	}
	if f.f == nil {
		return 0, os.ErrClosed
	}
	n, err := f.f.ReadAt(p, off)
	f.read.Add(int64(n))
	return n, err
}

// errChanged says that a list of tensors is no longer that of its file.
var errChanged = errors.New("it changed after the list of its tensors was read")

// Use opens the file, unless it is open. Close ends the use.
func (f *File) Use() error {
	if f.inMemory {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.uses > 0 {
		f.uses++
		return nil
	}
	in, size, err := input.Open(f.path, input.Any)
	if err != nil {
		return err
	}
	info, err := in.Stat()
	if err == nil && !f.modified.IsZero() && (size != f.size || !info.ModTime().Equal(f.modified)) {
		err = &os.PathError{Op: "reading", Path: f.path, Err: errChanged}
	}
	if err != nil {
		in.Close()
		return err
	}
	f.f, f.size, f.modified, f.uses = in, size, info.ModTime(), 1
	return nil
}

// Close ends a use; the last one closes the file.
func (f *File) Close() error {
	if f.inMemory {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.uses--; f.uses > 0 {
		return nil
	}
	in := f.f
	f.f, f.uses = nil, 0
	if in == nil {
		return nil
	}
	return in.Close()
}

// Use opens files for one use each; done ends them.
func Use(files []*File) (done func(), err error) {
	n := 0
	done = func() {
		for _, f := range files[:n] {
			f.Close()
		}
	}
	for _, f := range files {
		if err := f.Use(); err != nil {
			done()
			return nil, err
		}
		n++
	}
	return done, nil
}
