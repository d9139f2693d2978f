package evaluator

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trainer"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// trained is a small run that the tests of this file sweep.
type trained struct {
	t   *testing.T
	set *dataset.Set
	net model.Network
	run *trajectory.Trajectory
}

func small(t *testing.T) trained {
	t.Helper()
	set, err := dataset.Open("mnist:train=200,val=300", "")
	if err != nil {
		t.Fatal(err)
	}
	net, err := model.New("resnet8:width=4,stem-stride=2,in-channels=1,classes=10")
	if err != nil {
		t.Fatal(err)
	}
	recipe, err := trainer.Config{Epochs: 4, BatchSize: 50, Seed: 1, LR: 0.1, Momentum: 0.9, Schedule: "constant"}.Recipe()
	if err != nil {
		t.Fatal(err)
	}
	recipe.Network, recipe.Data, recipe.Device, recipe.Threads = net, set.Train, torch.CPU, 1
	rec, err := trajectory.Create(filepath.Join(t.TempDir(), "run"), formats.Files{}, trajectory.Meta{Run: "small", Seed: new(int64(1)), BatchSize: 50, Model: net.Spec()})
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	val, err := NewEngine(net, torch.CPU, 1, 1).Load(set.Val, device.NoLimit)
	if err != nil {
		t.Fatal(err)
	}
	defer val.Free()
	kept, err := examples.Open(filepath.Join(rec.Dir, trajectory.ExamplesDir), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	hooks := trainer.Hooks{Checkpoint: func(c *trajectory.Checkpoint, values []float32) error {
		e := NewEngine(net, torch.CPU, 0, 2)
		e.Examples = kept
		return e.Record(context.Background(), c, values, val)
	}}
	if err := trainer.Run(context.Background(), recipe, rec, hooks); err != nil {
		t.Fatal(err)
	}
	return trained{t, set, net, rec.Trajectory}
}

func (s trained) engine(workers int) *Engine {
	e := NewEngine(s.net, torch.CPU, workers, 2)
	e.Set, e.BNSplit, e.BNBatch = s.set, s.set.Train, 50
	return e
}

// sweep runs a sweep over all epochs into dir.
func (s trained) sweep(ctx context.Context, dir string, workers int, policies string, schemes ...string) (sweep.Summary, error) {
	s.t.Helper()
	sw := &Sweep{Dir: dir, Trajectories: []*trajectory.Trajectory{s.run}, Endpoints: [][]int{{0, 1, 2, 3}}, Splits: []string{"val"}}
	for _, text := range schemes {
		scheme, err := averaging.Parse(text)
		if err != nil {
			s.t.Fatal(err)
		}
		sw.Schemes = append(sw.Schemes, scheme)
	}
	for _, text := range strings.Fields(policies) {
		p, err := bn.ParsePolicy(text)
		if err != nil {
			s.t.Fatal(err)
		}
		sw.Policies = append(sw.Policies, p)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	return sw.Run(ctx, s.engine(workers))
}

func (s trained) table(dir string) (*results.Table, []byte) {
	s.t.Helper()
	table, err := results.Read(filepath.Join(dir, results.File))
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, results.File))
	if err != nil {
		s.t.Fatal(err)
	}
	return table, text
}

