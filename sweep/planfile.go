package sweep

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// PlanName is the file in a sweep's folder that its plan is written down in.
const PlanName = "plan.json"

// planFormat is raised when older programs could take a plan for another than it is.
const planFormat = 1

// Written is a plan as it is written down: all that is needed to make it again where the same checkpoints, network and
// data lie, and to see that it is the same. Only the arithmetic is left open: which kind of device evaluates, and by
// which version of libtorch, is settled by who runs it.
type Written struct {
	Format    int      `json:"format"`
	Software  string   `json:"software"`  // that planned
	Folder    string   `json:"folder"`    // in which it planned, as seen from the plan's own
	Arguments []string `json:"arguments"` // what it was asked for, as its command line

	Schemes        []string        `json:"schemes"`
	Policies       []string        `json:"policies"`
	Splits         []string        `json:"splits"`
	DType          string          `json:"dtype,omitempty"` // that averages are rounded to; "" is the checkpoints'
	AllowNonFinite bool            `json:"allow_nonfinite,omitempty"`
	AllowGaps      bool            `json:"allow_gaps,omitempty"`
	Runs           []WrittenRun    `json:"runs"`
	Inputs         [][]Inputs      `json:"inputs"` // by policy, the baseline's own last, and split; without average and arithmetic
	Provenance     map[string]any  `json:"provenance"`
	Metrics        []metric.Metric `json:"metrics,omitempty"`
}

// WrittenRun is one trajectory of a plan.
type WrittenRun struct {
	Run       string `json:"run"`
	Endpoints []int  `json:"endpoints"` // indices of checkpoints
	Cells     int    `json:"cells"`
	Digest    string `json:"digest"` // SHA-256 of a line for each cell: the average's digest, policy and split
}

// Write writes the plan down in a sweep's folder.
func (p *Plan) Write(dir, software string, arguments []string, b Backend) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	here, err := filepath.Abs(".")
	if err != nil {
		return err
	}
	w := p.written(b)
	w.Software, w.Folder, w.Arguments = software, from(dir, here), arguments
	text, err := json.MarshalIndent(w, "", " ")
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(filepath.Join(dir, PlanName), append(text, '\n'))
}

// from is path as seen from dir, where there is a way without links, else path.
func from(dir, path string) string {
	real, err := filepath.Abs(dir)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err == nil {
		if rel, err := filepath.Rel(real, path); err == nil {
			return filepath.ToSlash(rel)
		}
	}
	return filepath.ToSlash(path)
}

func (p *Plan) written(b Backend) *Written {
	w := &Written{Format: planFormat, Splits: p.Spec.Splits, DType: string(p.Spec.DType), AllowNonFinite: p.Spec.AllowNonFinite, AllowGaps: p.Spec.AllowGaps,
		Provenance: b.Provenance(), Metrics: b.Metrics()}
	w.Schemes, w.Policies = p.Spec.texts()
	for _, inputs := range p.inputs {
		inputs = slices.Clone(inputs)
		for i := range inputs {
			inputs[i].Numeric = ""
		}
		w.Inputs = append(w.Inputs, inputs)
	}
	for run, t := range p.Spec.Trajectories {
		one := WrittenRun{Run: t.Meta.Run, Endpoints: p.Spec.Endpoints[run]}
		h := sha256.New()
		for _, c := range p.Cells {
			if c.Run == run {
				one.Cells++
				fmt.Fprintf(h, "%s %d %d\n", p.averages[run][c.Average].Digest, c.Policy, c.Split)
			}
		}
		one.Digest = hex.EncodeToString(h.Sum(nil))
		w.Runs = append(w.Runs, one)
	}
	return w
}

// ReadPlan reads what Plan.Write wrote.
func ReadPlan(dir string) (*Written, error) {
	path := filepath.Join(dir, PlanName)
	text, err := input.ReadFile(path, input.Text)
	if err != nil {
		return nil, err
	}
	var w Written
	if err := json.Unmarshal(text, &w); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	switch {
	case w.Format != planFormat:
		return nil, fmt.Errorf("%s: format %d; this program reads %d", path, w.Format, planFormat)
	case len(w.Runs) == 0 || len(w.Splits) == 0 || len(w.Inputs) != len(w.Policies)+1 ||
		slices.ContainsFunc(w.Inputs, func(in []Inputs) bool { return len(in) != len(w.Splits) }):
		return nil, fmt.Errorf("%s: runs, policies and splits do not belong together", path)
	}
	return &w, nil
}

