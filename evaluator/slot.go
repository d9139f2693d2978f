package evaluator

import (
	"cmp"
	"context"
	"fmt"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/sweep"
)

// groupSize is how many units share a pass over the data, at most.
const groupSize = 4

// loaded is the data that the slots share.
type loaded struct {
	again  bool // units come again: their statistics are kept
	splits map[string]*Data
	bn     map[bn.Policy]*Data
}

// Open implements sweep.Backend: a slot for each worker.
func (e *Engine) Open(ctx context.Context, job sweep.Job) (*sweep.Slots, error) {
	l := &loaded{again: job.Again, splits: map[string]*Data{}, bn: map[bn.Policy]*Data{}}
	if !job.Again {
		e.kept.statistics = nil
	} else if e.kept.statistics == nil {
		e.kept.statistics = map[string][]float32{}
	}
	err := l.load(e, job)
	var used int64
	if err == nil {
		used, err = e.fit(ctx, job, l)
	}
	if err != nil {
		l.free()
		return nil, err
	}
	out := &sweep.Slots{Memory: used, Free: l.free}
	for range e.Workers {
		out.Slots = append(out.Slots, e.newSlot(l))
	}
	return out, nil
}

// room is how many bytes a job's data may take on the engine's device: half of what evaluating may, or of what is free.
func (e *Engine) room(job sweep.Job) (int64, error) {
	switch {
	case e.Device != torch.CPU:
		return device.Room(e.Device)
	case job.Memory > 0:
		return job.Memory / 2, nil
	}
	return device.NoLimit, nil
}

// load brings a job's data to the engine's device.
func (l *loaded) load(e *Engine, job sweep.Job) error {
	room, err := e.room(job)
	if err != nil {
		return err
	}
	take := func(d *Data) {
		if room != device.NoLimit {
			room -= d.feed.Bytes()
		}
	}
	for _, name := range job.Splits {
		split, err := e.Set.Split(name)
		if err != nil {
			return err
		}
		d, err := e.Load(split, room)
		if err != nil {
			return err
		}
		l.splits[name] = d
		take(d)
	}
	for _, policy := range job.Policies {
		if policy.Kind != bn.Recompute {
			continue
		}
		r, err := e.BNSource(policy)
		if err != nil {
			return err
		}
		d, err := e.LoadInputs(r.Split, room)
		if err != nil {
			return err
		}
		l.bn[policy] = d
		take(d)
	}
	return nil
}

// bytes is what of the data lies on the device.
func (l *loaded) bytes() int64 {
	n := int64(0)
	l.each(func(d *Data) { n += d.feed.Bytes() })
	return n
}

func (l *loaded) free() { l.each((*Data).Free) }

func (l *loaded) each(f func(*Data)) {
	for _, d := range l.splits {
		f(d)
	}
	for _, d := range l.bn {
		f(d)
	}
}

// slot computes on an OS thread of its own, to which whoever calls hands the units.
type slot struct {
	engine    *Engine
	data      *loaded
	instances []model.Instance // up to Group
	calls     chan call
	ended     chan error
}

// call is one of Evaluate.
type call struct {
	ctx    context.Context
	units  []*sweep.Unit
	answer chan error
}

func (e *Engine) newSlot(data *loaded) *slot {
	s := &slot{engine: e, data: data, calls: make(chan call), ended: make(chan error, 1)}
	go func() { s.ended <- torch.Worker(e.Threads, false, s.work) }()
	return s
}

// work evaluates what is handed to it, until Close.
func (s *slot) work() error {
	defer func() {
		for _, in := range s.instances {
			in.Free()
		}
	}()
	for c := range s.calls {
		c.answer <- s.evaluate(c.ctx, c.units)
	}
	return nil
}

// Group implements sweep.Slot.
func (s *slot) Group() int { return cmp.Or(s.engine.group, groupSize) }

// Evaluate implements sweep.Slot.
func (s *slot) Evaluate(ctx context.Context, units []*sweep.Unit) error {
	answer := make(chan error, 1)
	s.calls <- call{ctx, units, answer}
	return <-answer
}

