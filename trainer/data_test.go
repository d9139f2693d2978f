package trainer

import (
	"context"
	"encoding/binary"
	"path/filepath"
	"slices"
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

// A loss that is a mean over tokens weighs the parts of a batch by their tokens: padding in one of them changes nothing.
func TestPartsOfTokens(t *testing.T) {
	ends := func(parts int) []float32 {
		r := words(t, 8, "tokens", dataset.AttentionMask)
		data := r.Data
		mask := dataset.Array{Field: dataset.Field{Name: dataset.AttentionMask, DType: checkpoint.I64, Shape: []int64{3}}}
		ids := dataset.Array{Field: dataset.Field{Name: "tokens", DType: checkpoint.I64, Shape: []int64{3}}}
		for i := range data.Len() {
			for j := range 3 {
				here := uint64(1)
				if i%2 == 1 && j > 0 || i%4 == 2 && j > 1 { // of some examples nothing is left
					here = 0
				}
				mask.Data = binary.LittleEndian.AppendUint64(mask.Data, here)
				ids.Data = binary.LittleEndian.AppendUint64(ids.Data, uint64(i*i+3*j)%5)
			}
		}
		var err error
		if r.Data, err = dataset.NewTensors("train", 8, ids, mask); err != nil {
			t.Fatal(err)
		}
		r.BatchSize, r.Accumulate = 8, parts
		run, err := runRecipe(t, r)
		if err != nil {
			t.Fatal(err)
		}
		w, err := run.Map(len(run.Checkpoints)-1, true)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		return append(decode(w.Data), float32(run.Checkpoints[0].Metrics["train/loss"]))
	}
	whole := ends(1)
	for _, parts := range []int{3, 8} {
		for i, v := range ends(parts) {
			if d := float64(v - whole[i]); d > 1e-6 || d < -1e-6 {
				t.Errorf("%d parts: value %d is %v, of the whole batch %v", parts, i, v, whole[i])
			}
		}
	}
}

// What a network drops in training follows from the seed and the step: a run that goes on ends with the same bits. Its tokens are counted.
func TestDropoutResumes(t *testing.T) {
	make := func() Recipe {
		r := words(t, 12, dataset.Inputs)
		var err error
		if r.Network, err = model.New("gpt2:layers=1,hidden=8,heads=2,vocab=5,positions=3,dropout=0.3,attention-dropout=0.2"); err != nil {
			t.Fatal(err)
		}
		r.Rates.Epochs = 4
		return r
	}
	whole, err := follow(t, filepath.Join(t.TempDir(), "whole"), make())
	if err != nil {
		t.Fatal(err)
	}
	torn, err := follow(t, filepath.Join(t.TempDir(), "torn"), make(), 4, 8)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := digests(whole), digests(torn); len(a) != 4 || !slices.Equal(a, b) {
		t.Errorf("weights differ:\n%v\n%v", a, b)
	}
	still := make()
	if still.Network, err = model.New("gpt2:layers=1,hidden=8,heads=2,vocab=5,positions=3,dropout=0,attention-dropout=0"); err != nil {
		t.Fatal(err)
	}
	plain, err := follow(t, filepath.Join(t.TempDir(), "plain"), still)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(digests(plain), digests(whole)) {
		t.Error("nothing was dropped")
	}
	if n := whole.Checkpoints[1].Tokens; n == nil || *n != 2*12*3 {
		t.Errorf("%v tokens after two epochs, expected 72", n)
	}
}
