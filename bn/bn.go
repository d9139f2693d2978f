// Package bn decides what becomes of batch-norm statistics in an average of weights.
//
// It believes that no policy is right for everyone: the mean of running variances is not the variance of
// the averaged network, a recomputation costs passes over data, and both are what people use. So the
// policy is named in every result.
package bn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// Kind is what a policy does.
type Kind string

// The kinds of policy.
const (
	Copy      Kind = "copy"      // the statistics of the newest checkpoint
	Average   Kind = "average"   // averaged like the weights
	Recompute Kind = "recompute" // by a pass over data, as torch.optim.swa_utils.update_bn does
)

// Policy is a kind with its parameters.
type Policy struct {
	Kind    Kind
	Samples int // Recompute: how many examples, 0 for all of the split
	Seed    int // Recompute: 0 takes them in the split's order, otherwise seeds the drawing
	// Tolerance ends Recompute before Samples, when the statistics are known so well: see model.Recompute. 0 ends it nowhere.
	Tolerance float64
}

// Kinds lists the policies.
func Kinds() []spec.Kind[Policy] {
	return []spec.Kind[Policy]{
		{
			Name: string(Copy), About: "those of the newest checkpoint in the average", Examples: []string{"copy"},
			Parse: func(*spec.Spec) Policy { return Policy{Kind: Copy} },
		},
		{
			Name: string(Average), About: "averaged like the weights: what many do, not the statistics of the averaged network", Examples: []string{"average"},
			Parse: func(*spec.Spec) Policy { return Policy{Kind: Average} },
		},
		{
			Name: string(Recompute), About: "recomputed by a pass over data: reset, then the cumulative mean of the statistics of each batch",
			Source:   "torch.optim.swa_utils.update_bn; Izmailov et al. 2018, arXiv 1803.05407, section 3.2",
			Examples: []string{"recompute", "recompute:samples=5000", "recompute:samples=5000,seed=1", "recompute:tolerance=0.01"},
			Options: []spec.Option{
				{Name: "samples", About: "how many examples; all of the split without it"},
				{Name: "seed", About: "draws the examples; 0, the default without tolerance, takes them in the split's order; 1 with it"},
				{Name: "tolerance", About: "ends when the standard error of the statistics is below it: of means in standard deviations, of variances in variances, the root mean square over all channels"},
			},
			Parse: func(s *spec.Spec) Policy {
				p := Policy{Kind: Recompute, Samples: s.Int("samples", 0, 1), Tolerance: s.Float("tolerance", 0, 0, 1)}
				usual := 0
				if p.Tolerance > 0 {
					usual = 1
				}
				if p.Seed = s.Int("seed", usual, 0); p.Tolerance > 0 && p.Seed == 0 {
					s.Fail("tolerance=%v: examples in the split's order may be sorted, and their spread says nothing; seed=1 draws them", p.Tolerance)
				}
				return p
			},
		},
	}
}

// ParsePolicy reads copy, average, recompute, recompute:samples=N or recompute:samples=N,seed=S.
func ParsePolicy(text string) (Policy, error) { return spec.Choose("batch-norm policy", text, Kinds()) }

// ParsePolicies reads a list such as copy,recompute:samples=10,seed=3, and leaves out what stands there twice.
func ParsePolicies(text string) ([]Policy, error) {
	var out []Policy
	for _, t := range SplitPolicies(text) {
		p, err := ParsePolicy(t)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}

// SplitPolicies parts a list at the commas before a policy's name.
func SplitPolicies(text string) []string {
	var out []string
	for _, part := range strings.Split(text, ",") {
		if len(out) > 0 && strings.Contains(part, "=") && !strings.Contains(part, ":") {
			out[len(out)-1] += "," + part
			continue
		}
		out = append(out, part)
	}
	return out
}

// String is the canonical text that ParsePolicy reads.
func (p Policy) String() string {
	var options []string
	if p.Samples > 0 {
		options = append(options, fmt.Sprintf("samples=%d", p.Samples))
	}
	if p.Seed > 0 {
		options = append(options, fmt.Sprintf("seed=%d", p.Seed))
	}
	if p.Tolerance > 0 {
		options = append(options, fmt.Sprintf("tolerance=%v", p.Tolerance))
	}
	if len(options) == 0 {
		return string(p.Kind)
	}
	return string(p.Kind) + ":" + strings.Join(options, ",")
}