// Spec is what the plan was made of, with its trajectories opened.
func (w *Written) Spec(runs []*trajectory.Trajectory) (Spec, error) {
	s := Spec{Trajectories: runs, Splits: w.Splits, DType: checkpoint.DType(w.DType), AllowNonFinite: w.AllowNonFinite, AllowGaps: w.AllowGaps}
	if len(runs) != len(w.Runs) {
		return s, fmt.Errorf("the plan is of %d runs, there are %d now", len(w.Runs), len(runs))
	}
	for i, r := range w.Runs {
		n := len(runs[i].Checkpoints)
		for _, at := range r.Endpoints {
			if at < 0 || at >= n {
				return s, fmt.Errorf("trajectory %s: the plan has an endpoint at its checkpoint %d, it holds %d now", r.Run, at+1, n)
			}
		}
		s.Endpoints = append(s.Endpoints, r.Endpoints)
	}
	var err error
	if s.Schemes, err = averaging.ParseAll(w.Schemes); err != nil {
		return s, err
	}
	s.Policies, err = bn.ParsePolicies(strings.Join(w.Policies, ","))
	return s, err
}

// Same is an error where a plan, made again, is another than the one that was written down: it says what changed.
func (w *Written) Same(p *Plan, b Backend) error {
	now := p.written(b)
	for _, asked := range []struct {
		what     string
		was, are []string
	}{{"schemes", w.Schemes, now.Schemes}, {"policies", w.Policies, now.Policies}, {"splits", w.Splits, now.Splits}, {"dtype", []string{w.DType}, []string{now.DType}}, {"runs", w.names(), now.names()}} {
		if !slices.Equal(asked.was, asked.are) {
			return fmt.Errorf("the plan's %s were %s, here they are %s", asked.what, strings.Join(asked.was, ", "), strings.Join(asked.are, ", "))
		}
	}
	for i := range w.Inputs {
		for j := range w.Inputs[i] {
			if diff := w.Inputs[i][j].differs(now.Inputs[i][j]); diff != "" {
				return fmt.Errorf("the plan's evaluations on %s are others: %s", w.Splits[j], diff)
			}
		}
	}
	for i, was := range w.Runs {
		is := now.Runs[i]
		if is.Digest != was.Digest {
			return fmt.Errorf("trajectory %s: its checkpoints, or the coefficients of their averages, are not those of the plan (%d evaluations then, %d now)", is.Run, was.Cells, is.Cells)
		}
	}
	return nil
}

// names are those of the runs.
func (w *Written) names() []string {
	var out []string
	for _, r := range w.Runs {
		out = append(out, r.Run)
	}
	return out
}

// differs names the first input that other has otherwise; "" where there is none.
func (in Inputs) differs(other Inputs) string {
	a, b := fields(in), fields(other)
	for i := range a {
		if a[i][1] != b[i][1] {
			return fmt.Sprintf("its %s was %s, here it is %s", a[i][0], a[i][1], b[i][1])
		}
	}
	return ""
}

// fields are the inputs that a plan fixes, with their names.
func fields(in Inputs) [][2]string {
	statistics := "none"
	if in.BN != nil {
		statistics = fmt.Sprintf("%.12s… in batches of %d", in.BN.Data, in.BN.BatchSize)
		if in.BN.Tolerance > 0 {
			statistics += fmt.Sprintf(" to %v", in.BN.Tolerance)
		}
	}
	return [][2]string{{"format", fmt.Sprint(in.Format)}, {"task", in.Task}, {"network", in.Model}, {"policy", in.Policy}, {"data for batch-norm statistics", statistics}, {"data", in.Data}}
}

// Backend is one that knows what evaluations by an arithmetic depend on (Inputs.Numeric), and makes none.
func (w *Written) Backend(numeric string) Backend { return written{w, numeric} }

type written struct {
	*Written
	numeric string
}

// Inputs implements Backend.
func (w written) Inputs(policy bn.Policy, split string) (Inputs, error) {
	i := slices.Index(w.Policies, policy.String())
	if i < 0 {
		i = len(w.Policies)
	}
	in := w.Written.Inputs[i][slices.Index(w.Splits, split)]
	in.Numeric = w.numeric
	return in, nil
}

// Check implements Backend.
func (written) Check([]checkpoint.Tensor, map[string]string) error { return nil }

// Supports implements Backend.
func (written) Supports(bn.Policy) error { return nil }

// Metrics implements Backend.
func (w written) Metrics() []metric.Metric { return w.Written.Metrics }

// Provenance implements Backend.
func (w written) Provenance() map[string]any { return w.Written.Provenance }

// Open implements Backend.
func (written) Open(context.Context, Job) (*Slots, error) {
	return nil, errors.New("a plan that was written down evaluates nothing")
}
