package trainer

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/optim"
	"github.com/lawa-replay/lawa-replay/optim/schedule"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// words is a language model on n sequences of three tokens, with a second field before or behind them.
func words(t *testing.T, n int, fields ...string) Recipe {
	t.Helper()
	var arrays []dataset.Array
	for _, name := range fields {
		a := dataset.Array{Field: dataset.Field{Name: name, DType: checkpoint.I64, Shape: []int64{3}}}
		for i := range 3 * n {
			token := uint64(i*i) % 5
			if name == "mask" {
				token = 1
			}
			a.Data = binary.LittleEndian.AppendUint64(a.Data, token)
		}
		arrays = append(arrays, a)
	}
	split, err := dataset.NewTensors("train", n, arrays...)
	if err != nil {
		t.Fatal(err)
	}
	net := model.NewTree("words", model.Sequential{{Name: "embed", Layer: model.Embedding{Rows: 5, Width: 4}}, {Name: "head", Layer: model.Linear{In: 4, Out: 5}}},
		dataset.Field{Name: "tokens", DType: checkpoint.I64})
	return Recipe{Network: net, Data: split, Task: task.LanguageModel{}, Optimizer: optim.SGD{Momentum: 0.9}, Rates: schedule.Rates{Peak: 0.1, Epochs: 1, Schedule: schedule.Constant{}},
		BatchSize: 4, Seed: 1, Device: model.CPU, Threads: 1}
}

func runRecipe(t *testing.T, r Recipe) (*trajectory.Trajectory, error) {
	t.Helper()
	rec, err := trajectory.Create(filepath.Join(t.TempDir(), "run"), formats.Files{}, trajectory.Meta{Run: "t"})
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	return rec.Trajectory, Run(context.Background(), r, rec, Hooks{})
}

// A language model learns the tokens that the network takes, wherever they stand among a split's fields.
func TestOrderOfFields(t *testing.T) {
	var digest string
	for _, fields := range [][]string{{"tokens"}, {"tokens", "mask"}, {"mask", "tokens"}} {
		run, err := runRecipe(t, words(t, 8, fields...))
		if err != nil {
			t.Fatal(err)
		}
		d := digests(run)[0]
		if digest == "" {
			digest = d
		}
		if d != digest {
			t.Errorf("fields %v: other weights", fields)
		}
	}
}

// Without data, or a size of batches, nothing is trained, which is said.
func TestNothingToTrainOn(t *testing.T) {
	if run, err := runRecipe(t, words(t, 0, "tokens")); err == nil || !strings.Contains(err.Error(), "split train: it holds no examples") {
		t.Errorf("no examples: %v, %d checkpoints", err, len(run.Checkpoints))
	}
	r := words(t, 8, "tokens")
	r.BatchSize = 0
	if _, err := runRecipe(t, r); err == nil || !strings.Contains(err.Error(), "batch size 0") {
		t.Errorf("no batch size: %v", err)
	}
}
