package evaluator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"lawa-replay/internal/atomicfile"
	"lawa-replay/internal/input"
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
	text, err := input.ReadFile(path, 1<<24)
	if errors.Is(err, os.ErrNotExist) {
		return e, false, nil
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
	text, err := json.MarshalIndent(e, "", " ")
	if err != nil {
		return err
	}
	name, err := filepath.Rel(s.dir, path)
	if err != nil {
		return err
	}
	return atomicfile.WriteBelow(s.dir, name, func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	}, func() error { return nil })
}
