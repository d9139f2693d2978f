package trainer

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/optim"
	"github.com/lawa-replay/lawa-replay/optim/schedule"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// line is a recipe that takes no time: y = 2x, by one weight and a bias.
func line(t *testing.T, o optim.Optimizer) Recipe {
	t.Helper()
	const n = 40
	x, y := make([]byte, 0, 4*n), make([]byte, 0, 4*n)
	for i := range n {
		v := float32(i)/n - 0.5
		x = binary.LittleEndian.AppendUint32(x, math.Float32bits(v))
		y = binary.LittleEndian.AppendUint32(y, math.Float32bits(2*v))
	}
	one := func(name string) dataset.Field {
		return dataset.Field{Name: name, DType: checkpoint.F32, Shape: []int64{1}}
	}
	data, err := dataset.NewTensors("train", n, dataset.Array{Field: one(dataset.Inputs), Data: x}, dataset.Array{Field: one(dataset.Targets), Data: y})
	if err != nil {
		t.Fatal(err)
	}
	return Recipe{Network: model.NewTree("line", model.Linear{In: 1, Out: 1}, one(dataset.Inputs)), Data: data, Task: task.Regression{}, Optimizer: o,
		Rates: schedule.Rates{Peak: 0.05, Epochs: 4, Schedule: schedule.Constant{}}, BatchSize: 10, Seed: 2, Device: torch.CPU, Threads: 1}
}

// follow trains a recipe into dir, breaking off at the given steps and going on.
func follow(t *testing.T, dir string, r Recipe, stops ...int64) (*trajectory.Trajectory, error) {
	t.Helper()
	rec, err := trajectory.Append(dir, formats.Files{})
	if err != nil {
		rec, err = trajectory.Create(dir, formats.Files{}, trajectory.Meta{Run: "line"})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	for _, stop := range stops {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		hooks := Hooks{Step: func(step, _ int64) {
			if step == stop {
				cancel()
			}
		}}
		if err := Run(ctx, r, rec, hooks); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped at step %d: %v", stop, err)
		}
	}
	return rec.Trajectory, Run(context.Background(), r, rec, Hooks{})
}

// Whatever an optimizer remembers is in its slots.
func TestEveryOptimizerResumes(t *testing.T) {
	for _, k := range optim.Kinds() {
		for i, text := range k.Examples {
			o, err := optim.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			whole, err := follow(t, filepath.Join(t.TempDir(), "whole"), line(t, o))
			if err != nil {
				t.Fatal(err)
			}
			torn, err := follow(t, filepath.Join(t.TempDir(), "torn"), line(t, o), 3, 5, 14)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := digests(whole), digests(torn); len(a) != 4 || !slices.Equal(a, b) {
				t.Errorf("example %d, %s: weights differ:\n%v\n%v", i+1, text, a, b)
			}
		}
	}
}

