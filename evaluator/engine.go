// Package evaluator runs this program's own networks over data: the tasks with their metrics, and the engine, which is a
// backend of sweeps.
//
// It believes that on a CPU many small networks side by side are faster than one spread over the cores, so that every
// worker has one thread, and that several models should share each pass over the data.
package evaluator

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/sweep"
)

// Value is one metric of one evaluation.
type Value = sweep.Value

// Engine evaluates weights of one network on one device, with several workers.
type Engine struct {
	Net       model.Network
	Device    torch.Device
	Precision torch.Precision
	Workers   int // on a CPU each has one thread; a GPU takes one
	Threads   int // per worker

	Task    task.Task // nil is task.Classification
	Batch   int       // examples at a time; 0 is the task's own
	Set     *dataset.Set
	BNSplit dataset.Split // for policy recompute
	BNBatch int

	// Examples is where Record keeps what each example gave; nil keeps nothing.
	Examples *examples.Store

	kept keptStatistics // of units that come again

	sources map[bn.Policy]*BNSource // for each policy that was asked for
	given   bool                    // Workers was asked for
	group   int                     // models that share a pass over the data; 0 is groupSize
}

// keptStatistics are recomputed statistics by Unit.ID, in the layout's order.
type keptStatistics struct {
	mu         sync.Mutex
	statistics map[string][]float32
}

// BNSource is the data from which a policy recomputes statistics, and what names them.
type BNSource struct {
	Split dataset.Split
	Names sweep.BNData
}

// NewEngine chooses workers: as many as asked for, or one per core on a CPU and one on a GPU.
func NewEngine(net model.Network, device torch.Device, workers, cores int) *Engine {
	e := &Engine{Net: net, Device: device, Workers: workers, Threads: 1, given: workers > 0}
	switch {
	case device != torch.CPU:
		e.Workers, e.Threads = 1, cores
	case workers == 0:
		e.Workers = cores
	}
	return e
}

// instance is the network on the device.
func (e *Engine) instance() (model.Instance, error) {
	return e.Net.On(e.Device, model.Options{Precision: e.Precision})
}

// task is Task with its default, and batch is Batch with its.
func (e *Engine) task() task.Task {
	if e.Task == nil {
		return task.Classification{}
	}
	return e.Task
}

func (e *Engine) batch() int {
	if e.Batch > 0 {
		return e.Batch
	}
	return e.task().Batch()
}

// Check implements sweep.Backend.
func (e *Engine) Check(tensors []checkpoint.Tensor, tied map[string]string) error {
	return Match(e.Net, tensors, tied)
}

// Supports implements sweep.Backend.
func (e *Engine) Supports(policy bn.Policy) error {
	if policy.Kind == bn.Recompute && e.BNSplit == nil {
		return hint.With(fmt.Errorf("policy %v needs data to recompute the statistics from", policy), "bn-data", "names them")
	}
	if policy.Kind == bn.Recompute && e.BNBatch == 0 {
		return hint.With(fmt.Errorf("policy %v depends on the batch size, which the trajectory does not record", policy), "bn-batch-size", "says it")
	}
	return nil
}

// Provenance implements sweep.Backend.
func (e *Engine) Provenance() map[string]any {
	out := map[string]any{"model": e.Net.Spec(), "data": e.Set.Spec, "task": e.task().Name(), "bn_batch_size": e.BNBatch,
		"memory_format": torch.UsualFormat.For(e.Device, e.Precision).String()}
	if e.BNSplit != nil {
		out["bn_data"] = e.BNSplit.Name()
	}
	return out
}

// TellsExamples implements sweep.TellsExamples: whether the task does.
func (e *Engine) TellsExamples() bool {
	_, ok := e.task().Scores(0).(task.ExampleScores)
	return ok
}

// Size implements sweep.Sampler.
func (e *Engine) Size(split string) (int, error) {
	s, err := e.Set.Split(split)
	if err != nil {
		return 0, err
	}
	return s.Len(), nil
}

// Part implements sweep.Sampler.
func (e *Engine) Part(split string, at []int) (string, error) { return e.Set.Part(split, at) }

// BNSource finds the data of a policy that the engine Supports.
func (e *Engine) BNSource(policy bn.Policy) (*BNSource, error) {
	if r := e.sources[policy]; r != nil {
		return r, nil
	}
	split, n := e.BNSplit, policy.Samples
	switch {
	case n > split.Len():
		return nil, fmt.Errorf("policy %v: the split %s holds %d examples", policy, split.Name(), split.Len())
	case n == 0:
		n = split.Len()
	}
	data := dataset.Head(split, n)
	if policy.Seed > 0 {
		data = dataset.Shuffled(split, uint64(policy.Seed), n)
	}
	digest, err := data.Digest()
	if err != nil {
		return nil, err
	}
	if e.sources == nil {
		e.sources = map[bn.Policy]*BNSource{}
	}
	r := &BNSource{data, sweep.BNData{Data: digest, BatchSize: e.BNBatch, Tolerance: policy.Tolerance}}
	e.sources[policy] = r
	return r, nil
}

// Validate evaluates one set of float values (in the network's flat order) on a split, which all workers
// share between them. The set is what each example gave, where the task tells it.
func (e *Engine) Validate(ctx context.Context, weights []float32, data *Data) ([]Value, examples.Set, error) {
	size, n := e.batch(), data.feed.Len()
	batches := (n + size - 1) / size
	workers := min(e.Workers, batches)
	scores := e.task().Scores(n)
	g, ctx := errgroup.WithContext(ctx)
	for w := range workers {
		g.Go(func() error {
			return torch.Worker(e.Threads, false, func() error {
				in, err := e.instance()
				if err != nil {
					return err
				}
				defer in.Free()
				if err := in.Weights().Load(0, weights); err != nil {
					return err
				}
				from, to := batches*w/workers*size, batches*(w+1)/workers*size
				return data.score([]model.Instance{in}, from, min(to, n), size, []task.Scores{scores}, ctx.Err)
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	return values(scores.Values()), data.each(scores), nil
}

// Recompute recomputes the batch-norm statistics of weights in place, by a pass over the data of a policy recompute, in batches of
// BNBatch.
func (e *Engine) Recompute(ctx context.Context, tensors []checkpoint.Tensor, tied map[string]string, data []byte, policy bn.Policy, from *Data) error {
	return torch.Worker(e.Threads, false, func() error {
		in, err := e.instance()
		if err != nil {
			return err
		}
		defer in.Free()
		if err := load(e.Net, in.Weights(), weights{tensors: tensors, tied: tied, data: data}); err != nil {
			return err
		}
		if err := from.observe([]model.Instance{in}, e.BNBatch, policy.Tolerance, ctx.Err); err != nil {
			return err
		}
		values, err := in.Weights().Values()
		if err != nil {
			return err
		}
		have := bareNamed(e.Net, tensors, tied)
		for _, entry := range e.Net.Layout().Entries {
			if entry.Role == model.Statistic {
				t, _ := find(e.Net, have, entry.Name)
				checkpoint.Encode(data[t.Begin:t.End], t.DType, values[entry.Offset:entry.Offset+entry.Elements()])
			}
		}
		return nil
	})
}
