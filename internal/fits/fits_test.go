// Package fits holds the test that the rooms can be added to: a network, a layer, a data set, an optimizer and a task that
// none of them knows are trained, recorded, swept and drawn. It imports what another module can, and nothing else: internal/rooms
// looks to that. (A backend of one's own is in internal/rooms, in a module of its own.)
package fits

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/evaluator"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/optim"
	"github.com/lawa-replay/lawa-replay/optim/schedule"
	"github.com/lawa-replay/lawa-replay/plots"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trainer"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// disc is a split of points in the plane, whose height is 1 inside the unit circle and 0 outside.
type disc struct {
	name string
	n    int
	seed uint64
}

var fields = []dataset.Field{{Name: "point", DType: checkpoint.F32, Shape: []int64{2}}, {Name: "height", DType: checkpoint.F32, Shape: []int64{1}}}

func (d disc) Name() string            { return d.name }
func (d disc) Len() int                { return d.n }
func (d disc) Fields() []dataset.Field { return fields }
func (d disc) Digest() (string, error) { return dataset.Digest(d) }

func (d disc) Read(b *dataset.Batch, indices []int, draw *rand.Rand) error {
	b.Reset(len(indices), fields...)
	put := func(a dataset.Array, i int, v float64) {
		binary.LittleEndian.PutUint32(a.Data[4*i:], math.Float32bits(float32(v)))
	}
	for j, i := range indices {
		r := rand.New(rand.NewPCG(d.seed, uint64(i)))
		x, y := 4*r.Float64()-2, 4*r.Float64()-2
		if draw != nil && draw.IntN(2) == 1 {
			x = -x
		}
		put(b.Arrays[0], 2*j, x)
		put(b.Arrays[0], 2*j+1, y)
		if put(b.Arrays[1], j, 0); x*x+y*y < 1 {
			put(b.Arrays[1], j, 1)
		}
	}
	return nil
}

// sharpened is a layer of one's own: a weighted sum with itself.
type sharpened struct{ of model.Layer }

func (l sharpened) Bind(b *model.Binder) model.Forward {
	part, weight := b.Part("inner", l.of), b.Parameter("weight", model.Uniform, 1, 1)
	return func(p model.Pass, x ...*model.Tensor) *model.Tensor {
		y := part.Forward(p, x...)
		return p.Add(y, p.Linear(y, weight, nil))
	}
}

func network() model.Network {
	return model.NewTree("toy", model.Sequential{
		{Name: "hidden", Layer: model.Linear{In: 2, Out: 16}},
		{Name: "norm", Layer: model.BatchNorm{Channels: 16}},
		{Layer: model.ReLU{}},
		{Name: "out", Layer: sharpened{model.Linear{In: 16, Out: 1}}},
	}, fields[0])
}

// average steps along a running mean of the gradients.
type average struct{}

func (average) Spec() string    { return "average" }
func (average) Slots() []string { return []string{"mean"} }
func (average) Step(v optim.Values, _ int64, lr float64) error {
	if err := v.Slots[0].Lerp(v.Gradients, 0.2); err != nil {
		return err
	}
	if err := v.Weights.AddScaled(v.Slots[0], -lr); err != nil {
		return err
	}
	return v.Gradients.Zero()
}

// heights is a task: outputs beyond one half are inside.
type heights struct{}

func (heights) Spec() string { return "heights" }
func (heights) Name() string { return "heights" }
func (heights) Metrics() []metric.Metric {
	return []metric.Metric{{Name: "right", HigherBetter: true, Label: "right", Unit: "%"}}
}
func (heights) Batch() int { return 64 }
func (heights) Needs([]dataset.Field, []string) ([]string, error) {
	return []string{"height"}, nil
}
func (heights) Scores(n int) task.Scores { return &right{make([]float64, n)} }
func (heights) Loss(s *task.Scope, outputs *task.Tensor, b *device.Batch) *task.Tensor {
	return s.SquareLoss(outputs, b.Tensor("height"))
}

type right struct{ of []float64 }

