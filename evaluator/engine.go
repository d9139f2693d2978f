package evaluator

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
)

// Backend evaluates averages: the Engine, or Workers of one's own.
type Backend interface {
	// Inputs are all that the evaluation of an average under a policy on a split depends on.
	Inputs(average Average, policy bn.Policy, split string) (Inputs, error)
	// Check says whether a trajectory's tensors can be evaluated.
	Check(tensors []checkpoint.Tensor, tied map[string]string) error
	// Supports says which policies cannot be had, by an error.
	Supports(policy bn.Policy) error
	// Provenance says what evaluates, for the table's metadata.
	Provenance() map[string]any
	// slots is how many units may wait while others are evaluated.
	slots() int
	// start makes g evaluate the units that arrive until the channel is closed. It returns the bytes of the job's memory
	// that it takes, and what is to be called when all are done.
	start(ctx context.Context, g *errgroup.Group, j job) (used int64, free func(), err error)
}

// job is what a backend is started for.
type job struct {
	units    <-chan *unit
	left     *atomic.Int64 // of them, those that are still to come
	splits   []string      // that they are evaluated on
	policies []bn.Policy
	memory   int64             // budget for models and activations; 0 sets none
	note     func(text string) // told what people should know of how it is done
}

// Engine evaluates weights of one network on one device, with several workers.
type Engine struct {
	Net     model.Network
	Device  torch.Device
	Workers int // on a CPU each has one thread; a GPU takes one
	Threads int // per worker

	Task    Task // "" is Classification
	Batch   int  // examples at a time; 0 is the task's own
	Set     *dataset.Set
	BNSplit *dataset.Split // for policy recompute
	BNBatch int

	renewals map[bn.Policy]*Renewal // for each policy that was asked for
	given    bool                   // Workers was asked for
	group    int                    // models that share a pass over the data; 0 is groupSize
}

