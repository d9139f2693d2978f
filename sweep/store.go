package sweep

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/internal/segments"
	"github.com/lawa-replay/lawa-replay/results/examples"
)

// Store keeps evaluations in a folder, so that a sweep can be interrupted, extended, and shared: records appended to
// segments (see record), the coefficients of their averages (see KeepAverages), and what each example gave (Examples). One process at
// a time may use it.
//
// A kill loses nothing that Put returned from: see package segments.
type Store struct {
	dir   string
	note  func(Note) // told what was found but cannot be used
	alone bool       // no other process adds to it; else it is only read

	// Examples holds what each example gave in the evaluations, of those of which it is known.
	Examples *examples.Store

	mu       sync.Mutex
	index    map[storeKey]place
	segments *segments.Files
}

// storeKey is an evaluation's key.
type storeKey [32]byte

// place is where a record lies.
type place struct {
	segment int
	at      int64
	size    int // without the line end
}

const (
	segmentName    = "segment-%06d.jsonl"
	segmentPattern = "segment-*.jsonl"

	segmentLimit = 64 << 20         // bytes; a segment that has grown to this is followed by another
	maxSegment   = 4 * segmentLimit // nor is one read that is larger: its last record may be long
)

// numbered is the path of a new file, called by the number behind those that are there.
func numbered(dir, name string, there []string) string {
	n := 0
	for _, path := range there {
		var one int
		if _, err := fmt.Sscanf(filepath.Base(path), name, &one); err == nil {
			n = max(n, one)
		}
	}
	return filepath.Join(dir, fmt.Sprintf(name, n+1))
}

// OpenStore makes the folder if it must, and finds the records in it. note, which may be nil, is told of damaged records and
// of evaluations of older versions.
func OpenStore(dir string, note func(Note)) (*Store, error) {
	s := &Store{dir: dir, note: orNobody(note), alone: true, index: map[storeKey]place{}, segments: segments.New(dir, segmentName, segmentLimit, maxSegment)}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, err
	}
	if err := atomicfile.MkdirBelow(filepath.Dir(dir), filepath.Base(dir)); err != nil {
		return nil, err
	}
	err := s.readAll()
	if err == nil {
		err = s.findOld()
	}
	if err == nil {
		s.Examples, err = examples.Open(dir, s.note)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// ReadStore opens a store to read what it has now, while another process may be adding to it. One that is not there is
// empty.
func ReadStore(dir string, note func(Note)) (*Store, error) {
	s := &Store{dir: dir, note: orNobody(note), index: map[storeKey]place{}, segments: segments.New("", segmentName, segmentLimit, maxSegment)}
	err := s.readAll()
	if err == nil {
		s.Examples, err = examples.Read(s.note, dir)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// orNobody is a note that may be told.
func orNobody(note func(Note)) func(Note) {
	if note == nil {
		return func(Note) {}
	}
	return note
}

// readAll takes the records of all segments into the index.
func (s *Store) readAll() error {
	paths, err := input.List(s.dir, segmentPattern)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := s.read(path); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// findOld counts evaluations as versions up to 0.1 kept them, in store/ab/abcd….json.
func (s *Store) findOld() error {
	const folders = "[0-9a-f][0-9a-f]"
	dirs, err := input.List(s.dir, folders)
	if err != nil {
		return err
	}
	old := 0
	for _, dir := range dirs {
		files, err := input.List(dir, "*.json")
		if err != nil {
			return err
		}
		old += len(files)
	}
	if old > 0 {
		s.note(Note{Text: fmt.Sprintf("%s holds %d evaluations of an older version. Which libtorch and which kind of GPU made them was not recorded, so they are not used (to remove them: rm -r %s)",
			s.dir, old, filepath.Join(s.dir, folders))})
	}
	return nil
}

// read takes a segment's records into the index.
func (s *Store) read(path string) error {
	f, _, err := s.segments.Open(path)
	if err != nil {
		return err
	}
	n := s.segments.Len() - 1
	damaged, first := 0, int64(0)
	end, torn, err := scanRecords(f, func(at int64, line []byte) {
		key, _, err := openRecord(line)
		if err != nil {
			if damaged++; damaged == 1 {
				first = at
			}
			return
		}
		s.index[key] = place{n, at, len(line)}
	})
	if err != nil {
		return err
	}
	if damaged > 0 {
		s.note(Note{Text: fmt.Sprintf("%s: %d damaged records, the first at byte %d, are passed over: what they held is evaluated again", path, damaged, first)})
	}
	if torn > 0 && s.alone { // else it may be what another process is writing
		s.note(Note{Text: fmt.Sprintf("%s: the last record is torn (%d bytes without a line end) and is passed over", path, torn)})
	}
	s.segments.End(end, true)
	return nil
}

// Has says whether the store has the evaluation with the given key.
func (s *Store) Has(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.index[parseKey(key)]
	return ok
}

// Get returns the values of the evaluation with the given key, if the store has it.
func (s *Store) Get(key string) ([]Value, bool, error) {
	k, ok, err := s.get(key)
	return k.Values, ok, err
}

func (s *Store) get(key string) (kept, bool, error) {
	s.mu.Lock()
	p, ok := s.index[parseKey(key)]
	var f *os.File
	if ok {
		f = s.segments.File(p.segment)
	}
	s.mu.Unlock()
	if !ok {
		return kept{}, false, nil
	}
	line := make([]byte, p.size)
	_, err := f.ReadAt(line, p.at)
	var k kept
	if err == nil {
		k, err = keptOf(line, key)
	}
	if err != nil {
		return kept{}, false, fmt.Errorf("%s: record at byte %d: %w", f.Name(), p.at, err)
	}
	return k, true, nil
}

// Put keeps an evaluation. One without values is an error: nobody could read it, and it would never be made again.
func (s *Store) Put(e Evaluation) error {
	if len(e.Values) == 0 {
		return errNoValues
	}
	key := e.Inputs.Key()
	line, err := newRecord(key, e)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.append(parseKey(key), line); err != nil {
		return fmt.Errorf("writing into %s: %w", s.dir, err)
	}
	return nil
}

func (s *Store) append(key storeKey, line []byte) error {
	segment, at, err := s.segments.Append(line)
	if err == nil {
		s.index[key] = place{segment, at, len(line) - 1}
	}
	return err
}

// Sync makes what was put last.
func (s *Store) Sync() error {
	err := s.Examples.Sync()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, s.segments.Sync())
}

// Close is Sync, and the end of the store's use.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.Examples != nil {
		err = s.Examples.Close()
	}
	return errors.Join(err, s.segments.Close())
}

// parseKey reads a key; a text that is none gives one that no evaluation has.
func parseKey(key string) (k storeKey) {
	if b, err := hex.DecodeString(key); err == nil && len(b) == len(k) {
		copy(k[:], b)
	}
	return k
}
