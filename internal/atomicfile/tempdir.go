package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// TempDir makes a folder in root, of a name that begins with prefix. It is removed by remove, or, after a kill, by
// the next RemoveTempDirs for the same prefix, which it does itself: the folder is locked as long as its owner lives.
func TempDir(root, prefix string) (dir string, remove func(), err error) {
	if err := RemoveTempDirs(root, prefix); err != nil {
		return "", nil, err
	}
	for {
		dir, err := os.MkdirTemp(root, prefix)
		if err != nil {
			return "", nil, err
		}
		remove, err := owned(root, filepath.Base(dir))
		switch {
		case err == nil:
			return dir, remove, nil
		case !errors.Is(err, ErrLocked) && !errors.Is(err, fs.ErrNotExist):
			os.Remove(dir)
			return "", nil, err
		}
		// Someone took it for a leftover before it was locked, and removes it.
	}
}

// RemoveTempDirs removes what TempDir made for processes that were killed. Folders of other users stay.
func RemoveTempDirs(root, prefix string) error {
	old, err := os.ReadDir(root)
	if err != nil {
		return err
	}
	for _, e := range old {
		if strings.HasPrefix(e.Name(), prefix) && e.IsDir() {
			if remove, err := owned(root, e.Name()); err == nil {
				remove()
			}
		}
	}
	return nil
}

// owned locks a folder of this user's that nobody has locked. remove removes it and drops the lock.
func owned(root, name string) (remove func(), err error) {
	f, err := openBelow(root, name, false)
	if err != nil {
		return nil, err
	}
	var opened, named unix.Stat_t
	err = unix.Fstat(int(f.Fd()), &opened)
	if err == nil && int(opened.Uid) != os.Getuid() {
		err = fs.ErrPermission
	}
	if err == nil {
		err = tryLock(f)
	}
	if err == nil { // it may have been removed, and its name given anew, before it was locked
		err = unix.Lstat(filepath.Join(root, name), &named)
	}
	if err == nil && named.Ino != opened.Ino {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, &os.PathError{Op: "locking", Path: filepath.Join(root, name), Err: err}
	}
	return func() {
		os.RemoveAll(filepath.Join(root, name))
		f.Close()
	}, nil
}
