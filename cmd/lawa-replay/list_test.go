//go:build !quick

package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/optim"
	"github.com/lawa-replay/lawa-replay/optim/schedule"
	"github.com/lawa-replay/lawa-replay/plots"
)

// canonical reads what the lists name, and says how the program writes it.
var canonical = map[string]func(text string) (string, error){
	"schemes": func(text string) (string, error) {
		s, err := averaging.Parse(text)
		if err != nil {
			return "", err
		}
		return s.Spec(), nil
	},
	"networks": func(text string) (string, error) {
		n, err := model.New(text, dataset.Field{Name: dataset.Inputs, Shape: []int64{3, 32, 32}}, dataset.Field{Name: dataset.Targets, Classes: 10})
		if err != nil {
			return "", err
		}
		return n.Spec(), nil
	},
	"optimizers": func(text string) (string, error) {
		o, err := optim.Parse(text)
		if err != nil {
			return "", err
		}
		return o.Spec(), nil
	},
	"schedules": func(text string) (string, error) {
		s, err := schedule.Parse(text)
		if err != nil {
			return "", err
		}
		return s.Spec(), nil
	},
	"data": func(text string) (string, error) {
		s, err := dataset.Parse(text)
		return s.Spec, err
	},
	"tasks": func(text string) (string, error) {
		t, err := task.Parse(text)
		if err != nil {
			return "", err
		}
		return t.Spec(), nil
	},
	"policies": func(text string) (string, error) {
		p, err := bn.ParsePolicy(text)
		return p.String(), err
	},
	"figures": func(text string) (string, error) { return text, nil }, // plots has a test of its own
	"formats": func(text string) (string, error) { return text, nil }, // names of files
}

// Every example is read, and what the program writes for it is read as the same.
func TestExamplesRoundTrip(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("mine.csv", []byte("age,weight\n0,1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, l := range listings() {
		read := canonical[l.name]
		if read == nil {
			t.Errorf("%s: no reader in this test", l.name)
			continue
		}
		for _, k := range l.kinds {
			for _, text := range k.Examples {
				once, err := read(text)
				if errors.Is(err, fs.ErrNotExist) {
					continue // a file of one's own
				}
				if err != nil {
					t.Errorf("%s: %v", l.name, err)
					continue
				}
				if again, err := read(once); err != nil || again != once {
					t.Errorf("%s: %s is written %s, which is read as %s, %v", l.name, text, once, again, err)
				}
			}
		}
	}
}

// Every kind says which options it takes.
func TestKindsSayWhatTheyTake(t *testing.T) {
	check(t, averaging.Kinds())
	check(t, model.Kinds())
	check(t, dataset.Kinds())
	check(t, optim.Kinds())
	check(t, schedule.Kinds())
	check(t, task.Kinds())
	check(t, bn.Kinds())
	check(t, plots.Kinds())
}

func check[T any](t *testing.T, kinds []spec.Kind[T]) {
	t.Helper()
	for _, k := range kinds {
		if err := k.Check(); err != nil {
			t.Error(err)
		}
	}
}

// docs/reference.md is what make docs writes.
func TestReference(t *testing.T) {
	have, err := os.ReadFile("../../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := printReference(&want); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want.Bytes()) {
		t.Error("docs/reference.md is not what the lists say: make docs")
	}
}
