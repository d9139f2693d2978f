// Package evaluator turns averages into numbers: it plans a sweep, evaluates each average once, and
// writes the table.
//
// It believes that forward passes cost far more than averages, so everything is done to run fewer of
// them: equal averages share one evaluation, a store remembers what was evaluated before, the training
// log is read first, and several models share each pass over the data. On a CPU every worker has one
// thread, because many small networks side by side are faster than one spread over the cores.
package evaluator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Sweep is what to evaluate: schemes × endpoints × policies × splits, over one or more trajectories of
// the same network. The baseline (last, with the checkpoint's own statistics) always comes along.
type Sweep struct {
	Dir            string // where the store and results.parquet go
	Trajectories   []*trajectory.Trajectory
	Endpoints      [][]int // for each trajectory, indices of checkpoints
	Schemes        []averaging.Scheme
	Policies       []bn.Policy
	Splits         []string
	AllowNonFinite bool
	AllowGaps      bool
	Memory         int64             // budget in bytes for averaging (see averaging.Options), and up to half of it for evaluating
	Provenance     map[string]any    // written into the table's metadata
	Start          func(missing int) // told how many evaluations are to be made
	Progress       func(done, total int)
	Note           func(text string) // told what was found but is not used

	plans []*averaging.Plan
}

// Summary counts what a sweep did.
type Summary struct {
	Evaluations int // different ones that the sweep needs
	Missing     int // of them, neither in the store nor in the training log
	Evaluated   int // of those, evaluated now
	Recorded    int // of them, taken from the training log
}

func (s *Sweep) note(text string) {
	if s.Note != nil {
		s.Note(text)
	}
}

// cell is one evaluation that the sweep needs.
type cell struct {
	run     int
	average int
	policy  int
	split   int
	key     string
	inputs  Inputs
}

// Run evaluates what the store in s.Dir does not have and writes the table. When ctx ends it returns
// ctx's error, and what was finished is in the store.
func (s *Sweep) Run(ctx context.Context, engine Backend) (Summary, error) {
	var sum Summary
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return sum, err
	}
	unlock, err := atomicfile.Lock(s.Dir)
	if err != nil {
		return sum, err
	}
	defer unlock()
	if err := atomicfile.RemoveLeftovers(s.Dir, "store"); err != nil {
		return sum, err
	}
	store, err := OpenStore(filepath.Join(s.Dir, "store"), s.note)
	if err != nil {
		return sum, err
	}
	defer store.Close()
	p, err := s.prepare(ctx, engine)
	if err != nil {
		return sum, err
	}
	sum.Evaluations = len(p.cells)
	known, err := s.known(p, store, &sum)
	if err != nil {
		return sum, err
	}
	missing := map[string]cell{}
	for key, c := range p.cells {
		if _, ok := known[key]; !ok {
			missing[key] = c
		}
	}
	sum.Missing = len(missing)
	if s.Start != nil {
		s.Start(len(missing))
	}
	if len(missing) > 0 {
		err := s.keepAverages(p, missing, store)
		if err == nil {
			err = s.evaluate(ctx, engine, p, missing, store, &sum)
		}
		if err := errors.Join(err, store.Sync()); err != nil {
			return sum, err
		}
		for key := range missing {
			values, ok, err := store.Get(key)
			if err == nil && !ok {
				err = fmt.Errorf("evaluation %s is missing from the store", key)
			}
			if err != nil {
				return sum, err
			}
			known[key] = values
		}
	}
	return sum, s.write(p, known)
}

// Plan finds the averages that the sweep needs of each trajectory, the baseline's among them. Run does it
// too; on its own it says beforehand, by an averaging.RequestError, what cannot be had.
func (s *Sweep) Plan() error {
	if s.plans != nil {
		return nil
	}
	schemes := s.Schemes
	if !s.asked(averaging.Last{}.Spec()) {
		schemes = append([]averaging.Scheme{averaging.Last{}}, schemes...)
	}
	var plans []*averaging.Plan
	for run, t := range s.Trajectories {
		plan, err := averaging.NewPlan(averaging.Points(t), schemes, s.Endpoints[run], s.AllowGaps)
		if err != nil {
			return fmt.Errorf("trajectory %s: %w", t.Meta.Run, err)
		}
		plans = append(plans, plan)
	}
	s.plans = plans
	return nil
}

// Check says whether the backend can evaluate the trajectories under the policies. Run does it too.
func (s *Sweep) Check(backend Backend) error {
	for _, policy := range s.Policies {
		if err := backend.Supports(policy); err != nil {
			return err
		}
	}
	for _, t := range s.Trajectories {
		tensors, err := t.Tensors(0)
		if err != nil {
			return err
		}
		if err := backend.Check(tensors, t.Meta.Tied); err != nil {
			return fmt.Errorf("trajectory %s: %w", t.Meta.Run, err)
		}
	}
	return nil
}

