package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"sync"

	"golang.org/x/sys/unix"
)

// cleaned are the folders, by device and inode, in which this process has looked for leftovers.
var cleaned sync.Map

// cleanOnce removes the leftovers in a folder at the first writing there. What cannot be removed stays for the next.
func cleanOnce(dir *os.File) {
	var info unix.Stat_t
	if unix.Fstat(int(dir.Fd()), &info) != nil {
		return
	}
	if _, done := cleaned.LoadOrStore([2]uint64{uint64(info.Dev), info.Ino}, true); done {
		return
	}
	_ = removeLeftovers(dir, temporaryName)
}

// removeLeftovers removes the regular files of such names in a folder that no process has locked.
func removeLeftovers(dir *os.File, name *regexp.Regexp) error {
	fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	list := os.NewFile(uintptr(fd), dir.Name())
	defer list.Close()
	names, err := list.Readdirnames(-1)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range names {
		if name.MatchString(n) {
			errs = append(errs, removeLeftover(int(dir.Fd()), n))
		}
	}
	return errors.Join(errs...)
}

func removeLeftover(dir int, name string) error {
	fd, err := unix.Openat(dir, name, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // it is gone, or not ours
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || tryLock(f) != nil {
		return nil
	}
	// A name is used once: if it still stands, it is that of the file that is locked here.
	if err := unix.Unlinkat(dir, name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "removing the leftover", Path: name, Err: err}
	}
	return nil
}

// olderName is what temporary files were called that held no lock.
var olderName = regexp.MustCompile(`^\..+\.[0-9]+\.tmp$|` + temporaryName.String())

// RemoveLeftovers removes the temporary files that killed writers left in the folder and in the named ones below
// it, those of older versions too. Call it only where nobody else can be writing: under Lock.
func RemoveLeftovers(root string, below ...string) error {
	for _, name := range append([]string{"."}, below...) {
		dir, err := openBelow(root, name, false)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		err = removeLeftovers(dir, olderName)
		dir.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
