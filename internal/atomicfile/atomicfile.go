// Package atomicfile writes files that are whole or absent: under no name or a temporary one, synced, renamed, and
// the folder synced, so that neither an error nor a power cut leaves half a file.
//
// It believes that a kill may come at any moment, and that what it leaves must go without anybody's help. A file has
// no name before it is whole where the file system can do that (O_TMPFILE). Where it cannot, its temporary name holds
// a lock of the writer's, and the next writer in the folder removes every temporary file that nobody locks. Locks, not
// process ids, tell who lives: they end with their process, and hold across containers that share a folder.
//
// It also believes that a folder's contents may be somebody else's: below a folder no symbolic link is followed for
// writing or removing.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Write makes path hold what f writes, and its folder if it is missing. If anything fails, path is as it was.
func Write(path string, f func(io.Writer) error) error {
	return WriteConfirmed(path, f, func() error { return nil })
}

// WriteConfirmed is Write, but when all is on the disk, confirm has the last word: the file gets its name
// only if that returns nil.
func WriteConfirmed(path string, f func(io.Writer) error, confirm func() error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return WriteBelow(filepath.Dir(path), filepath.Base(path), f, confirm)
}

// WriteBytes is Write for content at hand.
func WriteBytes(path string, data []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// WriteBelow is WriteConfirmed for a name below a folder, which may be several folders deep: those that are missing
// are made, and none may be a symbolic link.
func WriteBelow(root, name string, f func(io.Writer) error, confirm func() error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %s: %w", filepath.Join(root, name), err)
		}
	}()
	dir, err := openBelow(root, filepath.Dir(name), true)
	if err != nil {
		return err
	}
	defer dir.Close()
	cleanOnce(dir)
	tmp, err := newTemporary(dir)
	if err != nil {
		return err
	}
	defer tmp.discard()
	w := bufio.NewWriterSize(&eager{File: tmp.File}, 1<<20)
	if err := f(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := confirm(); err != nil {
		return err
	}
	if err := tmp.rename(filepath.Base(name)); err != nil {
		return err
	}
	return dir.Sync()
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

// SyncDir makes the names in dir last.
func SyncDir(dir string) error {
	d, err := openBelow(dir, ".", false)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// ErrLocked is wrapped by Lock's error when another process holds the lock.
var ErrLocked = errors.New("another process is writing here")

// LockName is the file that Lock leaves in a folder.
const LockName = ".lock"

// Lock takes the folder's lock file, which the operating system drops when this process ends.
func Lock(dir string) (unlock func(), err error) {
	f, err := OpenBelow(dir, LockName)
	if err != nil {
		return nil, err
	}
	if err := tryLock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return func() { f.Close() }, nil
}

// tryLock takes an exclusive lock on an open file or folder, or fails at once.
func tryLock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}
