package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// openBelow opens the folder name below root. root may be reached by links, as its user gave it; below it a link is
// an error. With create, folders that are missing below root are made.
func openBelow(root, name string, create bool) (*os.File, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	fd, err := unix.Open(root, flags, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: root, Err: err}
	}
	at := root
	if name = filepath.Clean(name); name == "." {
		return os.NewFile(uintptr(fd), at), nil
	}
	if !filepath.IsLocal(name) {
		unix.Close(fd)
		return nil, fmt.Errorf("%q leads out of %s", name, root)
	}
	for element := range strings.SplitSeq(name, "/") {
		at = filepath.Join(at, element)
		if create {
			if err := unix.Mkdirat(fd, element, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
				unix.Close(fd)
				return nil, &os.PathError{Op: "mkdir", Path: at, Err: err}
			}
		}
		next, err := unix.Openat(fd, element, flags|unix.O_NOFOLLOW, 0)
		if err != nil {
			err = notFollowed(fd, element, at, err)
		}
		unix.Close(fd)
		if err != nil {
			return nil, err
		}
		fd = next
	}
	return os.NewFile(uintptr(fd), at), nil
}

// notFollowed says of an error that it is of a link, where it is.
func notFollowed(dir int, name, path string, err error) error {
	var info unix.Stat_t
	if unix.Fstatat(dir, name, &info, unix.AT_SYMLINK_NOFOLLOW) == nil && info.Mode&unix.S_IFMT == unix.S_IFLNK {
		err = errors.New("a symbolic link, which is not followed for writing")
	}
	return &os.PathError{Op: "open", Path: path, Err: err}
}

// MkdirBelow makes the folder name below root, unless it is there. It must not be a symbolic link.
func MkdirBelow(root, name string) error {
	dir, err := openBelow(root, name, true)
	if err != nil {
		return err
	}
	return dir.Close()
}

// OpenBelow opens the regular file name below root to read it and write to it, and makes it if it is missing.
// Neither it nor a folder on the way may be a symbolic link.
func OpenBelow(root, name string) (*os.File, error) {
	dir, err := openBelow(root, filepath.Dir(name), false)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	path, base := filepath.Join(root, name), filepath.Base(name)
	fd, err := unix.Openat(int(dir.Fd()), base, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, notFollowed(int(dir.Fd()), base, path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, &os.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")})
	}
	return f, nil
}

// RemoveBelow removes the file or empty folder name below root; of a symbolic link, the link. No folder on the way
// may be one.
func RemoveBelow(root, name string) error {
	dir, err := openBelow(root, filepath.Dir(name), false)
	if err != nil {
		return err
	}
	defer dir.Close()
	base := filepath.Base(name)
	err = unix.Unlinkat(int(dir.Fd()), base, 0)
	if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
		err = unix.Unlinkat(int(dir.Fd()), base, unix.AT_REMOVEDIR)
	}
	if err != nil {
		return &os.PathError{Op: "remove", Path: filepath.Join(root, name), Err: err}
	}
	return nil
}

// NamesBelow lists what is in the folder name below root, which may not be a symbolic link; nothing where there is
// no such folder.
func NamesBelow(root, name string) ([]string, error) {
	dir, err := openBelow(root, name, false)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Readdirnames(-1)
}

// RenameBelow gives a file that is whole and synced, below root, another name in root, which it makes last. What had
// that name is replaced.
func RenameBelow(root, from, to string) error {
	dir, err := openBelow(root, ".", false)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := unix.Renameat(int(dir.Fd()), from, int(dir.Fd()), to); err != nil {
		return &os.LinkError{Op: "rename", Old: filepath.Join(root, from), New: filepath.Join(root, to), Err: err}
	}
	return dir.Sync()
}