// asked says whether a scheme was asked for, or came along as the baseline.
func (s *Sweep) asked(spec string) bool {
	return slices.ContainsFunc(s.Schemes, func(scheme averaging.Scheme) bool { return scheme.Spec() == spec })
}

// prepared is a sweep with its cells known.
type prepared struct {
	// policies[i] is s.Policies[i]; the last one is the baseline's own.
	policies []bn.Policy
	rows     []row
	cells    map[string]cell
	averages [][]Average // of each trajectory's plan
}

// row is a line of results: a request under a policy on a split.
type row struct {
	run     int
	request averaging.Request
	policy  int
	split   int
	key     string
}

func (s *Sweep) prepare(ctx context.Context, engine Backend) (*prepared, error) {
	p := &prepared{cells: map[string]cell{}, policies: append(append([]bn.Policy{}, s.Policies...), bn.Policy{Kind: bn.Copy})}
	if err := s.Check(engine); err != nil {
		return nil, err
	}
	if err := s.Plan(); err != nil {
		return nil, err
	}
	for run, t := range s.Trajectories {
		if err := t.Seal(ctx, s.plans[run].Sources(), s.AllowNonFinite, nil); err != nil {
			return nil, err
		}
	}
	lastAsked := s.asked(averaging.Last{}.Spec())
	for run, t := range s.Trajectories {
		plan := s.plans[run]
		baseline := len(s.Policies)
		for i, policy := range s.Policies {
			if policy.Kind == bn.Copy {
				baseline = i
			}
		}
		names := averages(t.Checkpoints, plan.Averages)
		p.averages = append(p.averages, names)
		for _, r := range plan.Requests {
			isLast := r.Scheme == averaging.Scheme(averaging.Last{})
			for policy := range p.policies {
				// The baseline's own row: last under copy. Everything else only as asked for.
				own := isLast && policy == baseline
				if !own && (policy == len(s.Policies) || isLast && !lastAsked) {
					continue
				}
				for split, name := range s.Splits {
					in, err := engine.Inputs(names[r.Average], p.policies[policy], name)
					if err != nil {
						return nil, err
					}
					c := cell{run, r.Average, policy, split, in.Key(), in}
					if _, ok := p.cells[c.key]; !ok {
						p.cells[c.key] = c
					}
					p.rows = append(p.rows, row{run, r, policy, split, c.key})
				}
			}
		}
	}
	return p, nil
}

// known collects the values that the store has, and those that the training logs have recorded.
func (s *Sweep) known(p *prepared, store *Store, sum *Summary) (map[string][]Value, error) {
	known := map[string][]Value{}
	for _, t := range s.Trajectories {
		old := 0
		for i, c := range t.Checkpoints {
			for key, raw := range c.Known {
				if _, wanted := p.cells[key]; !wanted {
					var of struct{ Inputs struct{ Format int } }
					if err := json.Unmarshal(raw, &of); err == nil && of.Inputs.Format < inputsFormat {
						old++
					}
					continue
				}
				var e Evaluation
				err := json.Unmarshal(raw, &e)
				if err == nil {
					err = e.check(key)
				}
				if err != nil {
					return nil, fmt.Errorf("%s: recorded evaluation: %w", t.Name(i), err)
				}
				known[key] = e.Values
			}
		}
		if old > 0 {
			s.note(fmt.Sprintf("trajectory %s: its log holds %d evaluations of an older version. Which libtorch and which kind of GPU made them was not recorded, so they are not used", t.Meta.Run, old))
		}
	}
	sum.Recorded = len(known)
	for key := range p.cells {
		if _, ok := known[key]; ok {
			continue
		}
		values, ok, err := store.Get(key)
		if err != nil {
			return nil, err
		}
		if ok {
			known[key] = values
		}
	}
	return known, nil
}

// keepAverages lets the store know what is in the averages that are to be evaluated.
func (s *Sweep) keepAverages(p *prepared, missing map[string]cell, store *Store) error {
	type id struct{ run, average int }
	wanted := map[id]bool{}
	for _, c := range missing {
		wanted[id{c.run, c.average}] = true
	}
	for run, t := range s.Trajectories {
		err := store.KeepAverages(t, p.averages[run], s.plans[run].Averages, func(average int) bool { return wanted[id{run, average}] })
		if err != nil {
			return err
		}
	}
	return nil
}