// A batch in parts has the gradients of the whole, but for rounding: these networks have no batch norm.
func TestPartsAddUp(t *testing.T) {
	ends := func(parts int, clip float64) []float32 {
		r := line(t, optim.SGD{Momentum: 0.9})
		r.Accumulate, r.ClipNorm, r.BatchSize = parts, clip, 16 // the last batch of an epoch has 8
		run, err := follow(t, filepath.Join(t.TempDir(), "run"), r)
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
	whole := ends(0, 0)
	for _, parts := range []int{1, 3, 16} {
		for i, v := range ends(parts, 0) {
			if d := math.Abs(float64(v - whole[i])); d > 1e-6 {
				t.Errorf("%d parts: value %d is %v, of the whole %v", parts, i, v, whole[i])
			}
		}
	}
	// The norm is that of all parts together.
	for i, v := range ends(3, 0.05) {
		if d := math.Abs(float64(v - ends(0, 0.05)[i])); d > 1e-6 || i == 0 && v == whole[0] {
			t.Errorf("clipped: value %d is off by %v", i, d)
		}
	}
}

// Every seed blends otherwise.
func TestMixup(t *testing.T) {
	r := line(t, optim.SGD{})
	r.Mixup = 1
	one, err := follow(t, filepath.Join(t.TempDir(), "one"), r)
	if err != nil {
		t.Fatal(err)
	}
	plain := r
	plain.Mixup = 0
	other, err := follow(t, filepath.Join(t.TempDir(), "other"), plain)
	if err != nil || slices.Equal(digests(one), digests(other)) {
		t.Errorf("nothing was blended: %v, %v", digests(one), err)
	}
	words := words(t, 8, "tokens")
	words.Mixup = 0.2
	if _, err := runRecipe(t, words); err == nil || !strings.Contains(err.Error(), "mixup: tokens are I64, which cannot be blended") {
		t.Errorf("blended tokens: %v", err)
	}
}

func TestStateOfAnotherOptimizerIsAnError(t *testing.T) {
	for _, c := range []struct {
		by, with optim.Optimizer
		want     string
	}{
		{optim.SGD{}, optim.Adam{Beta1: 0.9, Beta2: 0.99, Eps: 1e-8}, "no tensor exp_avg, which adam:"},
		{optim.Lookahead{Fast: optim.SGD{}, K: 2, Alpha: 0.5}, optim.SGD{}, "tensor slow, which sgd:"},
	} {
		dir := filepath.Join(t.TempDir(), "run")
		if _, err := follow(t, dir, line(t, c.by)); err != nil {
			t.Fatal(err)
		}
		if _, err := follow(t, dir, line(t, c.with)); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "000004.safetensors") {
			t.Errorf("%s after %s: %v", c.with.Spec(), c.by.Spec(), err)
		}
	}
	// A slot of another size is another network's.
	dir := filepath.Join(t.TempDir(), "run")
	run, err := follow(t, dir, line(t, optim.SGD{}))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := trajectory.Append(dir, formats.Files{})
	if err != nil {
		t.Fatal(err)
	}
	last := run.Checkpoints[len(run.Checkpoints)-1].Index
	if err := rec.WriteState(last, checkpoint.Arrange([]checkpoint.Tensor{{Name: "momentum", DType: checkpoint.F32, Shape: []int64{3}}}), make([]byte, 12)); err != nil {
		t.Fatal(err)
	}
	rec.Close()
	if _, err := follow(t, dir, line(t, optim.SGD{})); err == nil || !strings.Contains(err.Error(), "tensor momentum is F32[3], expected F32[2]") {
		t.Errorf("error %v", err)
	}
}

// What a run records of its training does not depend on how SGD was said, and names other optimizers alone.
func TestTrainingIsRecordedAlike(t *testing.T) {
	said := config
	if err := said.SetOptimizer("sgd:momentum=0.9,weight-decay=5e-4"); err != nil || said != config {
		t.Errorf("%+v, %v", said, err)
	}
	text := func(c Config) string {
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var again Config
		if err := json.Unmarshal(b, &again); err != nil || again != c {
			t.Errorf("%s read again is %+v, %v", b, again, err)
		}
		return string(b)
	}
	want := `{"epochs":3,"batch_size":64,"seed":5,"lr":0.1,"momentum":0.9,"nesterov":false,"weight_decay":0.0005,"schedule":"cosine","warmup":0,"label_smoothing":0,"checkpoint_every":0}`
	if got := text(config); got != want {
		t.Errorf("recorded %s", got)
	}
	if err := said.SetOptimizer("adamw:weight-decay=0.1"); err != nil {
		t.Fatal(err)
	}
	if got := text(said); strings.Contains(got, "momentum") || strings.Contains(got, "weight_decay") || !strings.Contains(got, `"optimizer":"adamw:beta1=0.9,beta2=0.999,eps=1e-08,weight-decay=0.1"`) {
		t.Errorf("recorded %s", got)
	}
	for _, text := range []string{"sdg", "sgd:momentum=2", "adam:momentum=0.9"} {
		if err := said.SetOptimizer(text); err == nil {
			t.Errorf("%s: %+v", text, said)
		}
	}
}
