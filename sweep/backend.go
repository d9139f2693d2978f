package sweep

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Backend evaluates averages: this program's engine, workers of a program of others, or one of your own.
type Backend interface {
	// Inputs are all that an evaluation under a policy on a split depends on, but for Inputs.Average, which the plan
	// fills in. An error says that there is no such split, or that the policy cannot be had.
	Inputs(policy bn.Policy, split string) (Inputs, error)
	// Check says whether a trajectory's tensors can be evaluated. tied maps names to the tensors that they stand for.
	Check(tensors []checkpoint.Tensor, tied map[string]string) error
	// Supports says which policies cannot be had, by an error.
	Supports(policy bn.Policy) error
	// Metrics describe what evaluations give, as far as is known beforehand.
	Metrics() []metric.Metric
	// Provenance says what evaluates, for the table's metadata. It goes into JSON.
	Provenance() map[string]any
	// Open makes ready what evaluates. The caller closes it.
	Open(ctx context.Context, job Job) (*Slots, error)
}

// TellsExamples is a Backend that knows beforehand whether it tells what each example gave. Of one that never does a baseline in the
// training log is not evaluated again for it.
type TellsExamples interface {
	TellsExamples() bool
}

// Job is what a backend is opened for.
type Job struct {
	Units    int // to be evaluated
	Splits   []string
	Policies []bn.Policy
	Memory   int64      // bytes for models and activations; 0 sets no limit
	Note     func(Note) // told what people should know of how it is done
	// Again says that the same units are likely to come again, on other splits: what is computed of them, such as batch-norm
	// statistics, is worth keeping, by Unit.ID.
	Again bool
}

// Slots are the parts of an open backend that evaluate side by side.
type Slots struct {
	Slots  []Slot // at least one
	Memory int64  // bytes of the job's that they take
	Free   func() // gives back what they share, when all are closed; may be nil
}

// close closes the slots, and frees what they share.
func (s *Slots) close() error {
	errs := make([]error, len(s.Slots))
	var all sync.WaitGroup
	for i, slot := range s.Slots {
		all.Go(func() { errs[i] = slot.Close() })
	}
	all.Wait()
	if s.Free != nil {
		s.Free()
	}
	return errors.Join(errs...)
}

// Slot evaluates one group of units after another: a core, a GPU, or a worker of a program of others. One goroutine at
// a time uses it, but not always the same.
type Slot interface {
	// Group is how many units it takes at once, at most.
	Group() int
	// Evaluate calls Release of each unit when it has no more use for the weights, and Done for each of its splits, Keep before it
	// where it knows what each example gave.
	// An error ends the sweep, unless Failed marks it.
	Evaluate(ctx context.Context, units []*Unit) error
	Close() error
}

// Unit is one average under one policy, to be evaluated on some splits.
type Unit struct {
	ID      string              // of the average and the policy, the same wherever these are
	Name    string              // for messages: the average of 6 checkpoints up to epoch 9 of run, policy copy
	Tensors []checkpoint.Tensor // where each lies in Data
	Data    []byte
	Tied    map[string]string // names that stand for other tensors
	Policy  bn.Policy
	Splits  []string
	// Statistics stand in place of those of Data, as the policy has it: Statistics.Bytes finds a tensor's bytes.
	Statistics bn.Statistics

	release func()
	keep    func(split int, set examples.Set) error
	done    func(split int, values []Value, seconds float64) error
	since   time.Time // when its slot began with it, or was done with the split before
	share   int       // units that its slot evaluates at once
	mu      sync.Mutex
	given   []bool // by split: Done was called
}

// Release gives the memory of Data back. Data must not be read after it. Calling it again does nothing.
func (u *Unit) Release() {
	u.mu.Lock()
	release := u.release
	u.release = nil
	u.mu.Unlock()
	if release != nil {
		release()
	}
}

// Done takes the values of the unit on Splits[split], at least one, and keeps them. Its error ends the sweep.
func (u *Unit) Done(split int, values []Value) error {
	if len(values) == 0 {
		return u.without(split)
	}
	u.mu.Lock()
	again := u.given[split]
	u.given[split] = true
	now := time.Now()
	seconds := now.Sub(u.since).Seconds() / float64(max(1, u.share))
	u.since = now
	u.mu.Unlock()
	if again {
		return nil // of an evaluation that failed later, and was tried once more
	}
	return u.done(split, values, math.Round(seconds*1e4)/1e4)
}

// begin says that a slot begins with a unit, and with how many at once.
func (u *Unit) begin(share int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.since, u.share = time.Now(), share
}

// Keep takes what each example of Splits[split] gave, before Done. Its error ends the sweep.
func (u *Unit) Keep(split int, set examples.Set) error {
	u.mu.Lock()
	again := u.given[split]
	u.mu.Unlock()
	if again || len(set) == 0 {
		return nil
	}
	return u.keep(split, set)
}

// complete is an error where a split was given no values.
func (u *Unit) complete() error {
	for i, given := range u.given {
		if !given {
			return u.without(i)
		}
	}
	return nil
}

// without is the error of a split that was given no values.
func (u *Unit) without(split int) error {
	return fmt.Errorf("%s: the backend gave no values on the split %s", u.Name, u.Splits[split])
}

// Value is one metric of one evaluation.
type Value struct {
	Metric string            `json:"metric"`
	Value  trajectory.Number `json:"value"`
	StdErr trajectory.Number `json:"stderr"` // standard error of the mean over examples
	N      int64             `json:"n"`      // examples; tokens of language models
}

// failure marks an error of one evaluation.
type failure struct {
	error
	again bool
}

func (f failure) Unwrap() error { return f.error }

// Failed marks an error that lies with the evaluation, not with all of them: the others go on, and the sweep ends with
// the error when they are done, or at the third such error. With again the same slot is given the same units once more
// first: a slot that fails so must still have the weights, in Data or in a copy of its own.
func Failed(err error, again bool) error { return failure{err, again} }
