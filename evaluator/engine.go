package evaluator

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"lawa-replay/bn"
	"lawa-replay/dataset"
	"lawa-replay/internal/torch"
	"lawa-replay/model"
	"lawa-replay/trajectory"
	"lawa-replay/trajectory/safetensors"
)

// Engine evaluates weights of one network on one device, with several workers.
type Engine struct {
	Net     *model.Network
	Device  torch.Device
	Workers int // on a CPU each has one thread; a GPU takes one
	Threads int // per worker
}

// NewEngine chooses workers: as many as asked for, or one per core on a CPU and one on a GPU.
func NewEngine(net *model.Network, device torch.Device, workers, cores int) *Engine {
	e := &Engine{net, device, workers, 1}
	switch {
	case device != torch.CPU:
		e.Workers, e.Threads = 1, cores
	case workers == 0:
		e.Workers = cores
	}
	return e
}

// weights are the values that an instance is loaded with.
type weights struct {
	tensors []safetensors.Tensor
	data    []byte
	newest  *trajectory.Weights // statistics to put over those of data; nil leaves them
}

func byName(tensors []safetensors.Tensor) map[string]safetensors.Tensor {
	m := make(map[string]safetensors.Tensor, len(tensors))
	for _, t := range tensors {
		m[t.Name] = t
	}
	return m
}

// load puts weights into an instance, by name.
func load(in *model.Instance, w weights) error {
	named := byName(w.tensors)
	flat := make([]float32, in.Floats())
	for _, e := range in.Entries {
		t, ok := named[e.Name]
		if !ok {
			return fmt.Errorf("the checkpoints have no tensor %s, which %s needs", e.Name, in.Spec)
		}
		data := w.data
		if w.newest != nil && bn.IsStatistic(e.Name) {
			t, _ = w.newest.Tensor(e.Name)
			data = w.newest.Data
		}
		if e.Role == model.Counter {
			continue
		}
		if !t.DType.Float() || !slices.Equal(t.Shape, e.Shape) {
			return fmt.Errorf("tensor %s is %s, %s needs %s", e.Name, t, in.Spec, safetensors.Tensor{DType: safetensors.F32, Shape: e.Shape})
		}
		safetensors.Decode(flat[e.Offset:e.Offset+e.Elements()], t.DType, data[t.Begin:t.End])
	}
	if len(named) > len(in.Entries) {
		known := map[string]bool{}
		for _, e := range in.Entries {
			known[e.Name] = true
		}
		for _, t := range w.tensors {
			if !known[t.Name] {
				return fmt.Errorf("the checkpoints have a tensor %s, which %s has not", t.Name, in.Spec)
			}
		}
	}
	return in.Load(0, flat)
}

// Validate evaluates one set of float values (in the network's flat order) on a split, which all workers
// share between them.
func (e *Engine) Validate(ctx context.Context, values []float32, split *dataset.Resident) ([]Value, error) {
	batches := (split.N + evaluationBatch - 1) / evaluationBatch
	workers := min(e.Workers, batches)
	result := newClassification(split.N)
	g, ctx := errgroup.WithContext(ctx)
	for w := range workers {
		g.Go(func() error {
			return torch.Worker(e.Threads, false, func() error {
				in, err := e.Net.On(e.Device, false)
				if err != nil {
					return err
				}
				defer in.Free()
				if err := in.Load(0, values); err != nil {
					return err
				}
				from, to := batches*w/workers*evaluationBatch, batches*(w+1)/workers*evaluationBatch
				return classify([]*model.Instance{in}, split, from, min(to, split.N), []*classification{result}, ctx.Err)
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return result.values(split.Classes), nil
}

// Renew recomputes the batch-norm statistics of weights in place, by a pass over the data in batches of
// the given size: the policy recompute.
func (e *Engine) Renew(ctx context.Context, tensors []safetensors.Tensor, data []byte, split *dataset.Resident, batch int) error {
	return torch.Worker(e.Threads, false, func() error {
		in, err := e.Net.On(e.Device, false)
		if err != nil {
			return err
		}
		defer in.Free()
		if err := load(in, weights{tensors: tensors, data: data}); err != nil {
			return err
		}
		if err := model.Renew([]*model.Instance{in}, split.N, batch, split.Batch, ctx.Err); err != nil {
			return err
		}
		values, err := in.Values()
		if err != nil {
			return err
		}
		named := byName(tensors)
		for _, entry := range in.Entries {
			if t := named[entry.Name]; bn.IsStatistic(entry.Name) {
				safetensors.Encode(data[t.Begin:t.End], t.DType, values[entry.Offset:entry.Offset+entry.Elements()])
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
	splits  []*dataset.Resident
	bnData  *dataset.Resident // for policy recompute
	bnBatch int
	done    func(split int, values []Value) error // called by a worker, for each split
	release func()
}

// groupSize is how many units share a pass over the data, at most.
const groupSize = 4

// start makes g evaluate the units that arrive until the channel is closed; left counts those to come.
func (e *Engine) start(ctx context.Context, g *errgroup.Group, units <-chan *unit, left *atomic.Int64) {
	for range e.Workers {
		g.Go(func() error {
			return torch.Worker(e.Threads, false, func() error { return e.work(ctx, units, left) })
		})
	}
}

func (e *Engine) work(ctx context.Context, units <-chan *unit, left *atomic.Int64) error {
	var instances []*model.Instance
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
		if err := evaluate(ctx, group, instances[:len(group)]); err != nil {
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
	for len(group) < min(groupSize, share) {
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
func evaluate(ctx context.Context, group []*unit, instances []*model.Instance) error {
	stale := map[*dataset.Resident][]*model.Instance{}
	for i, u := range group {
		err := load(instances[i], u.weights)
		u.release()
		if err != nil {
			return fmt.Errorf("%s: %w", u.name, err)
		}
		if u.policy.Kind == bn.Recompute {
			stale[u.bnData] = append(stale[u.bnData], instances[i])
		}
	}
	for data, models := range stale {
		if err := model.Renew(models, data.N, group[0].bnBatch, data.Batch, ctx.Err); err != nil {
			return fmt.Errorf("%s: batch-norm statistics: %w", group[0].name, err)
		}
	}
	type task struct{ unit, split int }
	bySplit := map[*dataset.Resident][]task{}
	var order []*dataset.Resident
	for i, u := range group {
		for j, split := range u.splits {
			if bySplit[split] == nil {
				order = append(order, split)
			}
			bySplit[split] = append(bySplit[split], task{i, j})
		}
	}
	for _, split := range order {
		var models []*model.Instance
		var results []*classification
		for _, t := range bySplit[split] {
			models = append(models, instances[t.unit])
			results = append(results, newClassification(split.N))
		}
		if err := classify(models, split, 0, split.N, results, ctx.Err); err != nil {
			return fmt.Errorf("%s: %w", group[0].name, err)
		}
		for i, t := range bySplit[split] {
			if err := group[t.unit].done(t.split, results[i].values(split.Classes)); err != nil {
				return err
			}
		}
	}
	return nil
}