// evaluate streams the averages that have a missing cell to the workers.
func (s *Sweep) evaluate(ctx context.Context, engine Backend, p *prepared, missing map[string]cell, store *Store, sum *Summary) error {
	// Cells of the same average and policy are one unit: the weights are loaded once.
	type id struct{ run, average, policy int }
	byUnit := map[id][]cell{}
	for _, c := range missing {
		u := id{c.run, c.average, c.policy}
		byUnit[u] = append(byUnit[u], c)
	}
	var left, done atomic.Int64
	left.Store(int64(len(byUnit)))
	units := make(chan *unit, 2*engine.slots())
	g, ctx := errgroup.WithContext(ctx)
	used, free, err := engine.start(ctx, g, job{units, &left, s.Splits, p.policies, (s.Memory + 1) / 2, s.note})
	if err != nil {
		return err
	}
	options := averaging.Options{Memory: s.Memory}
	if s.Memory > 0 {
		options.Memory = max(1, s.Memory-used)
	}
	defer free()
	total := len(missing)
	g.Go(func() error {
		defer close(units)
		for run, t := range s.Trajectories {
			source := t.Source(s.AllowNonFinite)
			latest := &newest{source: source}
			wanted := func(average int) bool {
				for policy := range p.policies {
					if len(byUnit[id{run, average, policy}]) > 0 {
						return true
					}
				}
				return false
			}
			err := averaging.Stream(ctx, source, s.plans[run], wanted, options, func(o *averaging.Output) error {
				if err := o.Verified(); err != nil { // an evaluation lasts
					return err
				}
				c := s.plans[run].Averages[o.Average]
				what := "the checkpoint of"
				if n := len(c.Indices); n > 1 {
					what = fmt.Sprintf("the average of %d checkpoints up to", n)
				}
				uses := &atomic.Int64{}
				var made []*unit
				for policy := range p.policies {
					cells := byUnit[id{run, o.Average, policy}]
					if len(cells) == 0 {
						continue
					}
					u := &unit{weights: weights{tensors: o.Tensors, data: o.Data, tied: t.Meta.Tied}, policy: p.policies[policy],
						name: fmt.Sprintf("%s epoch %s of %s, policy %v", what, trajectory.EpochName(t.Checkpoints[c.Newest()].Epoch), t.Meta.Run, p.policies[policy])}
					for _, cell := range cells {
						u.splits = append(u.splits, s.Splits[cell.split])
					}
					closeNewest := func() {}
					if u.policy.Kind == bn.Copy && len(c.Indices) > 1 {
						w, err := latest.get(c.Newest())
						if err != nil {
							return err
						}
						u.newest, closeNewest = w.Mapped, w.release
					}
					uses.Add(1)
					u.release = func() {
						closeNewest()
						if uses.Add(-1) == 0 {
							o.Release()
						}
					}
					u.done = func(split int, values []Value) error {
						if err := store.Put(Evaluation{cells[split].inputs, values}); err != nil {
							return err
						}
						if n := int(done.Add(1)); s.Progress != nil {
							s.Progress(n, total)
						}
						return nil
					}
					made = append(made, u)
				}
				for _, u := range made {
					select {
					case units <- u:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				return nil
			})
			latest.drop()
			if err != nil {
				return err
			}
		}
		return nil
	})
	err = g.Wait()
	sum.Evaluated = int(done.Load())
	return err
}

func (s *Sweep) write(p *prepared, known map[string][]Value) error {
	provenance, err := json.Marshal(s.Provenance)
	if err != nil {
		return err
	}
	runs, err := s.runs()
	if err != nil {
		return err
	}
	table := &results.Table{Provenance: string(provenance)}
	for _, r := range p.rows {
		t, run := s.Trajectories[r.run], runs[r.run]
		c := t.Checkpoints[r.request.Endpoint]
		for _, v := range known[r.key] {
			table.Rows = append(table.Rows, results.Row{
				Run: run.Name, Seed: run.Seed, Folder: run.Folder, Config: run.Config, Devices: run.Devices, Scheme: r.request.Scheme.Spec(), K: int32(r.request.Scheme.K()),
				Epoch: c.Epoch, Step: t.Step(r.request.Endpoint), Policy: p.policies[r.policy].String(), Split: s.Splits[r.split],
				Metric: v.Metric, Value: float64(v.Value), StdErr: float64(v.StdErr), N: v.N, Seconds: c.Seconds, Key: r.key,
			})
		}
	}
	return results.Write(filepath.Join(s.Dir, results.File), table)
}

// Record evaluates a new checkpoint as the baseline (its own statistics) on a split, and puts the
// evaluation and its metrics into the checkpoint's line, where sweeps will find it.
func (e *Engine) Record(ctx context.Context, c *trajectory.Checkpoint, values []float32, split *dataset.Resident) error {
	v, err := e.Validate(ctx, values, split)
	if err != nil {
		return err
	}
	average := newAverage([]trajectory.Checkpoint{*c}, averaging.Coefficients{Indices: []int{0}, Weights: []float64{1}, Norm: 1})
	in := e.inputs(average, bn.Policy{Kind: bn.Copy}, split.Split)
	raw, err := json.Marshal(Evaluation{in, v})
	if err != nil {
		return err
	}
	if c.Known == nil {
		c.Known = map[string]trajectory.RawJSON{}
	}
	c.Known[in.Key()] = raw
	for _, v := range v {
		c.Metrics[split.Name+"/"+v.Metric] = v.Value
	}
	return nil
}