// keptEach checks that what each example gave is kept of every row, and has the row's value and error.
func (s trained) keptEach(table *results.Table, dir string) {
	s.t.Helper()
	kept, err := examples.Read(nil, filepath.Join(dir, "store"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer kept.Close()
	for _, r := range table.Rows {
		set, ok, err := kept.Get(r.Key)
		if err != nil || !ok {
			s.t.Errorf("%s at epoch %v: what each example gave is not kept: %v", r.Scheme, r.Epoch, err)
			continue
		}
		m, ok := set.Find(r.Metric)
		mean, stderr, n := m.Mean()
		if !ok || math.Abs(mean-r.Value) > 1e-6*math.Abs(r.Value) || math.Abs(stderr-r.StdErr) > 1e-6*r.StdErr || n != r.N {
			s.t.Errorf("%s of %s at epoch %v: %v ± %v over %d examples, the row says %v ± %v over %d", r.Metric, r.Scheme, r.Epoch, mean, stderr, n, r.Value, r.StdErr, r.N)
		}
	}
}

// Of a training log that kept nothing of its examples the baseline is evaluated again, once.
func TestBaselineWithoutExamples(t *testing.T) {
	s := small(t)
	if err := os.RemoveAll(filepath.Join(s.run.Dir, trajectory.ExamplesDir)); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "sweep")
	for _, want := range []sweep.Summary{{Evaluations: 7, Missing: 7, Evaluated: 7}, {Evaluations: 7, Recorded: 4}} {
		if sum, err := s.sweep(context.Background(), dir, 2, "copy", "lawa:k=2"); err != nil || sum != want {
			t.Errorf("%+v, %v, expected %+v", sum, err, want)
		}
		table, _ := s.table(dir)
		s.keptEach(table, dir)
	}
}

// Part by part, with statistics that are computed once, the evaluations are those that are made at once, to the last bit.
func TestParts(t *testing.T) {
	s := small(t)
	spec := sweep.Spec{Trajectories: []*trajectory.Trajectory{s.run}, Endpoints: [][]int{{0, 1, 2, 3}}, Splits: []string{"val"}}
	for _, text := range []string{"lawa:k=2", "lawa:k=3"} {
		scheme, err := averaging.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		spec.Schemes = append(spec.Schemes, scheme)
	}
	var err error
	if spec.Policies, err = bn.ParsePolicies("copy,recompute:samples=120"); err != nil {
		t.Fatal(err)
	}
	var tables [2]*results.Table
	for i := range tables {
		e := s.engine(2)
		p, err := sweep.NewPlan(context.Background(), spec, e)
		if err != nil {
			t.Fatal(err)
		}
		store, err := sweep.OpenStore(filepath.Join(t.TempDir(), "store"), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		if i == 0 {
			_, err = sweep.Run(context.Background(), p, e, store, sweep.Options{})
		} else if _, _, err = sweep.RunUntil(context.Background(), p, e, store, sweep.Options{}, sweep.Until{Metric: "loss"}); err == nil && len(e.kept.statistics) != 5 {
			t.Errorf("statistics of %d averages are kept", len(e.kept.statistics))
		}
		if err != nil {
			t.Fatal(err)
		}
		if tables[i], err = sweep.Table(p, nil, store); err != nil {
			t.Fatal(err)
		}
	}
	for i, r := range tables[0].Rows {
		if o := tables[1].Rows[i]; r.Value != o.Value || r.StdErr != o.StdErr || r.Key != o.Key {
			t.Errorf("%s of %s, %s at epoch %v is %v, part by part %v", r.Metric, r.Scheme, r.Policy, r.Epoch, r.Value, o.Value)
		}
	}
}

func TestSweep(t *testing.T) {
	s := small(t)
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "sweep")
	const policies = "copy average recompute:samples=120"

	// 4 averages of one checkpoint under copy (= average: the training log has them) and recompute; 3 of
	// two checkpoints under three policies.
	sum, err := s.sweep(ctx, dir, 2, policies, "last", "lawa:k=1", "lawa:k=2")
	if want := (sweep.Summary{Evaluations: 4*2 + 3*3, Missing: 4 + 9, Evaluated: 4 + 9, Recorded: 4}); err != nil || sum != want {
		t.Fatalf("%+v, %v, expected %+v", sum, err, want)
	}
	table, first := s.table(dir)
	s.keptEach(table, dir)
	if rows := (4 + 4 + 3) * 3 * 3; len(table.Rows) != rows {
		t.Errorf("%d rows, expected %d", len(table.Rows), rows)
	}

	// The same again evaluates nothing and writes the same bytes; so do other workers in another folder.
	if sum, err := s.sweep(ctx, dir, 1, policies, "last", "lawa:k=1", "lawa:k=2"); err != nil || sum.Missing != 0 {
		t.Errorf("again: %+v, %v", sum, err)
	}
	if _, again := s.table(dir); !bytes.Equal(first, again) {
		t.Error("the same sweep wrote other bytes")
	}
	other := filepath.Join(t.TempDir(), "other")
	if _, err := s.sweep(ctx, other, 1, policies, "last", "lawa:k=1", "lawa:k=2"); err != nil {
		t.Fatal(err)
	}
	if _, again := s.table(other); !bytes.Equal(first, again) {
		t.Error("one worker wrote other bytes than two")
	}

	// A larger sweep evaluates only what is new.
	if sum, err := s.sweep(ctx, dir, 2, policies, "lawa:k=1", "lawa:k=2", "lawa:k=3"); err != nil || sum.Evaluated != 2*3 {
		t.Errorf("larger: %+v, %v", sum, err)
	}

	// last is lawa:k=1, and the log's numbers are those that an evaluation gives.
	known := s.run.Checkpoints
	for i := range known {
		c := known[i]
		c.Known = nil
		known[i] = c
	}
	fresh := filepath.Join(t.TempDir(), "fresh")
	if sum, err := s.sweep(ctx, fresh, 2, policies, "last", "lawa:k=1", "lawa:k=2"); err != nil || sum.Recorded != 0 {
		t.Errorf("without the log: %+v, %v", sum, err)
	}
	if _, again := s.table(fresh); !bytes.Equal(first, again) {
		t.Error("evaluating the baseline gave other bytes than the training log")
	}
}

func TestSweepAlwaysHasTheBaseline(t *testing.T) {
	s := small(t)
	dir := filepath.Join(t.TempDir(), "sweep")
	if _, err := s.sweep(context.Background(), dir, 2, "recompute", "lawa:k=2"); err != nil {
		t.Fatal(err)
	}
	table, _ := s.table(dir)
	baseline := 0
	for _, r := range table.Rows {
		if r.Scheme == "last" && r.Policy == "copy" {
			baseline++
		} else if r.Scheme != "lawa:k=2" || r.Policy != "recompute" || r.K != 2 {
			t.Errorf("row %+v", r)
		}
	}
	if baseline != 4*3 {
		t.Errorf("%d rows of the baseline, expected 12", baseline)
	}
}

func TestInterruptedSweepKeepsWhatIsDone(t *testing.T) {
	s := small(t)
	dir := filepath.Join(t.TempDir(), "sweep")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.sweep(ctx, dir, 2, "copy", "lawa:k=2"); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, results.File)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an interrupted sweep left a table: %v", err)
	}
	if sum, err := s.sweep(context.Background(), dir, 2, "copy", "lawa:k=2"); err != nil || sum.Evaluations != 7 {
		t.Errorf("%+v, %v", sum, err)
	}
}

func TestTwoSweepsInOneFolder(t *testing.T) {
	s := small(t)
	dir := filepath.Join(t.TempDir(), "sweep")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	unlock, err := atomicfile.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.sweep(context.Background(), dir, 2, "copy", "lawa:k=2"); !errors.Is(err, atomicfile.ErrLocked) {
		t.Errorf("error %v", err)
	}
	unlock()
}
