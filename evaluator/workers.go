package evaluator

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
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/evaluator/worker"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Workers evaluate averages by a program of one's own, several of it side by side.
type Workers struct {
	// Template is what each is made of; Hello.Slot is set for each.
	Template worker.Worker
	Slots    int

	ready   *worker.Ready
	program string         // its identity, read once
	first   *worker.Worker // runs already
}

// NewWorkers starts the first one, to know what it announces. The memory that killed sweeps held is let go.
func NewWorkers(ctx context.Context, template worker.Worker, slots int) (*Workers, error) {
	if err := atomicfile.RemoveTempDirs(sharedMemory()); err != nil {
		return nil, err
	}
	w := &Workers{Template: template, Slots: slots}
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

func (w *Workers) worker(slot int) *worker.Worker {
	one := w.Template
	one.Hello.Slot, one.Hello.Slots = slot, w.Slots
	return &one
}

// Check implements Backend: what the weights are for, the program must know.
func (w *Workers) Check([]checkpoint.Tensor, map[string]string) error { return nil }

// Supports implements Backend.
func (w *Workers) Supports(policy bn.Policy) error {
	if policy.Kind == bn.Recompute && !slices.Contains(w.ready.Policies, string(bn.Recompute)) {
		return fmt.Errorf("policy %v: the worker does not announce that it recomputes batch-norm statistics", policy)
	}
	return nil
}

// Provenance implements Backend.
func (w *Workers) Provenance() map[string]any {
	return map[string]any{"device": w.Template.Hello.Device, "worker": w.Template.Command, "identity": w.ready.Identity}
}

// Inputs implements Backend. The program is known by its command line, the files named there, and the identity
// that it announces.
func (w *Workers) Inputs(average Average, policy bn.Policy, split string) (Inputs, error) {
	if !slices.Contains(w.ready.Splits, split) {
		return Inputs{}, fmt.Errorf("the worker has no split %s; it announces %s", split, strings.Join(w.ready.Splits, ", "))
	}
	if w.program == "" {
		w.program = w.identity()
	}
	in := Inputs{Format: inputsFormat, Task: "worker", Model: "worker:" + w.program, Average: average.Digest, Policy: policyOf(average, policy), Data: split, Numeric: w.device()}
	if policy.Kind == bn.Recompute {
		in.Policy = policy.String()
	}
	return in, nil
}

// device is the kind of device that the program was told to use, whatever its number. What it computes with there,
// its identity says.
func (w *Workers) device() string {
	d, err := torch.ParseDevice(w.Template.Hello.Device)
	if err != nil {
		return w.Template.Hello.Device
	}
	return d.Kind()
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

func (w *Workers) slots() int { return w.Slots }

func (w *Workers) start(ctx context.Context, g *errgroup.Group, j job) (int64, func(), error) {
	dir, remove, err := atomicfile.TempDir(sharedMemory())
	if err != nil {
		return 0, nil, err
	}
	g.Go(func() error {
		failed := &failures{}
		slots, ctx := errgroup.WithContext(ctx)
		for slot := range w.Slots {
			one := w.worker(slot)
			if slot == 0 {
				one, w.first = w.first, nil
			}
			slots.Go(func() error {
				defer one.Stop()
				return w.work(ctx, one, j.units, j.left, filepath.Join(dir, strconv.Itoa(slot)+".safetensors"), failed)
			})
		}
		if err := slots.Wait(); err != nil {
			return err
		}
		return errors.Join(failed.errs...) // the others' results are kept
	})
	return 0, remove, nil
}

// failures collects evaluations that failed while others go on.
type failures struct {
	mu   sync.Mutex
	errs []error
}

// add is an error when there are too many.
func (f *failures) add(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.errs = append(f.errs, err); len(f.errs) < 3 {
		return nil
	}
	return fmt.Errorf("three evaluations failed: %w", errors.Join(f.errs...))
}

// work evaluates the units that arrive by one worker.
func (w *Workers) work(ctx context.Context, one *worker.Worker, units <-chan *unit, left *atomic.Int64, path string, failed *failures) error {
	for {
		select {
		case u, ok := <-units:
			if !ok {
				return nil
			}
			left.Add(-1)
			err := w.evaluate(ctx, one, u, path)
			var lasting lasting
			switch {
			case err == nil:
				continue
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.As(err, &lasting):
				return err
			}
			if err := failed.add(err); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lasting marks an error that is not the program's: the next evaluation would meet it again.
type lasting struct{ error }

// evaluate writes the weights where the program can map them, and asks it, twice if it must.
func (w *Workers) evaluate(ctx context.Context, one *worker.Worker, u *unit, path string) error {
	err := writeWeights(path, u.weights)
	u.release()
	if err != nil {
		return lasting{fmt.Errorf("%s: %w", u.name, err)}
	}
	request := worker.Request{Name: u.name, Weights: path, Splits: u.splits, Policy: string(u.policy.Kind), Samples: u.policy.Samples, Seed: u.policy.Seed}
	answer, err := one.Evaluate(ctx, request)
	if err != nil && ctx.Err() == nil && !errors.Is(err, worker.ErrRefused) {
		answer, err = one.Evaluate(ctx, request) // started anew
	}
	if err != nil {
		return err
	}
	for i, split := range u.splits {
		var values []Value
		for _, name := range slices.Sorted(maps.Keys(answer[split])) {
			m := answer[split][name]
			values = append(values, Value{name, trajectory.Number(m.Value), trajectory.Number(m.StdErr), m.N})
		}
		if err := u.done(i, values); err != nil {
			return lasting{err}
		}
	}
	return nil
}

// writeWeights writes a safetensors file over the one that was there: of the same size, as a rule, so that the
// memory is used again.
func writeWeights(path string, w weights) error {
	header, err := checkpoint.EncodeHeader(w.tensors, checkpoint.Metadata())
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
	write(w.data, base)
	if w.newest != nil {
		err2 := checkpoint.Guard(path, func() error {
			for _, t := range w.tensors {
				if bn.IsStatistic(t.Name) {
					from, _ := w.newest.Tensor(t.Name)
					write(w.newest.Data[from.Begin:from.End], base+t.Begin)
				}
			}
			return nil
		})
		err = errors.Join(err, err2)
	}
	if err == nil {
		err = f.Truncate(base + int64(len(w.data)))
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
