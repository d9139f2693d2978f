// Package bn decides what becomes of batch-norm statistics in an average of weights.
//
// It believes that no policy is right for everyone: the mean of running variances is not the variance of
// the averaged network, a recomputation costs passes over data, and both are what people use. So the
// policy is named in every result.
package bn

import (
	"fmt"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// Kind is what a policy does.
type Kind string

// The kinds of policy.
const (
	Copy      Kind = "copy"      // the statistics of the newest checkpoint
	Average   Kind = "average"   // averaged like the weights
	Recompute Kind = "recompute" // renewed by passes over data, as torch.optim.swa_utils.update_bn does
)

// Policy is a kind with its parameters.
type Policy struct {
	Kind    Kind
	Samples int // Recompute: how many examples, 0 for all of the split
	Seed    int // Recompute: 0 takes them in the split's order, otherwise seeds the drawing
}

// ParsePolicy reads copy, average, recompute, recompute:samples=N or recompute:samples=N,seed=S.
func ParsePolicy(text string) (Policy, error) {
	s, err := spec.Parse(text)
	if err != nil {
		return Policy{}, fmt.Errorf("policy %w", err)
	}
	p := Policy{Kind: Kind(s.Name)}
	switch p.Kind {
	case Copy, Average:
	case Recompute:
		p.Samples, p.Seed = s.Int("samples", 0, 1), s.Int("seed", 0, 0)
	default:
		return Policy{}, spec.Unknown("batch-norm policy", s.Name, []string{string(Copy), string(Average), string(Recompute)})
	}
	if err := s.Done(); err != nil {
		return Policy{}, fmt.Errorf("policy %w", err)
	}
	return p, nil
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
	if len(options) == 0 {
		return string(p.Kind)
	}
	return string(p.Kind) + ":" + strings.Join(options, ",")
}

// IsStatistic says whether a tensor of this name holds batch-norm statistics.
func IsStatistic(name string) bool {
	return strings.HasSuffix(name, "running_mean") || strings.HasSuffix(name, "running_var")
}