func (r *right) Add(from int, outputs *task.Tensor, b *device.Batch) error {
	out, err := outputs.Values()
	if err != nil {
		return err
	}
	want, err := b.Tensor("height").Values()
	if err != nil {
		return err
	}
	for i := range out {
		if (out[i] > 0.5) == (want[i] > 0.5) {
			r.of[from+i] = 100
		}
	}
	return nil
}

func (r *right) Values() []task.Value {
	sum := 0.0
	for _, v := range r.of {
		sum += v
	}
	n := float64(len(r.of))
	return []task.Value{{Metric: "right", Value: sum / n, StdErr: math.Sqrt(sum / n * (100 - sum/n) / n), N: int64(n)}}
}

func TestWhatNobodyKnowsFits(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	set := &dataset.Set{Spec: "disc", Train: disc{"train", 600, 1}, Val: disc{"val", 300, 2}}
	run := train(ctx, t, filepath.Join(dir, "run"), set)
	if n := len(run.Checkpoints); n != 8 {
		t.Fatalf("%d checkpoints", n)
	}
	engine := evaluator.NewEngine(network(), model.CPU, 1, 1)
	engine.Set, engine.Task, engine.BNSplit, engine.BNBatch = set, heights{}, set.Train, 30
	schemes, err := averaging.ParseAll([]string{"lawa:k=1..3"})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := sweep.NewPlan(ctx, sweep.Spec{Trajectories: []*trajectory.Trajectory{run}, Endpoints: [][]int{{3, 5, 7}}, Schemes: schemes,
		Policies: []bn.Policy{{Kind: bn.Copy}, {Kind: bn.Recompute}}, Splits: []string{"val"}}, engine)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := sweep.OpenFolder(filepath.Join(dir, "sweep"), func(n sweep.Note) { t.Error(n.Text) })
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	sum, err := sweep.Run(ctx, plan, engine, folder.Store, sweep.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// The baselines are in the training log.
	if sum.Recorded != 3 || sum.Evaluated != sum.Evaluations-3 {
		t.Errorf("%+v", sum)
	}
	table, err := sweep.Table(plan, engine.Provenance(), folder.Store)
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(table.Rows, func(r results.Row) bool { return r.Metric != "right" || r.Value < 60 }); i >= 0 || len(table.Rows) == 0 {
		t.Errorf("row %d of %+v", i, table.Rows)
	}
	figure := filepath.Join(dir, "k.svg")
	drawing, err := plots.New("k-sensitivity", table, plots.Options{Choice: analysis.Choice{Metric: "right"}})
	if err == nil {
		err = drawing.Save(figure)
	}
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(figure); err != nil || info.Size() == 0 {
		t.Error(err)
	}
}

// train trains two epochs, breaking off in the second and going on.
func train(ctx context.Context, t *testing.T, dir string, set *dataset.Set) *trajectory.Trajectory {
	recipe := trainer.Recipe{Network: network(), Data: set.Train, Task: heights{}, Optimizer: average{},
		Rates: schedule.Rates{Peak: 0.3, Epochs: 2, Schedule: schedule.Cosine{}}, BatchSize: 30, Seed: 1, CheckpointEvery: 5, Device: model.CPU, Threads: 1}
	rec, err := trajectory.Create(dir, formats.Files{}, trajectory.Meta{Run: "toy", Model: recipe.Network.Spec(), Data: set.Spec, BatchSize: recipe.BatchSize})
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	engine := evaluator.NewEngine(recipe.Network, model.CPU, 1, 1)
	engine.Task = heights{}
	val, err := engine.Load(set.Val, device.NoLimit)
	if err != nil {
		t.Fatal(err)
	}
	defer val.Free()
	begun, cancel := context.WithCancel(ctx)
	hooks := trainer.Hooks{
		Step: func(step, _ int64) {
			if step == 23 {
				cancel()
			}
		},
		Checkpoint: func(c *trajectory.Checkpoint, values []float32) error { return engine.Record(ctx, c, values, val) },
	}
	if err := trainer.Run(begun, recipe, rec, hooks); err == nil {
		t.Fatal("not interrupted")
	}
	if err := trainer.Run(ctx, recipe, rec, hooks); err != nil {
		t.Fatal(err)
	}
	return rec.Trajectory
}
