package importer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/export"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// counting counts how often the list of each checkpoint is read.
type counting struct {
	trajectory.Files
	mu    sync.Mutex
	times map[string]int // by the name of the file
}

func (c *counting) count(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.times == nil {
		c.times = map[string]int{}
	}
	c.times[filepath.Base(path)]++
}

func (c *counting) Open(path string, o checkpoint.Options) (checkpoint.Checkpoint, error) {
	c.count(path)
	return c.Files.Open(path, o)
}

func (c *counting) Own(path string) (checkpoint.Checkpoint, error) {
	c.count(path)
	return c.Files.Own(path)
}

// loss is a backend that gives every average the same loss.
type loss struct{}

func (loss) Inputs(policy bn.Policy, split string) (sweep.Inputs, error) {
	return sweep.Inputs{Format: sweep.InputsFormat, Task: "worker", Model: "worker:" + strings.Repeat("0", 64), Policy: string(policy.Kind), Data: split, Numeric: "cpu"}, nil
}
func (loss) Check([]checkpoint.Tensor, map[string]string) error { return nil }
func (loss) Supports(bn.Policy) error                           { return nil }
func (loss) Metrics() []metric.Metric                           { return nil }
func (loss) Provenance() map[string]any                         { return nil }
func (loss) Open(context.Context, sweep.Job) (*sweep.Slots, error) {
	return &sweep.Slots{Slots: []sweep.Slot{loss{}, loss{}}}, nil
}
func (loss) Group() int   { return 2 }
func (loss) Close() error { return nil }
func (loss) Evaluate(_ context.Context, units []*sweep.Unit) error {
	for _, u := range units {
		u.Release()
		for i := range u.Splits {
			if err := u.Done(i, []sweep.Value{{Metric: "loss", Value: 1, N: 1}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// openFiles counts the files that this process has open.
func openFiles(t *testing.T) int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not list open files")
	}
	return len(names)
}

// fourEpochs is a folder of checkpoints.
func fourEpochs(t *testing.T) string {
	folder := t.TempDir()
	for i := range 4 {
		data, err := os.ReadFile(fmt.Sprintf("../testdata/script/conv/epoch_%d.pt", i%2+1))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, fmt.Sprintf("epoch_%d.pt", i+1)), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// averageAll writes averages, and sweepAll evaluates them.
func averageAll(t *testing.T, run *trajectory.Trajectory, schemes []averaging.Scheme, endpoints []int) error {
	out := t.TempDir()
	e := &export.Export{Trajectory: run, Schemes: schemes, Endpoints: endpoints, Memory: 1 << 16,
		Path: func(s averaging.Scheme, i int) string {
			return filepath.Join(out, export.FileName(run, s, i, export.Safetensors))
		}}
	return e.Run(t.Context())
}

func sweepAll(t *testing.T, run *trajectory.Trajectory, schemes []averaging.Scheme, endpoints []int) error {
	store, err := sweep.OpenStore(filepath.Join(t.TempDir(), "sweep"), func(sweep.Note) {})
	if err != nil {
		return err
	}
	defer store.Close()
	p, err := sweep.NewPlan(t.Context(), sweep.Spec{Trajectories: []*trajectory.Trajectory{run}, Endpoints: [][]int{endpoints}, Schemes: schemes, Splits: []string{"val"},
		Policies: []bn.Policy{{Kind: bn.Copy}, {Kind: bn.Average}}}, loss{})
	if err != nil {
		return err
	}
	sum, err := sweep.Run(t.Context(), p, loss{}, store, sweep.Options{Memory: 1 << 16})
	if err == nil && sum.Evaluated == 0 {
		err = errors.New("nothing was evaluated")
	}
	return err
}

// TestOnce: on its way to the averages each checkpoint's list is read once, in a folder of another program's checkpoints,
// and in trajectories of copies and of links, even where the memory is so small that checkpoints are mapped again at every
// endpoint. No file stays open: there may be more checkpoints than a process may have files.
func TestOnce(t *testing.T) {
	folder := fourEpochs(t)
	schemes, err := averaging.ParseAll([]string{"lawa:k=3", "ema:decay=0.5"})
	if err != nil {
		t.Fatal(err)
	}
	ways := map[string]func(*testing.T, *trajectory.Trajectory, []averaging.Scheme, []int) error{"average": averageAll, "sweep": sweepAll}
	before := openFiles(t)
	defer func() {
		if after := openFiles(t); after > before {
			t.Errorf("%d files are open, %d were before", after, before)
		}
	}()
	expect := func(how string, times map[string]int, names string) {
		t.Helper()
		want := map[string]int{}
		for i := range 4 {
			want[fmt.Sprintf(names, i+1)] = 1
		}
		if !maps.Equal(times, want) {
			t.Errorf("%s: lists were read %v times, expected %v", how, times, want)
		}
	}
	understand := func(files trajectory.Files) *Understood {
		t.Helper()
		u, err := Understand([]string{folder}, Options{Files: files})
		if err != nil {
			t.Fatal(err)
		}
		return u
	}

	for way, use := range ways {
		files := &counting{Files: formats.Files{}}
		run, err := understand(files).Trajectory(folder, trajectory.Meta{Run: "r"})
		if err == nil {
			err = use(t, run, schemes, []int{2, 3})
		}
		if err != nil {
			t.Fatal(err)
		}
		expect(way+" of a folder", files.times, "epoch_%d.pt")
	}
	for how, names := range map[string]string{"copied": "%06d.safetensors", "linked": "epoch_%d.pt"} {
		files := &counting{Files: formats.Files{}}
		u := understand(files)
		dir := filepath.Join(t.TempDir(), "run")
		r, err := trajectory.Create(dir, files, u.Meta(trajectory.Meta{Run: "r"}))
		if err != nil {
			t.Fatal(err)
		}
		var layout []checkpoint.Tensor
		for _, f := range u.Checkpoints {
			if _, err := Add(t.Context(), r, u, f, &layout, how == "linked"); err != nil {
				t.Fatal(err)
			}
		}
		r.Close()
		expect(how+", imported", files.times, "epoch_%d.pt")
		for way, use := range ways {
			files := &counting{Files: formats.Files{}}
			run, err := trajectory.Open(dir, files)
			if err == nil {
				err = use(t, run, schemes, []int{2, 3})
			}
			if err != nil {
				t.Fatal(err)
			}
			expect(way+" of "+how, files.times, names)
		}
	}
}
