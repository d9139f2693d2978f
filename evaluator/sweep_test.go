package evaluator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/evaluator/worker"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/trainer"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

type trajectoryNumber = trajectory.Number

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
	net, err := model.New("resnet8:width=4,stem-stride=2", 1, 10)
	if err != nil {
		t.Fatal(err)
	}
	cfg := trainer.Config{Epochs: 4, BatchSize: 50, Seed: 1, LR: 0.1, Momentum: 0.9, Schedule: "constant"}
	rec, err := trajectory.Create(filepath.Join(t.TempDir(), "run"), trajectory.Meta{Run: "small", Seed: new(int64(1)), BatchSize: 50, Model: net.Spec()})
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	val, err := set.Val.On(torch.CPU)
	if err != nil {
		t.Fatal(err)
	}
	defer val.Free()
	hooks := trainer.Hooks{Checkpoint: func(c *trajectory.Checkpoint, values []float32) error {
		return NewEngine(net, torch.CPU, 0, 2).Record(context.Background(), c, values, val)
	}}
	if err := trainer.Run(context.Background(), cfg, net, set, torch.CPU, 1, rec, hooks); err != nil {
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
func (s trained) sweep(ctx context.Context, dir string, workers int, policies string, schemes ...string) (Summary, error) {
	s.t.Helper()
	sw := &Sweep{Dir: dir, Trajectories: []*trajectory.Trajectory{s.run}, Endpoints: [][]int{{0, 1, 2, 3}}, Splits: []string{"val"},
		Provenance: map[string]any{"test": true}}
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

func TestSweep(t *testing.T) {
	s := small(t)
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "sweep")
	const policies = "copy average recompute:samples=120"

	// 4 averages of one checkpoint under copy (= average: the training log has them) and recompute; 3 of
	// two checkpoints under three policies.
	sum, err := s.sweep(ctx, dir, 2, policies, "last", "lawa:k=1", "lawa:k=2")
	if want := (Summary{Evaluations: 4*2 + 3*3, Missing: 4 + 9, Evaluated: 4 + 9, Recorded: 4}); err != nil || sum != want {
		t.Fatalf("%+v, %v, expected %+v", sum, err, want)
	}
	table, first := s.table(dir)
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

// Every input of an evaluation is in its key.
func TestKeyDependsOnEveryInput(t *testing.T) {
	base := Inputs{2, "classification", "m", "a", "recompute", &BNData{"d", 5}, "v", "float32, cpu, libtorch 2.11.0"}
	seen := map[string]string{base.Key(): "base"}
	for name, change := range map[string]func(*Inputs){
		"format":   func(i *Inputs) { i.Format++ },
		"task":     func(i *Inputs) { i.Task += "x" },
		"model":    func(i *Inputs) { i.Model += "x" },
		"average":  func(i *Inputs) { i.Average = "b" },
		"policy":   func(i *Inputs) { i.Policy = "copy" },
		"bn data":  func(i *Inputs) { i.BN = &BNData{"e", 5} },
		"bn batch": func(i *Inputs) { i.BN = &BNData{"d", 6} },
		"data":     func(i *Inputs) { i.Data = "w" },
		"device":   func(i *Inputs) { i.Numeric = "float32, cuda NVIDIA H100 80GB HBM3, libtorch 2.11.0" },
		"libtorch": func(i *Inputs) { i.Numeric = "float32, cpu, libtorch 2.12.0" },
	} {
		in := base
		change(&in)
		if other, twice := seen[in.Key()]; twice {
			t.Errorf("%s and %s have the same key", name, other)
		}
		seen[in.Key()] = name
	}
}

// An average's digest is that of its lines, which any program can write; every checkpoint and coefficient is in it.
func TestAverageDigest(t *testing.T) {
	checkpoints := []trajectory.Checkpoint{{SHA256: "aa"}, {SHA256: "bb"}, {SHA256: "cc"}}
	of := func(c averaging.Coefficients) Average { return newAverage(checkpoints, c) }
	base := averaging.Coefficients{Indices: []int{0, 2}, Weights: []float64{1, 2}, Norm: 3}
	sum := sha256.Sum256([]byte("aa 0.3333333333333333\ncc 0.6666666666666666\n"))
	if want := (Average{2, hex.EncodeToString(sum[:])}); of(base) != want {
		t.Errorf("%v, expected %v", of(base), want)
	}
	for name, c := range map[string]averaging.Coefficients{
		"checkpoint":  {Indices: []int{0, 1}, Weights: []float64{1, 2}, Norm: 3},
		"order":       {Indices: []int{0, 2}, Weights: []float64{2, 1}, Norm: 3},
		"coefficient": {Indices: []int{0, 2}, Weights: []float64{1, 2}, Norm: 4},
		"fewer":       {Indices: []int{0}, Weights: []float64{1}, Norm: 3},
	} {
		if of(c).Digest == of(base).Digest {
			t.Errorf("another %s has the same digest", name)
		}
	}
}

// Which of several equal GPUs a worker uses is no part of a key; whether it is one, and what it announces, is.
func TestKeysOfWorkers(t *testing.T) {
	key := func(device, identity string) string {
		w := &Workers{Template: worker.Worker{Command: "eval", Hello: worker.Hello{Device: device}}, ready: &worker.Ready{Splits: []string{"val"}, Identity: identity}}
		in, err := w.Inputs(Average{2, "a"}, bn.Policy{Kind: bn.Copy}, "val")
		if err != nil {
			t.Fatal(err)
		}
		return in.Key()
	}
	if torch.Device(0).Kind() == torch.Device(1).Kind() && key("cuda:0", "x") != key("cuda:1", "x") {
		t.Error("cuda:0 and cuda:1 have different keys")
	}
	if key("cuda:0", "x") == key("cpu", "x") || key("cpu", "x") == key("cpu", "y") {
		t.Error("a key does not depend on the device or the identity")
	}
}

// What an older version recorded in the training log is not used, and said to be there.
func TestEvaluationsOfAnOlderVersionInTheLog(t *testing.T) {
	run := longRun(t, 3)
	run.Checkpoints[1].Known = map[string]trajectory.RawJSON{strings.Repeat("ab", 32): trajectory.RawJSON(`{"inputs":{"format":1,"average":[]},"values":[]}`)}
	var notes []string
	s := &Sweep{Dir: t.TempDir(), Trajectories: []*trajectory.Trajectory{run}, Endpoints: [][]int{{0, 1, 2}}, Splits: []string{"val"}, Policies: []bn.Policy{{Kind: bn.Copy}},
		Schemes: []averaging.Scheme{averaging.Last{}}, Note: func(text string) { notes = append(notes, text) }}
	sum, err := s.Run(context.Background(), &constant{})
	if err != nil || sum.Recorded != 0 || sum.Evaluated != 3 {
		t.Errorf("%+v, %v", sum, err)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "1 evaluations of an older version") {
		t.Errorf("%v", notes)
	}
}
