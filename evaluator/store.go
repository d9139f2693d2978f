package evaluator

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"lawa-replay/internal/atomicfile"
)

// Store keeps evaluations in a folder, one small file per key, so that a sweep can be interrupted,
// extended, and shared.
type Store struct{ dir string }

// OpenStore makes the folder if it must.
func OpenStore(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return &Store{dir}, nil
}

func (s *Store) path(key string) string { return filepath.Join(s.dir, key[:2], key+".json") }

// Get returns the evaluation with the given key, if the store has it.
func (s *Store) Get(key string) (Evaluation, bool, error) {
	var e Evaluation
	path := s.path(key)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return e, false, nil
	}
	if err == nil && info.Size() > 1<<24 {
		err = fmt.Errorf("%d bytes: no evaluation is that large", info.Size())
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(path)
	}
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	if err == nil {
		err = e.check(key)
	}
	if err != nil {
		return e, false, fmt.Errorf("%s: %w (remove the file to evaluate it again)", path, err)
	}
	return e, true, nil
}

// Put keeps an evaluation.
func (s *Store) Put(e Evaluation) error {
	path := s.path(e.Inputs.Key())
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, append(text, '\n'))
}