// Renewal is the data from which a policy recomputes statistics, and what names them.
type Renewal struct {
	Split *dataset.Split
	Names BNData
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

// task is Task with its default, and batch is Batch with its.
func (e *Engine) task() Task {
	if e.Task == "" {
		return Classification
	}
	return e.Task
}

func (e *Engine) batch() int {
	if e.Batch > 0 {
		return e.Batch
	}
	return e.task().batch()
}

// Check implements Backend.
func (e *Engine) Check(tensors []checkpoint.Tensor, tied map[string]string) error {
	return Match(e.Net, tensors, tied)
}

// Supports implements Backend.
func (e *Engine) Supports(policy bn.Policy) error {
	if policy.Kind == bn.Recompute && e.BNSplit == nil {
		return fmt.Errorf("policy %v needs data to recompute the statistics from (--bn-data)", policy)
	}
	if policy.Kind == bn.Recompute && e.BNBatch == 0 {
		return fmt.Errorf("policy %v depends on the batch size, which the trajectory does not record (--bn-batch-size)", policy)
	}
	return nil
}

// Provenance implements Backend.
func (e *Engine) Provenance() map[string]any {
	out := map[string]any{"device": e.Device.String(), "model": e.Net.Spec(), "data": e.Set.Spec, "task": string(e.task()), "bn_batch_size": e.BNBatch}
	if e.BNSplit != nil {
		out["bn_data"] = e.BNSplit.Name
	}
	return out
}

// Renewal finds the data of a policy that the engine Supports.
func (e *Engine) Renewal(policy bn.Policy) (*Renewal, error) {
	if r := e.renewals[policy]; r != nil {
		return r, nil
	}
	split, n := e.BNSplit, policy.Samples
	switch {
	case n > split.N:
		return nil, fmt.Errorf("policy %v: the split %s holds %d examples", policy, split.Name, split.N)
	case n == 0:
		n = split.N
	}
	data := split.Head(n)
	if policy.Seed > 0 {
		data = split.Shuffled(uint64(policy.Seed), n)
	}
	if e.renewals == nil {
		e.renewals = map[bn.Policy]*Renewal{}
	}
	r := &Renewal{data, BNData{data.Digest(), e.BNBatch}}
	e.renewals[policy] = r
	return r, nil
}

// Validate evaluates one set of float values (in the network's flat order) on a split, which all workers
// share between them.
func (e *Engine) Validate(ctx context.Context, values []float32, split *dataset.Resident) ([]Value, error) {
	size := e.batch()
	batches := (split.N + size - 1) / size
	workers := min(e.Workers, batches)
	truth, err := newTruth(e.task(), split.Split)
	if err != nil {
		return nil, err
	}
	result := truth.scores()
	g, ctx := errgroup.WithContext(ctx)
	for w := range workers {
		g.Go(func() error {
			return torch.Worker(e.Threads, false, func() error {
				in, err := e.Net.On(e.Device, false)
				if err != nil {
					return err
				}
				defer in.Free()
				if err := in.Weights().Load(0, values); err != nil {
					return err
				}
				from, to := batches*w/workers*size, batches*(w+1)/workers*size
				return run([]model.Instance{in}, split, from, min(to, split.N), size, []*scores{result}, ctx.Err)
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return result.metrics(), nil
}

// Renew recomputes the batch-norm statistics of weights in place, by a pass over the data in batches of
// BNBatch: the policy recompute.
func (e *Engine) Renew(ctx context.Context, tensors []checkpoint.Tensor, tied map[string]string, data []byte, split *dataset.Resident) error {
	return torch.Worker(e.Threads, false, func() error {
		in, err := e.Net.On(e.Device, false)
		if err != nil {
			return err
		}
		defer in.Free()
		if err := load(e.Net, in.Weights(), weights{tensors: tensors, tied: tied, data: data}); err != nil {
			return err
		}
		if err := model.Recompute([]model.Instance{in}, split.N, e.BNBatch, inputs(split), ctx.Err); err != nil {
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

// unit is one average under one policy, to be evaluated on some splits.
type unit struct {
	weights
	name    string // for messages
	policy  bn.Policy
	splits  []string
	done    func(split int, values []Value) error // called by a worker, for each split
	release func()
}

// groupSize is how many units share a pass over the data, at most.
const groupSize = 4

func (e *Engine) slots() int { return groupSize * e.Workers }

// loaded is the data that the workers share.
type loaded struct {
	splits map[string]*dataset.Resident
	truths map[string]*truth
	bn     map[bn.Policy]*dataset.Resident
}

func (e *Engine) start(ctx context.Context, g *errgroup.Group, j job) (int64, func(), error) {
	l := &loaded{map[string]*dataset.Resident{}, map[string]*truth{}, map[bn.Policy]*dataset.Resident{}}
	var made []*dataset.Resident
	free := func() {
		for _, r := range made {
			r.Free()
		}
	}
	resident := func(split *dataset.Split) (*dataset.Resident, error) {
		r, err := split.On(e.Device)
		if err == nil {
			made = append(made, r)
		}
		return r, err
	}
	for _, name := range j.splits {
		split, err := e.Set.Split(name)
		if err == nil {
			l.splits[name], err = resident(split)
		}
		if err == nil {
			l.truths[name], err = newTruth(e.task(), split)
		}
		if err != nil {
			free()
			return 0, nil, err
		}
	}
	for _, policy := range j.policies {
		if policy.Kind != bn.Recompute {
			continue
		}
		r, err := e.Renewal(policy)
		if err == nil {
			l.bn[policy], err = resident(r.Split)
		}
		if err != nil {
			free()
			return 0, nil, err
		}
	}
	used, err := e.fit(ctx, j, l)
	if err != nil {
		free()
		return 0, nil, err
	}
	for range e.Workers {
		g.Go(func() error {
			return torch.Worker(e.Threads, false, func() error { return e.work(ctx, j.units, j.left, l) })
		})
	}
	return used, free, nil
}

func (e *Engine) work(ctx context.Context, units <-chan *unit, left *atomic.Int64, l *loaded) error {
	var instances []model.Instance
	defer func() {
		for _, in := range instances {
			in.Free()
		}
	}()
	for {
		group := e.next(ctx, units, left)
		if len(group) == 0 {
			return ctx.Err()
		}
		for len(instances) < len(group) {
			in, err := e.Net.On(e.Device, false)
			if err != nil {
				return err
			}
			instances = append(instances, in)
		}
		if err := e.evaluate(ctx, group, instances[:len(group)], l); err != nil {
			return err
		}
	}
}

// next waits for a unit and takes along what else is ready, but leaves enough for the other workers.
func (e *Engine) next(ctx context.Context, units <-chan *unit, left *atomic.Int64) []*unit {
	var group []*unit
	select {
	case u, ok := <-units:
		if !ok {
			return nil
		}
		group = append(group, u)
	case <-ctx.Done():
		return nil
	}
	share := int(left.Load()) / (2 * e.Workers)
	for len(group) < min(cmp.Or(e.group, groupSize), share) {
		select {
		case u, ok := <-units:
			if !ok {
				left.Add(-int64(len(group)))
				return group
			}
			group = append(group, u)
		default:
			left.Add(-int64(len(group)))
			return group
		}
	}
	left.Add(-int64(len(group)))
	return group
}

// evaluate runs a group of units: statistics first where the policy renews them, then each split.
func (e *Engine) evaluate(ctx context.Context, group []*unit, instances []model.Instance, l *loaded) error {
	stale := map[*dataset.Resident][]model.Instance{}
	for i, u := range group {
		err := load(e.Net, instances[i].Weights(), u.weights)
		u.release()
		if err != nil {
			return fmt.Errorf("%s: %w", u.name, err)
		}
		if u.policy.Kind == bn.Recompute && e.Net.Layout().HasStatistics() {
			stale[l.bn[u.policy]] = append(stale[l.bn[u.policy]], instances[i])
		}
	}
	for data, models := range stale {
		if err := model.Recompute(models, data.N, e.BNBatch, inputs(data), ctx.Err); err != nil {
			return fmt.Errorf("%s: batch-norm statistics: %w", group[0].name, err)
		}
	}
	type task struct{ unit, split int }
	bySplit := map[string][]task{}
	var order []string
	for i, u := range group {
		for j, split := range u.splits {
			if bySplit[split] == nil {
				order = append(order, split)
			}
			bySplit[split] = append(bySplit[split], task{i, j})
		}
	}
	for _, split := range order {
		var models []model.Instance
		var results []*scores
		for _, t := range bySplit[split] {
			models = append(models, instances[t.unit])
			results = append(results, l.truths[split].scores())
		}
		data := l.splits[split]
		if err := run(models, data, 0, data.N, e.batch(), results, ctx.Err); err != nil {
			return fmt.Errorf("%s: split %s: %w", group[0].name, split, err)
		}
		for i, t := range bySplit[split] {
			if err := group[t.unit].done(t.split, results[i].metrics()); err != nil {
				return err
			}
		}
	}
	return nil
}
