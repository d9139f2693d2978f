package evaluator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/sweep"
)

// allotment is how an engine computes on a CPU. None of it changes what is computed, beyond the rounding of batches of
// fewer than some 25 examples. The memory format does change the last bits, so it is not chosen here: MemoryFormat.For.
type allotment struct {
	workers, threads int // side by side, and of each
	group            int // models that share a pass over the data, for each worker
	batch            int // examples at a time
}

// roundsAlike is from how many examples on a batch's size does not change the last bits.
const roundsAlike = 25

func (a allotment) String() string {
	return fmt.Sprintf("%s of %s, each with up to %s at once, %s at a time", count(a.workers, "worker"), count(a.threads, "thread"), count(a.group, "model"), count(a.batch, "example"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// cost is what evaluating takes, in bytes.
type cost struct {
	model   int64 // of the weights of one model
	example int64 // of the activations of one example
	data    int64 // of the examples that lie in memory for all workers
}

// bytes is what an allotment takes. bnBatch is how many examples recomputing statistics looks at together, 0 if none
// are recomputed: the statistics depend on it, so it is as it is.
func (c cost) bytes(a allotment, bnBatch int) int64 {
	return c.data + int64(a.workers)*(int64(a.group)*c.model+int64(max(a.batch, bnBatch))*c.example)
}

// within reduces an allotment until it fits into memory, or nothing is left to reduce: the batch down to 32, of which
// convolutions lose little; the models that share a pass; the workers, whose cores go to the others as threads; the
// rest of the batch.
func (a allotment) within(memory int64, c cost, bnBatch, cores int) allotment {
	for c.bytes(a, bnBatch) > memory {
		switch larger := a.batch > bnBatch; {
		case larger && a.batch > 32 && int64(a.batch)*c.example > int64(a.group)*c.model:
			a.batch = max(32, a.batch/2)
		case a.group > 1:
			a.group--
		case larger && a.batch > 32:
			a.batch = max(32, a.batch/2)
		case a.workers > 1:
			a.workers--
			a.threads = cores / a.workers
		case larger && a.batch > 1:
			a.batch /= 2
		default:
			return a
		}
	}
	return a
}

// fit measures what the network takes, chooses batch and workers × threads by speed where there is enough to do, and
// reduces what does not fit into the memory. It returns the bytes that are then needed.
func (e *Engine) fit(ctx context.Context, job sweep.Job, l *loaded) (int64, error) {
	split := l.splits[job.Splits[0]]
	if e.Device != torch.CPU || split.feed.Len() == 0 {
		return 0, nil
	}
	bnBatch := 0
	if len(l.bn) > 0 {
		bnBatch = e.BNBatch
	}
	usual := allotment{e.Workers, e.Threads, groupSize, e.batch()}
	cores := usual.workers * usual.threads
	c, each, err := e.measure(ctx, split)
	if err != nil {
		// The evaluation itself will say what is wrong, and with which checkpoint.
		return 0, ctx.Err()
	}
	c.data = l.bytes()
	if e.Batch == 0 {
		usual.batch = smaller(usual.batch, c.example)
	}
	a := usual
	work := time.Duration(job.Units) * time.Duration(split.feed.Len()) * each / time.Duration(cores)
	if work > 5*time.Second && each < 500*time.Microsecond && e.task().Batch()/2 >= roundsAlike {
		if a, err = e.fastest(ctx, usual, split); err != nil {
			return 0, err
		}
		if a != usual {
			job.Note(sweep.Note{Text: fmt.Sprintf("%v: found faster here than the usual %v", a, usual)})
		}
	}
	if want := a; job.Memory > 0 {
		a = want.within(job.Memory, c, bnBatch, cores)
		limit := humanize.IBytes(uint64(job.Memory))
		switch need := c.bytes(a, bnBatch); {
		case need > job.Memory:
			job.Note(sweep.Note{Text: fmt.Sprintf("to evaluate the network takes some %s, by %v; %s are for it", humanize.IBytes(uint64(need)), a, limit)}.With("memory", "sets twice that"))
		case a != want:
			job.Note(sweep.Note{Text: fmt.Sprintf("%v: the usual would take some %s, and %s are for it", a, humanize.IBytes(uint64(c.bytes(want, bnBatch))), limit)}.With("memory", "sets twice that"))
		}
	}
	e.Workers, e.Threads, e.group, e.Batch = a.workers, a.threads, a.group, a.batch
	return c.bytes(a, bnBatch), nil
}

// kept is how many bytes of freed memory glibc keeps (keep_freed_memory in internal/torch/shim.cpp); activations beyond
// them are paged in anew for each layer.
const kept = 512 << 20

// smaller is a batch whose activations stay within what is kept: of 32 examples at the least, of which convolutions lose
// little, if it was not smaller before.
func smaller(batch int, example int64) int {
	return min(batch, max(32, int(kept/max(1, example))))
}

// measure runs a few examples through the network with weights of zero, and counts what it allocates. each is the time
// for one example by one thread.
func (e *Engine) measure(ctx context.Context, split *Data) (c cost, each time.Duration, err error) {
	err = torch.Worker(1, false, func() error {
		var in model.Instance
		var err error
		if c.model, _, err = torch.Metered(func() error {
			in, err = e.instance()
			return err
		}); err != nil {
			return err
		}
		defer in.Free()
		n := 1
		for range 3 { // TorchScript optimizes itself in the first two
			began := time.Now()
			_, peak, err := torch.Metered(func() error { return e.pass(in, split, n) })
			if err != nil || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
			each, c.example = time.Since(began)/time.Duration(n), peak/int64(n)
			if each < 5*time.Millisecond {
				n = min(32, split.feed.Len())
			} else {
				n = min(4, split.feed.Len())
			}
		}
		return nil
	})
	return c, each, err
}

// pass evaluates the first n examples, to no purpose but to have done it.
func (e *Engine) pass(in model.Instance, split *Data, n int) error {
	var s torch.Scope
	defer s.Close()
	w := split.feed.Walk()
	defer w.Close()
	b := w.Batch(&s, 0, n)
	if err := s.Err(); err != nil {
		return err
	}
	return split.add(&s, in, 0, b, e.task().Scores(n))
}

// fastest tries batches by one thread, and then more threads in place of workers. What is not clearly faster than the
// usual is not taken: other programs may use the cores meanwhile. It takes a few tenths of a second.
func (e *Engine) fastest(ctx context.Context, usual allotment, split *Data) (allotment, error) {
	best, speed := usual, 0.0
	try := func(a allotment, clearly float64) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		v, err := e.speed(a, split)
		if err == nil && v > speed*clearly {
			best, speed = a, v
		}
		return err
	}
	if err := try(usual, 1); err != nil {
		return usual, err
	}
	if e.Batch == 0 {
		for _, batch := range []int{usual.batch / 2, 2 * usual.batch} {
			a := usual
			if a.batch = batch; batch <= split.feed.Len() {
				if err := try(a, 1.05); err != nil {
					return usual, err
				}
			}
		}
	}
	if e.given {
		return best, nil
	}
	for workers := usual.workers / 2; workers > 0; workers /= 2 {
		a := best
		a.workers, a.threads = workers, usual.workers*usual.threads/workers
		if err := try(a, 1.15); err != nil {
			return usual, err
		}
	}
	return best, nil
}

// speed is how many examples a second an allotment evaluates, the best of several tries: whatever else the machine does
// makes it slower.
func (e *Engine) speed(a allotment, split *Data) (float64, error) {
	const tries = 5
	best := 0.0
	begin := make([]sync.WaitGroup, tries+1)
	end := make([]sync.WaitGroup, tries+1)
	for i := range begin {
		begin[i].Add(a.workers)
		end[i].Add(a.workers)
	}
	errs := make([]error, a.workers)
	var all sync.WaitGroup
	for w := range a.workers {
		all.Go(func() {
			errs[w] = torch.Worker(a.threads, false, func() error {
				in, err := e.instance()
				if in != nil {
					defer in.Free()
				}
				for i := range begin {
					begin[i].Done()
					begin[i].Wait()
					began := time.Now()
					if err == nil {
						err = e.pass(in, split, min(a.batch, split.feed.Len()))
					}
					end[i].Done()
					end[i].Wait()
					if w == 0 && i > 0 { // the first warms up
						best = max(best, float64(a.workers*min(a.batch, split.feed.Len()))/time.Since(began).Seconds())
					}
				}
				return err
			})
		})
	}
	all.Wait()
	return best, errors.Join(errs...)
}
