package sweep

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// constant is a backend that needs no network: every average has the same values.
type constant struct{ evaluated atomic.Int64 }

func (*constant) Inputs(policy bn.Policy, split string) (Inputs, error) {
	return Inputs{Format: InputsFormat, Task: "worker", Model: "worker:" + hex.EncodeToString(make([]byte, 32)), Policy: string(policy.Kind), Data: split, Numeric: "cpu"}, nil
}
func (*constant) Check([]checkpoint.Tensor, map[string]string) error { return nil }
func (*constant) Supports(bn.Policy) error                           { return nil }
func (*constant) Metrics() []metric.Metric                           { return nil }
func (*constant) Provenance() map[string]any                         { return map[string]any{} }
func (c *constant) Open(context.Context, Job) (*Slots, error) {
	return &Slots{Slots: []Slot{c, c}}, nil
}
func (*constant) Group() int   { return 4 }
func (*constant) Close() error { return nil }
func (c *constant) Evaluate(_ context.Context, units []*Unit) error {
	for _, u := range units {
		u.Release()
		for i := range u.Splits {
			c.evaluated.Add(1)
			if err := u.Done(i, []Value{{"loss", 0.0497123456789, 0.00234567890123, 10000}, {"top1", 98.43, 0.1234567890123, 10000}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// longRun is a trajectory of n checkpoints of a few weights.
func longRun(t testing.TB, n int) *trajectory.Trajectory {
	t.Helper()
	dir := t.TempDir()
	tensors := checkpoint.Arrange([]checkpoint.Tensor{{Name: "w", DType: checkpoint.F32, Shape: []int64{4}}})
	var lines []trajectory.Checkpoint
	for i := range n {
		var file bytes.Buffer
		if err := safetensors.Write(&file, tensors, checkpoint.Metadata(), append(make([]byte, 12), byte(i), byte(i>>8), 0, 0)); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("%06d.safetensors", i+1)
		if err := os.WriteFile(filepath.Join(dir, name), file.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(file.Bytes())
		lines = append(lines, trajectory.Checkpoint{Index: i + 1, Epoch: float64(i + 1), Step: int64(i + 1), File: name, Bytes: int64(file.Len()), SHA256: hex.EncodeToString(sum[:])})
	}
	run, err := trajectory.Linked(dir, formats.Files{}, trajectory.Meta{Run: "long"}, lines, nil)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// heap watches the bytes of live objects and of garbage not yet collected, which the system sees as the program's own.
type heap struct {
	most atomic.Uint64
	stop chan struct{}
	done chan struct{}
}

func watchHeap() *heap {
	h := &heap{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(h.done)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			h.most.Store(max(h.most.Load(), m.HeapInuse+m.StackInuse))
			select {
			case <-tick.C:
			case <-h.stop:
				return
			}
		}
	}()
	return h
}

// peak is the most that there was, in MiB.
func (h *heap) peak() float64 {
	close(h.stop)
	<-h.done
	return float64(h.most.Load()) / (1 << 20)
}

// A sweep of 1,000 checkpoints × 50 schemes, ten of them over the whole history, stays small, in memory and on the
// disk, and starts again at once.
func TestLargeSweep(t *testing.T) {
	checkpoints, windows := 1000, "lawa:k=1..40"
	if testing.Short() {
		checkpoints, windows = 100, "lawa:k=1..10"
	}
	schemes, err := averaging.ParseAll([]string{windows, "ema:decay=0.5..0.95/0.05"})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "sweep")
	run := longRun(t, checkpoints)
	var endpoints []int
	for i := range checkpoints {
		endpoints = append(endpoints, i)
	}
	start := func() (Summary, float64, time.Duration) {
		runtime.GC()
		h := watchHeap()
		began := time.Now()
		store, _ := storeOf(t, dir)
		p, err := NewPlan(context.Background(), Spec{Trajectories: []*trajectory.Trajectory{run}, Endpoints: [][]int{endpoints}, Splits: []string{"val"}, Schemes: schemes, Policies: []bn.Policy{{Kind: bn.Copy}}}, &constant{})
		if err != nil {
			t.Fatal(err)
		}
		sum, err := Run(context.Background(), p, &constant{}, store, Options{Memory: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		table, err := Table(p, nil, store)
		if err == nil {
			err = results.Write(filepath.Join(t.TempDir(), results.File), table)
		}
		if err := errors.Join(err, store.Close()); err != nil {
			t.Fatal(err)
		}
		return sum, h.peak(), time.Since(began)
	}
	first, memory, took := start()
	second, memory2, took2 := start()
	if first.Evaluated == 0 || first.Evaluated != first.Evaluations || second.Evaluated != 0 || second.Evaluations != first.Evaluations {
		t.Errorf("%+v, then %+v", first, second)
	}
	size := int64(0)
	files := 0
	err = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			size += info.Size()
			files++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d evaluations: store %.1f MB in %d files; heap %.0f MiB in %.1f s, then %.0f MiB in %.2f s", first.Evaluations, float64(size)/1e6, files, memory, took.Seconds(), memory2, took2.Seconds())
	if size > int64(first.Evaluations)*1000 || files > 4 {
		t.Errorf("the store takes %d bytes in %d files", size, files)
	}
	if memory > 300 || memory2 > 300 {
		t.Errorf("the heap grew to %.0f and %.0f MiB, expected at most 300", memory, memory2)
	}
}
