package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Workers evaluate averages by a program of one's own, several of it side by side: a sweep.Backend.
type Workers struct {
	Template Worker // what each is made of; Hello.Slot is set for each
	Count    int
	// Kind is the kind of device that the program was told to use, whatever its number. What it computes with there,
	// its identity says.
	Kind string

	ready   *Ready
	program string  // its identity, read once
	first   *Worker // runs already
}

// NewWorkers starts the first one, to know what it announces. The memory that killed sweeps held is let go.
func NewWorkers(ctx context.Context, template Worker, kind string, count int) (*Workers, error) {
	if err := atomicfile.RemoveTempDirs(sharedMemory()); err != nil {
		return nil, err
	}
	w := &Workers{Template: template, Count: count, Kind: kind}
	w.first = w.worker(0)
	var err error
	if w.ready, err = w.first.Begin(ctx); err != nil {
		return nil, err
	}
	return w, nil
}

// Close ends the first one, if no sweep took it over.
func (w *Workers) Close() {
	if w.first != nil {
		w.first.Stop()
	}
}

// Splits are those that the program announces.
func (w *Workers) Splits() []string { return w.ready.Splits }

func (w *Workers) worker(slot int) *Worker {
	one := w.Template
	one.Hello.Slot, one.Hello.Slots = slot, w.Count
	return &one
}

// Check implements sweep.Backend: what the weights are for, the program must know.
func (w *Workers) Check([]checkpoint.Tensor, map[string]string) error { return nil }

// Supports implements sweep.Backend.
func (w *Workers) Supports(policy bn.Policy) error {
	if policy.Kind == bn.Recompute && !slices.Contains(w.ready.Policies, string(bn.Recompute)) {
		return fmt.Errorf("policy %v: the worker does not announce that it recomputes batch-norm statistics", policy)
	}
	if policy.Tolerance > 0 {
		return fmt.Errorf("policy %v: a worker recomputes statistics from a number of examples; it is told of no tolerance", policy)
	}
	return nil
}

// Metrics implements sweep.Backend.
func (w *Workers) Metrics() []metric.Metric { return w.ready.Metrics }

// Provenance implements sweep.Backend.
func (w *Workers) Provenance() map[string]any {
	return map[string]any{"worker": w.Template.Command, "identity": w.ready.Identity}
}

// Inputs implements sweep.Backend. The program is known by its command line, the files named there, and the identity
// that it announces.
func (w *Workers) Inputs(policy bn.Policy, split string) (sweep.Inputs, error) {
	if !slices.Contains(w.ready.Splits, split) {
		return sweep.Inputs{}, fmt.Errorf("the worker has no split %s; it announces %s", split, strings.Join(w.ready.Splits, ", "))
	}
	if w.program == "" {
		w.program = w.identity()
	}
	in := sweep.Inputs{Format: sweep.InputsFormat, Task: "worker", Model: "worker:" + w.program, Policy: string(policy.Kind), Data: split, Numeric: w.Kind}
	if policy.Kind == bn.Recompute {
		in.Policy = policy.String()
	}
	return in, nil
}

func (w *Workers) identity() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", w.Template.Command, w.ready.Identity)
	for _, word := range strings.Fields(w.Template.Command) {
		f, _, err := input.Open(word, 1<<24)
		if err != nil {
			continue
		}
		fmt.Fprintln(h, word)
		_, _ = io.Copy(h, f)
		f.Close()
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Open implements sweep.Backend: a slot for each worker. The first one goes on; the others start with their first unit.
func (w *Workers) Open(context.Context, sweep.Job) (*sweep.Slots, error) {
	dir, remove, err := atomicfile.TempDir(sharedMemory())
	if err != nil {
		return nil, err
	}
	out := &sweep.Slots{Free: remove}
	for i := range w.Count {
		one := w.worker(i)
		if i == 0 && w.first != nil {
			one, w.first = w.first, nil
		}
		out.Slots = append(out.Slots, &slot{worker: one, path: filepath.Join(dir, strconv.Itoa(i)+".safetensors")})
	}
	return out, nil
}

// slot is one worker, and the file in which it finds the weights.
type slot struct {
	worker  *Worker
	path    string
	written *sweep.Unit // whose weights the file holds
}

// Group implements sweep.Slot.
func (s *slot) Group() int { return 1 }

// Close implements sweep.Slot.
func (s *slot) Close() error {
	s.worker.Stop()
	return nil
}

// Evaluate implements sweep.Slot. What the program does wrong is an error of the evaluation; unless it answered with an
// error itself, it is asked once more.
func (s *slot) Evaluate(ctx context.Context, units []*sweep.Unit) error {
	for _, u := range units {
		if err := s.evaluate(ctx, u); err != nil {
			return err
		}
	}
	return nil
}

func (s *slot) evaluate(ctx context.Context, u *sweep.Unit) error {
	if s.written != u {
		err := writeWeights(s.path, u)
		u.Release()
		if err != nil {
			return fmt.Errorf("%s: %w", u.Name, err)
		}
		s.written = u
	}
	answer, err := s.worker.Evaluate(ctx, Request{Name: u.Name, Weights: s.path, Splits: u.Splits, Policy: string(u.Policy.Kind), Samples: u.Policy.Samples, Seed: u.Policy.Seed})
	if err != nil {
		return sweep.Failed(err, !errors.Is(err, ErrRefused))
	}
	for i, split := range u.Splits {
		var values []sweep.Value
		var set examples.Set
		for _, name := range slices.Sorted(maps.Keys(answer[split])) {
			m := answer[split][name]
			values = append(values, sweep.Value{Metric: name, Value: trajectory.Number(m.Value), StdErr: trajectory.Number(m.StdErr), N: m.N})
			if m.Values != nil {
				set = append(set, examples.Of(name, m.Values, m.Sizes))
			}
		}
		if err := u.Keep(i, set); err != nil {
			return err
		}
		if err := u.Done(i, values); err != nil {
			return err
		}
	}
	return nil
}

// writeWeights writes a safetensors file over the one that was there: of the same size, as a rule, so that the
// memory is used again.
func writeWeights(path string, u *sweep.Unit) error {
	header, err := checkpoint.EncodeHeader(u.Tensors, checkpoint.Metadata())
	if err != nil {
		return err
	}
	f, err := atomicfile.OpenBelow(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return err
	}
	defer f.Close()
	write := func(data []byte, at int64) {
		if err == nil {
			_, err = f.WriteAt(data, at)
		}
	}
	base := int64(len(header))
	write(header, 0)
	write(u.Data, base)
	for _, t := range u.Tensors {
		if own, ok := u.Statistics[t.Name]; ok {
			write(own, base+t.Begin)
		}
	}
	if err == nil {
		err = f.Truncate(base + int64(len(u.Data)))
	}
	return err
}

// sharedMemory is where folders for the weights are made, in memory where there is room for files there, and how
// their names begin.
func sharedMemory() (root, prefix string) {
	root = "/dev/shm"
	if info, err := os.Stat(root); err != nil || !info.IsDir() || syscall.Access(root, 2) != nil {
		root = os.TempDir()
	}
	return root, "lawa-replay."
}
