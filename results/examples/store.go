package examples

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Store keeps sets in the files examples-NNNNNN.bin of a folder, by the keys of their evaluations. One process at a time may add to
// it; whoever else holds the folder's lock sees to that. Goroutines may share it.
//
// A record reaches the system at once, and the disk within a second. The rest of a torn record is cut off when the next is added;
// behind a damaged line nothing more of a file is read.
type Store struct {
	dir  string // "" where nothing can be added
	note func(hint.Note)

	mu      sync.Mutex
	index   map[Key]place
	files   []*os.File // for reading
	last    *os.File   // the newest, for writing; nil until something is added
	end     int64      // of its whole records
	whole   bool       // nothing of the newest file is damaged
	synced  time.Time
	encoder encoder
}

// place is where a record's frame lies.
type place struct {
	file int
	at   int64
	head head
}

const (
	fileName    = "examples-%06d.bin"
	filePattern = "examples-*.bin"
	fileLimit   = 1 << 30 // bytes; a file that has grown to this is followed by another
)

// Open opens the store of a folder, which is made when something is added. note, which may be nil, is told of what is damaged.
func Open(dir string, note func(hint.Note)) (*Store, error) {
	s, err := Read(note, dir)
	if err != nil {
		return nil, err
	}
	s.dir = dir
	return s, nil
}

// Read opens the stores of some folders for reading, whatever other processes are adding to them. A folder that is not there is
// empty.
func Read(note func(hint.Note), dirs ...string) (*Store, error) {
	s := &Store{index: map[Key]place{}, whole: true, note: note}
	if note == nil {
		s.note = func(hint.Note) {}
	}
	for _, dir := range dirs {
		paths, err := input.List(dir, filePattern)
		for _, path := range paths {
			if err == nil {
				err = s.read(path)
			}
		}
		if err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// read takes a file's records into the index.
func (s *Store) read(path string) error {
	f, size, err := input.Open(path, input.Any)
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	at := int64(0)
	s.whole = true
	for at < size {
		b := bufio.NewReaderSize(io.NewSectionReader(f, at, size-at), 1<<12)
		line, err := input.ReadLine(b, maxLine)
		if err == io.EOF {
			break // torn, or what another process is writing
		}
		var key Key
		var h head
		if err == nil {
			key, h, err = openHead(line[:len(line)-1])
		}
		if err != nil {
			s.note(hint.Note{Text: fmt.Sprintf("%s: damaged at byte %d (%v): what the examples gave in the evaluations behind it is not known", path, at, err)})
			s.whole = false
			break
		}
		begin := at + int64(len(line))
		if begin+h.Bytes+1 > size {
			break
		}
		s.index[key] = place{len(s.files) - 1, begin, h}
		at = begin + h.Bytes + 1
	}
	s.end = at
	return nil
}

// Has says whether the store has the set of a key, as far as its line tells.
func (s *Store) Has(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.index[ParseKey(key)]
	return ok
}

// Get returns the set of a key, if the store has it.
func (s *Store) Get(key string) (Set, bool, error) {
	s.mu.Lock()
	p, ok := s.index[ParseKey(key)]
	s.mu.Unlock()
	if !ok {
		return nil, false, nil
	}
	f := s.files[p.file]
	frame := make([]byte, p.head.Bytes)
	_, err := f.ReadAt(frame, p.at)
	var set Set
	if err == nil {
		set, err = p.head.open(frame)
	}
	if err != nil {
		return nil, false, fmt.Errorf("%s: the examples of evaluation %.12s…, at byte %d: %w", f.Name(), key, p.at, err)
	}
	return set, true, nil
}

// Put keeps the set of a key, in place of one that is there.
func (s *Store) Put(key string, set Set) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	record, err := s.encoder.record(ParseKey(key), set)
	if err == nil {
		err = s.add(ParseKey(key), record)
	}
	if err != nil {
		return fmt.Errorf("keeping what the examples gave in %s: %w", s.dir, err)
	}
	return nil
}

func (s *Store) add(key Key, record []byte) error {
	if s.dir == "" {
		return errors.New("it was opened for reading")
	}
	if err := s.ready(); err != nil {
		return err
	}
	line := 0
	for record[line] != '\n' {
		line++
	}
	_, h, err := openHead(record[:line])
	if err != nil {
		return err
	}
	if _, err := s.last.WriteAt(record, s.end); err != nil {
		_ = s.last.Truncate(s.end) // a full disk may have taken half a record
		return err
	}
	s.index[key] = place{len(s.files) - 1, s.end + int64(line) + 1, h}
	s.end += int64(len(record))
	if now := time.Now(); now.Sub(s.synced) > time.Second {
		s.synced = now
		return s.last.Sync()
	}
	return nil
}

// ready opens the file to add to: the newest, cut off behind its last whole record, or a new one.
func (s *Store) ready() error {
	next := len(s.files) == 0 || s.end >= fileLimit || !s.whole
	if s.last != nil && !next {
		return nil
	}
	if err := s.finish(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.dir), 0o755); err != nil {
		return err
	}
	if err := atomicfile.MkdirBelow(filepath.Dir(s.dir), filepath.Base(s.dir)); err != nil {
		return err
	}
	open := func(name string) (*os.File, error) {
		return atomicfile.OpenBelow(filepath.Dir(s.dir), filepath.Join(filepath.Base(s.dir), name))
	}
	if !next {
		f, err := open(filepath.Base(s.files[len(s.files)-1].Name()))
		if err != nil {
			return err
		}
		s.last, s.synced = f, time.Now()
		return f.Truncate(s.end)
	}
	number := 0
	for _, f := range s.files {
		var one int
		if _, err := fmt.Sscanf(filepath.Base(f.Name()), fileName, &one); err == nil {
			number = max(number, one)
		}
	}
	f, err := open(fmt.Sprintf(fileName, number+1))
	if err != nil {
		return err
	}
	s.last, s.synced, s.end, s.whole = f, time.Now(), 0, true
	r, _, err := input.Open(f.Name(), input.Any)
	if err != nil {
		return err
	}
	s.files = append(s.files, r)
	return atomicfile.SyncDir(s.dir)
}

// Sync makes what was put last.
func (s *Store) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.finish()
}

// Close is Sync, and the end of the store's use.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		f.Close()
	}
	if s.encoder.z != nil {
		s.encoder.z.Close()
	}
	return s.finish()
}

// finish makes what was added last; the next record opens the file again.
func (s *Store) finish() error {
	if s.last == nil {
		return nil
	}
	f := s.last
	s.last = nil
	return errors.Join(f.Sync(), f.Close())
}