// Close implements sweep.Slot.
func (s *slot) Close() error {
	close(s.calls)
	return <-s.ended
}

// evaluate runs a group of units: statistics first where the policy recomputes them, then each split.
func (s *slot) evaluate(ctx context.Context, group []*sweep.Unit) error {
	e := s.engine
	for len(s.instances) < len(group) {
		in, err := e.instance()
		if err != nil {
			return err
		}
		s.instances = append(s.instances, in)
	}
	stale := map[bn.Policy][]model.Instance{}
	var renewed []int // units of which they are
	for i, u := range group {
		err := load(e.Net, s.instances[i].Weights(), weights{tensors: u.Tensors, data: u.Data, tied: u.Tied, statistics: u.Statistics})
		u.Release()
		if err != nil {
			return fmt.Errorf("%s: %w", u.Name, err)
		}
		if u.Policy.Kind == bn.Recompute && e.Net.Layout().HasStatistics() {
			if known, err := e.recall(u, s.instances[i]); err != nil {
				return fmt.Errorf("%s: %w", u.Name, err)
			} else if known {
				continue
			}
			renewed = append(renewed, i)
			stale[u.Policy] = append(stale[u.Policy], s.instances[i])
		}
	}
	for policy, models := range stale {
		if err := s.data.bn[policy].observe(models, e.BNBatch, policy.Tolerance, ctx.Err); err != nil {
			return fmt.Errorf("%s: batch-norm statistics: %w", group[0].Name, err)
		}
	}
	if s.data.again {
		for _, i := range renewed {
			if err := e.remember(group[i], s.instances[i]); err != nil {
				return fmt.Errorf("%s: %w", group[i].Name, err)
			}
		}
	}
	return s.score(ctx, group)
}

// recall puts the statistics of a unit in place that were computed before; false where they are not known.
func (e *Engine) recall(u *sweep.Unit, in model.Instance) (bool, error) {
	e.kept.mu.Lock()
	values, ok := e.kept.statistics[u.ID]
	e.kept.mu.Unlock()
	if !ok {
		return false, nil
	}
	for _, entry := range e.Net.Layout().Entries {
		if entry.Role != model.Statistic {
			continue
		}
		n := entry.Elements()
		if err := in.Weights().Load(entry.Offset, values[:n]); err != nil {
			return false, err
		}
		values = values[n:]
	}
	return true, nil
}

// remember keeps the statistics of a unit that were computed now.
func (e *Engine) remember(u *sweep.Unit, in model.Instance) error {
	all, err := in.Weights().Values()
	if err != nil {
		return err
	}
	var own []float32
	for _, entry := range e.Net.Layout().Entries {
		if entry.Role == model.Statistic {
			own = append(own, all[entry.Offset:entry.Offset+entry.Elements()]...)
		}
	}
	e.kept.mu.Lock()
	defer e.kept.mu.Unlock()
	e.kept.statistics[u.ID] = own
	return nil
}

// score runs each split through the models of a group that are evaluated on it.
func (s *slot) score(ctx context.Context, group []*sweep.Unit) error {
	type cell struct{ unit, split int }
	bySplit := map[string][]cell{}
	var order []string
	for i, u := range group {
		for j, split := range u.Splits {
			if bySplit[split] == nil {
				order = append(order, split)
			}
			bySplit[split] = append(bySplit[split], cell{i, j})
		}
	}
	for _, split := range order {
		data := s.data.splits[split]
		n := data.feed.Len()
		var models []model.Instance
		var results []task.Scores
		for _, c := range bySplit[split] {
			models = append(models, s.instances[c.unit])
			results = append(results, s.engine.task().Scores(n))
		}
		if err := data.score(models, 0, n, s.engine.batch(), results, ctx.Err); err != nil {
			return fmt.Errorf("%s: split %s: %w", group[0].Name, split, err)
		}
		for i, c := range bySplit[split] {
			if err := group[c.unit].Keep(c.split, data.each(results[i])); err != nil {
				return err
			}
			if err := group[c.unit].Done(c.split, values(results[i].Values())); err != nil {
				return err
			}
		}
	}
	return nil
}
