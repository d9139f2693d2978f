// Package segments keeps records in numbered files to which they are appended.
//
// It believes that what was appended must not be lost: a record reaches the system at once, so that a kill takes nothing, and the disk
// within a second. Of what a power cut takes, the rest of a torn record is cut off when the next one is appended. What a record is, and
// whether it is whole, whoever reads the files knows.
package segments

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Files are those of one or several folders. One process at a time may append to a folder's, and one goroutine; whoever holds a lock sees
// to that.
type Files struct {
	dir   string // to which records are appended; "" where they are only read
	name  string // such as segment-%06d.jsonl
	limit int64  // bytes; a file that has grown to this is followed by another
	most  int64  // bytes of a file that is read

	files  []*os.File // for reading
	last   *os.File   // the newest, for writing; nil until something is appended
	end    int64      // of its whole records
	closed bool       // nothing is appended to the newest any more
	synced time.Time
}

// New is without files yet. With dir "" they are only read; otherwise records are appended in dir, which is made when the first one is.
// name has a number in it, as segment-%06d.jsonl. A file that has grown to limit bytes is followed by another; none of more than most
// bytes is read (input.Any reads all).
func New(dir, name string, limit, most int64) *Files {
	return &Files{dir: dir, name: name, limit: limit, most: most}
}

// Open opens a file, the next in their order, for reading, and gives its size. Whoever reads it says where its whole records End.
func (s *Files) Open(path string) (*os.File, int64, error) {
	f, size, err := input.Open(path, s.most)
	if err != nil {
		return nil, 0, err
	}
	s.files = append(s.files, f)
	s.closed = false
	return f, size, nil
}

// End says where the whole records of the newest file end, and whether records may follow there.
func (s *Files) End(at int64, follow bool) { s.end, s.closed = at, !follow }

// Len is how many files there are.
func (s *Files) Len() int { return len(s.files) }

// File is one of them, by its place, for reading.
func (s *Files) File(i int) *os.File { return s.files[i] }

// Append appends a record, and says in which file and where it lies.
func (s *Files) Append(record []byte) (file int, at int64, err error) {
	if s.dir == "" {
		return 0, 0, errors.New("it was opened for reading")
	}
	if err := s.ready(); err != nil {
		return 0, 0, err
	}
	if _, err := s.last.WriteAt(record, s.end); err != nil {
		_ = s.last.Truncate(s.end) // a full disk may have taken half a record
		return 0, 0, err
	}
	at = s.end
	s.end += int64(len(record))
	if now := time.Now(); now.Sub(s.synced) > time.Second {
		s.synced = now
		err = s.last.Sync()
	}
	return len(s.files) - 1, at, err
}

// ready opens the file to append to: the newest, cut off behind its last whole record, or a new one.
func (s *Files) ready() error {
	next := len(s.files) == 0 || s.end >= s.limit || s.closed
	if s.last != nil && !next {
		return nil
	}
	if err := s.Sync(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.dir), 0o755); err != nil {
		return err
	}
	if err := atomicfile.MkdirBelow(filepath.Dir(s.dir), filepath.Base(s.dir)); err != nil {
		return err
	}
	if !next {
		f, err := s.write(filepath.Base(s.files[len(s.files)-1].Name()))
		if err != nil {
			return err
		}
		s.last, s.synced = f, time.Now()
		return f.Truncate(s.end)
	}
	number := 0
	for _, f := range s.files {
		var one int
		if _, err := fmt.Sscanf(filepath.Base(f.Name()), s.name, &one); err == nil {
			number = max(number, one)
		}
	}
	f, err := s.write(fmt.Sprintf(s.name, number+1))
	if err != nil {
		return err
	}
	s.last, s.synced = f, time.Now()
	if _, _, err := s.Open(f.Name()); err != nil {
		return err
	}
	s.End(0, true)
	return atomicfile.SyncDir(s.dir)
}

// write opens a file for writing, wherever no link leads.
func (s *Files) write(name string) (*os.File, error) {
	return atomicfile.OpenBelow(filepath.Dir(s.dir), filepath.Join(filepath.Base(s.dir), name))
}

// Sync makes what was appended last; the next record opens the file again.
func (s *Files) Sync() error {
	if s.last == nil {
		return nil
	}
	f := s.last
	s.last = nil
	return errors.Join(f.Sync(), f.Close())
}

// Close is Sync, and closes all files.
func (s *Files) Close() error {
	for _, f := range s.files {
		f.Close()
	}
	return s.Sync()
}
