package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Options say how a plan is run. They change no number.
type Options struct {
	Memory   int64             // budget in bytes for averaging (see averaging.Options), and up to half of it for evaluating; 0 sets none
	Others   Stores            // of other processes, whose evaluations are not made again
	Start    func(missing int) // told how many evaluations are to be made
	Progress func(done, total int)
	Note     func(Note) // told what people should know
}

// Summary counts what a run did.
type Summary struct {
	Evaluations int // different ones that the plan has
	Missing     int // of them, neither in a store nor in the training log
	Evaluated   int // of those, evaluated now
	Recorded    int // of them, taken from the training log
}

// Run evaluates the cells of a plan that neither the training logs nor a store has, and puts them into the store. When
// ctx ends it returns ctx's error, and what was finished is in the store.
func Run(ctx context.Context, p *Plan, b Backend, store *Store, o Options) (Summary, error) {
	sum := Summary{Evaluations: len(p.Cells)}
	missing, recorded := p.Missing(append(Stores{store}, o.Others...)...)
	sum.Missing, sum.Recorded = len(missing), recorded
	if o.Start != nil {
		o.Start(len(missing))
	}
	if len(missing) == 0 {
		return sum, nil
	}
	r := newRun(p, missing, store, o)
	err := r.keepAverages()
	if err == nil {
		err = r.evaluate(ctx, b)
	}
	sum.Evaluated = int(r.done.Load())
	return sum, errors.Join(err, store.Sync())
}

// Missing lists the cells that neither a training log nor a store has, and counts those that the logs have.
func (p *Plan) Missing(stores ...*Store) (missing []Cell, recorded int) {
	for _, c := range p.Cells {
		if _, ok := p.recorded[c.Key]; ok {
			recorded++
		} else if !slices.ContainsFunc(stores, func(s *Store) bool { return s.Has(c.Key) }) {
			missing = append(missing, c)
		}
	}
	return missing, recorded
}

// run is the evaluation of some cells.
type run struct {
	*Plan
	Options
	store *Store
	cells map[unitID][]Cell // of each unit
	total int
	done  atomic.Int64
}

// unitID names the cells of one average under one policy: they are one unit, whose weights are loaded once.
type unitID struct{ run, average, policy int }

func newRun(p *Plan, cells []Cell, store *Store, o Options) *run {
	r := &run{Plan: p, Options: o, store: store, cells: map[unitID][]Cell{}, total: len(cells)}
	for _, c := range cells {
		u := unitID{c.Run, c.Average, c.Policy}
		r.cells[u] = append(r.cells[u], c)
	}
	return r
}

// wants says whether an average of a trajectory is to be evaluated.
func (r *run) wants(run, average int) bool {
	for policy := range r.policies {
		if len(r.cells[unitID{run, average, policy}]) > 0 {
			return true
		}
	}
	return false
}

// keepAverages lets the store know what is in the averages that are to be evaluated.
func (r *run) keepAverages() error {
	for run, t := range r.Spec.Trajectories {
		err := r.store.KeepAverages(t, r.averages[run], r.plans[run].Averages, func(average int) bool { return r.wants(run, average) })
		if err != nil {
			return err
		}
	}
	return nil
}

// evaluate opens the backend and streams the averages to it.
func (r *run) evaluate(ctx context.Context, b Backend) (err error) {
	slots, err := b.Open(ctx, Job{Units: len(r.cells), Splits: r.Spec.Splits, Policies: r.policies, Memory: (r.Memory + 1) / 2, Note: orNobody(r.Note)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, slots.close()) }()
	if len(slots.Slots) == 0 {
		return errors.New("the backend has no slot that evaluates")
	}
	options := averaging.Options{Memory: r.Memory, Newest: bn.IsStatistic}
	if r.Memory > 0 {
		options.Memory = max(1, r.Memory-slots.Memory)
	}
	s := newSchedule(slots.Slots, len(r.cells))
	return s.run(ctx, func(ctx context.Context) error {
		for run := range r.Spec.Trajectories {
			if err := r.stream(ctx, run, options, s); err != nil {
				return err
			}
		}
		return nil
	})
}

// stream makes the averages of a trajectory, and hands them to the schedule as units.
func (r *run) stream(ctx context.Context, run int, o averaging.Options, s *schedule) error {
	source := r.Spec.Trajectories[run].Source(r.Spec.AllowNonFinite)
	wanted := func(average int) bool { return r.wants(run, average) }
	return averaging.Stream(ctx, source, r.plans[run], wanted, o, func(o *averaging.Output) error {
		if err := o.Verified(); err != nil { // an evaluation lasts
			o.Release()
			return err
		}
		units := r.units(run, o)
		for i, u := range units {
			if err := s.put(ctx, u); err != nil {
				for _, u := range units[i:] {
					u.Release()
				}
				return err
			}
		}
		return nil
	})
}

// units are what is to be evaluated of an average: one for each policy. The last that is released releases it.
func (r *run) units(run int, o *averaging.Output) []*Unit {
	t, c := r.Spec.Trajectories[run], r.plans[run].Averages[o.Average]
	what := "the checkpoint of"
	if n := len(c.Indices); n > 1 {
		what = fmt.Sprintf("the average of %d checkpoints up to", n)
	}
	what = fmt.Sprintf("%s epoch %s of %s", what, trajectory.EpochName(t.Checkpoints[c.Newest()].Epoch), t.Meta.Run)
	uses := &atomic.Int64{}
	var units []*Unit
	for i, policy := range r.policies {
		cells := r.cells[unitID{run, o.Average, i}]
		if len(cells) == 0 {
			continue
		}
		u := &Unit{Name: fmt.Sprintf("%s, policy %v", what, policy), Tensors: o.Tensors, Data: o.Data, Tied: t.Meta.Tied, Policy: policy, Statistics: policy.Statistics(o.Newest), given: make([]bool, len(cells))}
		for _, c := range cells {
			u.Splits = append(u.Splits, r.Spec.Splits[c.Split])
		}
		uses.Add(1)
		u.release = func() {
			if uses.Add(-1) == 0 {
				o.Release()
			}
		}
		u.done = func(split int, values []Value) error { return r.keep(cells[split], values) }
		units = append(units, u)
	}
	return units
}

// keep puts the values of a cell into the store.
func (r *run) keep(c Cell, values []Value) error {
	if err := r.store.Put(Evaluation{r.inputsOf(c), values}); err != nil {
		return err
	}
	if n := int(r.done.Add(1)); r.Progress != nil {
		r.Progress(n, r.total)
	}
	return nil
}
