package sweep

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Options say how a plan is run. They change no number.
type Options struct {
	Memory int64  // budget in bytes for averaging (see averaging.Options), and up to half of it for evaluating; 0 sets none
	Others Stores // of other processes, whose evaluations are not made again
	// NoExamples leaves out what each example gave. Otherwise a baseline of the training log of which that is not known is evaluated
	// again.
	NoExamples bool
	Start      func(missing int) // told how many evaluations are to be made
	Progress   func(done, total int)
	Note       func(Note) // told what people should know

	only  map[string]bool // keys of what is evaluated; nil: all
	again bool            // what is evaluated comes again, on other splits
}

// Summary counts what a run did.
type Summary struct {
	Evaluations int // different ones that the plan has
	Missing     int // of them, neither in a store nor in the training log
	Evaluated   int // of those, evaluated now
	Recorded    int // of them, taken from the training log
	Without     int // of those of which it is wanted, the ones in a store of which it is not known what each example gave
}

// Run evaluates the cells of a plan that neither the training logs nor a store has, and puts them into the store. When
// ctx ends it returns ctx's error, and what was finished is in the store.
func Run(ctx context.Context, p *Plan, b Backend, store *Store, o Options) (Summary, error) {
	sum := Summary{Evaluations: len(p.Cells)}
	stores := append(Stores{store}, o.Others...)
	missing, recorded := p.Missing(stores...)
	missing = o.those(missing)
	if t, ok := b.(TellsExamples); ok && !t.TellsExamples() {
		o.NoExamples = true
	}
	if !o.NoExamples {
		lacking, err := p.keepRecorded(store, stores)
		if err != nil {
			return sum, err
		}
		missing, recorded = append(missing, o.those(lacking)...), recorded-len(lacking)
		if o.only == nil {
			sum.Without = p.without(missing, stores)
		}
	}
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

// those are the cells that may be evaluated.
func (o Options) those(cells []Cell) []Cell {
	if o.only == nil {
		return cells
	}
	return slices.DeleteFunc(slices.Clone(cells), func(c Cell) bool { return !o.only[c.Key] })
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

// trained is where a trajectory keeps what each example gave in the evaluations of its training log.
func trained(t *trajectory.Trajectory) string { return filepath.Join(t.Dir, trajectory.ExamplesDir) }

// keepRecorded puts what each example gave in the training logs' evaluations into the store, and lists the cells of which neither a
// trajectory nor a store knows it.
func (p *Plan) keepRecorded(store *Store, stores Stores) (lacking []Cell, err error) {
	var own *examples.Store
	for _, c := range p.Cells {
		if _, ok := p.recorded[c.Key]; !ok || slices.ContainsFunc(stores, func(s *Store) bool { return s.Examples.Has(c.Key) || s.Has(c.Key) }) {
			continue
		}
		if own == nil {
			var dirs []string
			for _, t := range p.Spec.Trajectories {
				dirs = append(dirs, trained(t))
			}
			if own, err = examples.Read(store.note, dirs...); err != nil {
				return nil, err
			}
			defer own.Close()
		}
		set, ok, err := own.Get(c.Key)
		if err != nil {
			store.note(Note{Text: fmt.Sprintf("%v: it is evaluated again", err)})
		}
		if !ok {
			lacking = append(lacking, c)
		} else if err := store.Examples.Put(c.Key, set); err != nil {
			return nil, err
		}
	}
	return lacking, nil
}

// without counts the cells that are in a store, and of which none knows what each example gave.
func (p *Plan) without(missing []Cell, stores Stores) int {
	n := 0
	skip := map[string]bool{}
	for _, c := range missing {
		skip[c.Key] = true
	}
	for _, c := range p.Cells {
		if !skip[c.Key] && !slices.ContainsFunc(stores, func(s *Store) bool { return s.Examples.Has(c.Key) }) {
			n++
		}
	}
	return n
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
	slots, err := b.Open(ctx, Job{Units: len(r.cells), Splits: r.Spec.Splits, Policies: r.policies, Memory: (r.Memory + 1) / 2, Note: orNobody(r.Note), Again: r.again})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, slots.close()) }()
	if len(slots.Slots) == 0 {
		return errors.New("the backend has no slot that evaluates")
	}
	options := averaging.Options{Memory: r.Memory, DType: r.Spec.DType, Newest: bn.IsStatistic}
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
		u := &Unit{ID: r.averages[run][o.Average].Digest + " " + policy.String(), Name: fmt.Sprintf("%s, policy %v", what, policy), Tensors: o.Tensors, Data: o.Data, Tied: t.Meta.Tied, Policy: policy, Statistics: policy.Statistics(o.Newest), given: make([]bool, len(cells))}
		for _, c := range cells {
			u.Splits = append(u.Splits, r.Spec.Splits[c.Split])
		}
		uses.Add(1)
		u.release = func() {
			if uses.Add(-1) == 0 {
				o.Release()
			}
		}
		u.keep = func(split int, set examples.Set) error { return r.keepExamples(cells[split], set) }
		u.done = func(split int, values []Value, seconds float64) error {
			return r.keep(Evaluation{r.inputsOf(cells[split]), values, seconds})
		}
		units = append(units, u)
	}
	return units
}

// keepExamples puts what each example gave into the store.
func (r *run) keepExamples(c Cell, set examples.Set) error {
	if r.NoExamples {
		return nil
	}
	return r.store.Examples.Put(c.Key, set)
}

// keep puts an evaluation into the store.
func (r *run) keep(e Evaluation) error {
	if err := r.store.Put(e); err != nil {
		return err
	}
	if n := int(r.done.Add(1)); r.Progress != nil {
		r.Progress(n, r.total)
	}
	return nil
}
