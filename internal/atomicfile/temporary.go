package atomicfile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"regexp"
	"sync"

	"golang.org/x/sys/unix"
)

// temporaryName is what files are called that are not whole yet, and nothing else is.
var temporaryName = regexp.MustCompile(`^\.lawa-replay\.[0-9a-f]{16}\.tmp$`)

func newName() string {
	var r [8]byte
	rand.Read(r[:]) // never fails
	return fmt.Sprintf(".lawa-replay.%x.tmp", r)
}

// temporary is a file that is being written. As long as it is open it is locked.
type temporary struct {
	*os.File
	dir  *os.File
	name string // "" while it has none
}

const temporaryFlags = unix.O_RDWR | unix.O_CLOEXEC | unix.O_NOFOLLOW

// newTemporary makes one without a name, or else with one.
func newTemporary(dir *os.File) (*temporary, error) {
	if nameless(dir) {
		fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_TMPFILE|temporaryFlags, 0o644)
		if err == nil {
			t := &temporary{os.NewFile(uintptr(fd), dir.Name()), dir, ""}
			_ = tryLock(t.File) // before it has a name; where there are no locks, nothing is ever removed
			return t, nil
		}
	}
	for {
		name := newName()
		fd, err := unix.Openat(int(dir.Fd()), name, unix.O_CREAT|unix.O_EXCL|temporaryFlags, 0o644)
		if err != nil {
			return nil, &os.PathError{Op: "creating a file in", Path: dir.Name(), Err: err}
		}
		t := &temporary{os.NewFile(uintptr(fd), dir.Name()), dir, name}
		_ = unix.Flock(fd, unix.LOCK_EX)
		// Between its creation and its lock someone may have taken it for a leftover: who removes one holds its
		// lock meanwhile, so that it is gone by now, or stays.
		var info unix.Stat_t
		if err := unix.Fstat(fd, &info); err != nil || info.Nlink > 0 {
			return t, err
		}
		t.Close()
	}
}

// rename gives the file its name, in place of what is called so.
func (t *temporary) rename(name string) error {
	dir := int(t.dir.Fd())
	if t.name == "" {
		err := t.link(name)
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
		t.name = newName()
		if err := t.link(t.name); err != nil {
			t.name = ""
			return err
		}
	}
	if err := unix.Renameat(dir, t.name, dir, name); err != nil {
		return err
	}
	t.name = ""
	return nil
}

func (t *temporary) link(name string) error {
	return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", t.Fd()), int(t.dir.Fd()), name, unix.AT_SYMLINK_FOLLOW)
}

// discard closes the file, and removes it unless it was renamed.
func (t *temporary) discard() {
	if t.name != "" {
		_ = unix.Unlinkat(int(t.dir.Fd()), t.name, 0)
	}
	t.Close()
}

// namelessOn says of file systems, by their device number, whether files without a name can be made there and be
// given one. It differs between file systems and containers, so it is tried.
var namelessOn sync.Map

func nameless(dir *os.File) bool {
	device := deviceOf(dir)
	if known, ok := namelessOn.Load(device); ok {
		return known.(bool)
	}
	fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_TMPFILE|temporaryFlags, 0o600)
	if err == nil {
		t := &temporary{os.NewFile(uintptr(fd), dir.Name()), dir, ""}
		_ = tryLock(t.File)
		name := newName()
		if err = t.link(name); err == nil {
			t.name = name
		}
		t.discard()
	}
	namelessOn.Store(device, err == nil)
	return err == nil
}

func deviceOf(f *os.File) uint64 {
	var info unix.Stat_t
	if unix.Fstat(int(f.Fd()), &info) != nil {
		return 0
	}
	return uint64(info.Dev)
}
