package sweep

import (
	"os"
	"path/filepath"

	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
)

// storeName is where the store of a folder lies.
const storeName = "store"

// ErrLocked is the error, wrapped, of a folder that another process writes into.
var ErrLocked = atomicfile.ErrLocked

// Folder is a sweep's folder under its lock, with its store open.
type Folder struct {
	*Store
	unlock func()
}

// OpenFolder makes the folder if it must, locks it, removes what killed writers left, and opens its store. While
// another process has the folder open the error is ErrLocked. note, which may be nil, is told what was found in the store
// and is not used.
func OpenFolder(dir string, note func(Note)) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err := atomicfile.Lock(dir)
	if err != nil {
		return nil, err
	}
	err = atomicfile.RemoveLeftovers(dir, storeName)
	var store *Store
	if err == nil {
		store, err = OpenStore(filepath.Join(dir, storeName), note)
	}
	if err != nil {
		unlock()
		return nil, err
	}
	return &Folder{store, unlock}, nil
}

// OpenShard is OpenFolder for the folder of a shard in that of its sweep. No symbolic link leads there.
func OpenShard(sweep string, s Shard, note func(Note)) (*Folder, error) {
	dir := s.Dir(sweep)
	name, err := filepath.Rel(sweep, dir)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.MkdirBelow(sweep, name); err != nil {
		return nil, err
	}
	return OpenFolder(dir, note)
}

// Close closes the store and unlocks the folder.
func (f *Folder) Close() error {
	defer f.unlock()
	return f.Store.Close()
}
