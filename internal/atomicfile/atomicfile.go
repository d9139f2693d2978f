// Package atomicfile writes files that are whole or absent: to a temporary name beside the target,
// synced, renamed, and the folder synced, so that neither an error nor a power cut leaves half a file.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Write makes path hold what f writes. If anything fails, path is as it was.
func Write(path string, f func(io.Writer) error) error {
	return WriteConfirmed(path, f, func() error { return nil })
}

// WriteConfirmed is Write, but when all is on the disk, confirm has the last word: the file gets its name
// only if that returns nil.
func WriteConfirmed(path string, f func(io.Writer) error, confirm func() error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
			err = fmt.Errorf("writing %s: %w", path, err)
		}
	}()
	w := bufio.NewWriterSize(&eager{File: tmp}, 1<<20)
	if err = f(w); err != nil {
		return err
	}
	if err = w.Flush(); err != nil {
		return err
	}
	if err = tmp.Chmod(0o644); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = confirm(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// eager lets the system begin to write to the disk while more is to come, so that the sync at the end has
// little left to wait for.
type eager struct {
	*os.File
	written, begun int64
}

func (e *eager) Write(p []byte) (total int, err error) {
	const step = 8 << 20
	for len(p) > 0 && err == nil {
		var n int
		n, err = e.File.Write(p[:min(step, len(p))])
		p = p[n:]
		total += n
		e.written += int64(n)
		if e.written-e.begun >= step {
			_ = unix.SyncFileRange(int(e.Fd()), e.begun, e.written-e.begun, unix.SYNC_FILE_RANGE_WRITE) // advice
			e.begun = e.written
		}
	}
	return total, err
}

// WriteBytes is Write for content at hand.
func WriteBytes(path string, data []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// RemoveLeftovers removes the temporary files that killed writers left in the folders. Call it only where
// nobody else can be writing: under Lock.
func RemoveLeftovers(dirs ...string) error {
	for _, dir := range dirs {
		names, err := filepath.Glob(filepath.Join(dir, ".*.tmp"))
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// SyncDir makes the names in dir last.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// ErrLocked is wrapped by Lock's error when another process holds the lock.
var ErrLocked = errors.New("another process is writing here")

// OpenRegular opens a regular file for reading, and gives its size. It does not wait where there is something
// else, such as a pipe without a writer.
func OpenRegular(path string) (*os.File, int64, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// LockName is the file that Lock leaves in a folder.
const LockName = ".lock"

// Lock takes the folder's lock file, which the operating system drops when this process ends.
func Lock(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, LockName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return func() { f.Close() }, nil
}
