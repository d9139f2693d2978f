package examples

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/internal/segments"
)

// Store keeps sets in the files examples-NNNNNN.bin of a folder, by the keys of their evaluations. One process at a time may add to
// it; whoever else holds the folder's lock sees to that. Goroutines may share it.
//
// Records are appended as package segments has it; behind a damaged line nothing more of a file is read.
type Store struct {
	note func(hint.Note)

	mu      sync.Mutex
	index   map[Key]place
	files   *segments.Files
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
	return open(note, segments.New(dir, fileName, fileLimit, input.Any), dir)
}

// Read opens the stores of some folders for reading, whatever other processes are adding to them. A folder that is not there is
// empty.
func Read(note func(hint.Note), dirs ...string) (*Store, error) {
	return open(note, segments.New("", fileName, fileLimit, input.Any), dirs...)
}

func open(note func(hint.Note), files *segments.Files, dirs ...string) (*Store, error) {
	s := &Store{files: files, index: map[Key]place{}, note: note}
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
	f, size, err := s.files.Open(path)
	if err != nil {
		return err
	}
	at, whole := int64(0), true
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
			whole = false
			break
		}
		begin := at + int64(len(line))
		if begin+h.Bytes+1 > size {
			break
		}
		s.index[key] = place{s.files.Len() - 1, begin, h}
		at = begin + h.Bytes + 1
	}
	s.files.End(at, whole)
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
	var f *os.File
	if ok {
		f = s.files.File(p.file)
	}
	s.mu.Unlock()
	if !ok {
		return nil, false, nil
	}
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
		return fmt.Errorf("keeping what the examples gave: %w", err)
	}
	return nil
}

func (s *Store) add(key Key, record []byte) error {
	line := bytes.IndexByte(record, '\n')
	_, h, err := openHead(record[:line])
	if err != nil {
		return err
	}
	file, at, err := s.files.Append(record)
	if err == nil {
		s.index[key] = place{file, at + int64(line) + 1, h}
	}
	return err
}

// Sync makes what was put last.
func (s *Store) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files.Sync()
}

// Close is Sync, and the end of the store's use.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.encoder.z != nil {
		s.encoder.z.Close()
	}
	return s.files.Close()
}
