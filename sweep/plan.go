package sweep

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Plan is a sweep with its evaluations known. It is never changed.
type Plan struct {
	Spec  Spec
	Cells []Cell // in the order in which they are evaluated, which any machine finds again
	Notes []Note // what was found but is not used

	plans    []*averaging.Plan // of each trajectory
	averages [][]Average       // of each plan, their names
	rounded  []rounding        // of each trajectory, what its averages are rounded to
	policies []bn.Policy       // Spec.policies()
	metrics  []metric.Metric   // as the backend describes them
	inputs   [][]Inputs        // by policy and split, without an average
	rows     []row
	recorded map[string][]Value // what the training logs hold, by key
	baseline int                // of policies, the baseline's
	asked    bool               // the scheme last was asked for
}

// Cell is one evaluation that a sweep needs.
type Cell struct {
	Run     int // index into Spec.Trajectories
	Average int // index into the averages of that trajectory
	Policy  int
	Split   int // index into Spec.Splits
	Key     string
}

// row is a line of results, but for its metric: a request under a policy on a split.
type row struct {
	run     int
	request averaging.Request
	policy  int
	split   int
	key     string
}

// NewPlan finds the evaluations that a sweep needs, each once. Of checkpoints whose digests are not known yet they are
// computed, which is all that it may wait for. What cannot be had is an averaging.RequestError.
func NewPlan(ctx context.Context, spec Spec, b Backend) (*Plan, error) {
	plans, err := spec.averages()
	if err != nil {
		return nil, err
	}
	if err := spec.Check(b); err != nil {
		return nil, err
	}
	for run, t := range spec.Trajectories {
		if err := t.Seal(ctx, plans[run].Sources(), spec.AllowNonFinite, nil); err != nil {
			return nil, err
		}
	}
	p := &Plan{Spec: spec, plans: plans, metrics: b.Metrics(), policies: spec.policies(), baseline: spec.baseline(), asked: spec.asked(averaging.Last{}.Spec())}
	for _, policy := range p.policies {
		var inputs []Inputs
		for _, split := range spec.Splits {
			in, err := b.Inputs(policy, split)
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, in)
		}
		p.inputs = append(p.inputs, inputs)
	}
	said := map[checkpoint.DType]bool{} // that averages are rounded to it
	for _, t := range spec.Trajectories {
		tensors, err := t.Tensors(0)
		if err != nil {
			return nil, err
		}
		p.rounded = append(p.rounded, roundingOf(tensors, spec.DType))
		p.noteRounding(len(p.rounded)-1, tensors, said)
	}
	p.findCells()
	return p, p.findRecorded()
}

// noteRounding says where averages of a trajectory lose by being rounded to its checkpoints' type, once for each type.
func (p *Plan) noteRounding(run int, tensors []checkpoint.Tensor, said map[checkpoint.DType]bool) {
	if p.Spec.DType != "" || !slices.ContainsFunc(p.plans[run].Averages, func(c averaging.Coefficients) bool { return len(c.Indices) > 1 }) {
		return
	}
	for _, d := range []checkpoint.DType{checkpoint.BF16, checkpoint.F16} {
		if !said[d] && slices.ContainsFunc(tensors, func(t checkpoint.Tensor) bool { return t.DType == d }) {
			said[d] = true
			p.Notes = append(p.Notes, Note{Text: fmt.Sprintf("trajectory %s has tensors of %s: its averages are rounded to that before they are evaluated, as they are when they are written", p.Spec.Trajectories[run].Meta.Run, d)}.With("dtype f32", "evaluates them unrounded"))
		}
	}
}

// findCells names the averages, and gives each evaluation to the first that needs it: by trajectory, endpoint, average,
// policy and split.
func (p *Plan) findCells() {
	seen := map[string]bool{}
	for run, t := range p.Spec.Trajectories {
		plan := p.plans[run]
		names := averages(t.Checkpoints, plan.Averages, p.rounded[run])
		p.averages = append(p.averages, names)
		wanted := make([][]bool, len(names)) // by average and policy
		for _, r := range plan.Requests {
			for policy := range p.policies {
				if p.wants(r, policy) {
					if wanted[r.Average] == nil {
						wanted[r.Average] = make([]bool, len(p.policies))
					}
					wanted[r.Average][policy] = true
				}
			}
		}
		keys := make([][]string, len(names)*len(p.policies)) // by split
		for average, policies := range wanted {
			for policy, is := range policies {
				if !is {
					continue
				}
				for split := range p.Spec.Splits {
					c := Cell{run, average, policy, split, p.inputs[policy][split].Of(names[average]).Key()}
					keys[average*len(p.policies)+policy] = append(keys[average*len(p.policies)+policy], c.Key)
					if !seen[c.Key] {
						seen[c.Key] = true
						p.Cells = append(p.Cells, c)
					}
				}
			}
		}
		for _, r := range plan.Requests {
			for policy := range p.policies {
				if !p.wants(r, policy) {
					continue
				}
				for split, key := range keys[r.Average*len(p.policies)+policy] {
					p.rows = append(p.rows, row{run, r, policy, split, key})
				}
			}
		}
	}
}

// wants says whether a request is evaluated under a policy: the baseline, last under copy, always; everything else as
// it was asked for.
func (p *Plan) wants(r averaging.Request, policy int) bool {
	isLast := r.Scheme == averaging.Scheme(averaging.Last{})
	return isLast && policy == p.baseline || policy < len(p.Spec.Policies) && (!isLast || p.asked)
}

// inputsOf are all that a cell depends on.
func (p *Plan) inputsOf(c Cell) Inputs {
	return p.inputs[c.Policy][c.Split].Of(p.averages[c.Run][c.Average])
}

// findRecorded takes what the training logs hold of the plan's evaluations, and says what they hold in vain.
func (p *Plan) findRecorded() error {
	wanted := make(map[string]bool, len(p.Cells))
	for _, c := range p.Cells {
		wanted[c.Key] = true
	}
	p.recorded = map[string][]Value{}
	for _, t := range p.Spec.Trajectories {
		old := 0
		for i, c := range t.Checkpoints {
			for key, raw := range c.Known {
				if !wanted[key] {
					if formatOf(raw) < InputsFormat {
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
					return fmt.Errorf("%s: recorded evaluation: %w", t.Name(i), err)
				}
				p.recorded[key] = e.Values
			}
		}
		if old > 0 {
			p.Notes = append(p.Notes, Note{Text: fmt.Sprintf("trajectory %s: its log holds %d evaluations of an older version. Which libtorch and which kind of GPU made them was not recorded, so they are not used", t.Meta.Run, old)})
		}
	}
	return nil
}

// formatOf is the format of the inputs of a recorded evaluation; of what cannot be read it is today's.
func formatOf(raw trajectory.RawJSON) int {
	var of struct{ Inputs struct{ Format int } }
	if json.Unmarshal(raw, &of) != nil {
		return InputsFormat
	}
	return of.Inputs.Format
}
