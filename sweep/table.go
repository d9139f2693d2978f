package sweep

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/lawa-replay/lawa-replay/results"
)

// Incomplete is the error of a table that lacks evaluations.
type Incomplete struct {
	Missing []Cell // in the plan's order
	Of      int    // cells that the plan has
}

// Error implements error.
func (m *Incomplete) Error() string {
	return fmt.Sprintf("%d of %d evaluations are missing", len(m.Missing), m.Of)
}

// Provenance is what a table's metadata say of a plan, of what evaluates it, and of the software that does.
func (p *Plan) Provenance(b Backend, software string) (map[string]any, error) {
	known, err := p.runs()
	if err != nil {
		return nil, err
	}
	var runs []map[string]any
	for i, t := range p.Spec.Trajectories {
		runs = append(runs, map[string]any{"run": t.Meta.Run, "seed": t.Meta.Seed, "folder": known[i].Folder, "training": t.Meta.Training, "checkpoints": len(t.Checkpoints), "last_sha256": t.Checkpoints[len(t.Checkpoints)-1].SHA256, "devices": t.Meta.Devices})
	}
	schemes, policies := p.Spec.texts()
	out := map[string]any{}
	maps.Copy(out, b.Provenance())
	maps.Copy(out, map[string]any{"software": software, "numeric": p.Numeric(), "runs": runs, "schemes": schemes, "policies": policies, "splits": p.Spec.Splits})
	if p.Spec.DType != "" {
		out["dtype"] = p.Spec.DType
	}
	return out, nil
}

// Table makes the table of a plan's evaluations from the training logs and the stores. Where some are missing it is the
// table of the others, and the error is an *Incomplete. provenance is written into the table's metadata as JSON.
func Table(p *Plan, provenance map[string]any, stores ...*Store) (*results.Table, error) {
	return TableWith(p, nil, provenance, stores...)
}

// TableWith is Table; what was evaluated on a part of the examples, if samples are given, has rows that say so.
func TableWith(p *Plan, samples *Samples, provenance map[string]any, stores ...*Store) (*results.Table, error) {
	text, err := json.Marshal(provenance)
	if err != nil {
		return nil, err
	}
	runs, err := p.runs()
	if err != nil {
		return nil, err
	}
	values := make(map[string][]Value, len(p.Cells))
	missing := &Incomplete{Of: len(p.Cells)}
	for _, c := range p.Cells {
		v, err := p.valuesOf(c, stores)
		if err != nil {
			return nil, err
		}
		if v == nil && (samples == nil || len(samples.parts[c.Key]) == 0) {
			missing.Missing = append(missing.Missing, c)
		}
		values[c.Key] = v
	}
	table := &results.Table{Provenance: string(text)}
	for _, r := range p.rows {
		t, run := p.Spec.Trajectories[r.run], runs[r.run]
		c := t.Checkpoints[r.request.Endpoint]
		var all []estimated
		for _, v := range values[r.key] {
			all = append(all, estimated{Value: v})
		}
		if all == nil && samples != nil && len(samples.parts[r.key]) > 0 {
			if all, err = samples.estimate(stores, r); err != nil {
				return nil, err
			}
		}
		for _, v := range all {
			var n *int64
			var low, high *float64
			if v.examples > 0 {
				n, low, high = new(int64(v.examples)), &v.low, &v.high
			}
			table.Rows = append(table.Rows, results.Row{
				Run: run.Name, Seed: run.Seed, Folder: run.Folder, Config: run.Config, Devices: run.Devices, Scheme: r.request.Scheme.Spec(), K: int32(r.request.Scheme.K()),
				Epoch: c.Epoch, Step: t.Step(r.request.Endpoint), Policy: p.policies[r.policy].String(), Split: p.Spec.Splits[r.split],
				Metric: v.Metric, Value: float64(v.Value.Value), StdErr: float64(v.StdErr), N: v.N, Seconds: c.Seconds, LR: c.LR, Tokens: c.Tokens, Examples: n, Low: low, High: high, Key: r.key,
			})
		}
	}
	for _, m := range p.metrics {
		if slices.ContainsFunc(table.Rows, func(r results.Row) bool { return r.Metric == m.Name }) {
			table.Metrics = append(table.Metrics, m)
		}
	}
	if len(missing.Missing) > 0 {
		return table, missing
	}
	return table, nil
}

// valuesOf finds the values of a cell; nil where nobody has them.
func (p *Plan) valuesOf(c Cell, stores []*Store) ([]Value, error) {
	if v, ok := p.recorded[c.Key]; ok {
		return v, nil
	}
	for _, s := range stores {
		if v, ok, err := s.Get(c.Key); ok || err != nil {
			return v, err
		}
	}
	return nil, nil
}
