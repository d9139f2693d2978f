// Package bn decides what becomes of batch-norm statistics in an average of weights.
//
// It believes that no policy is right for everyone: the mean of running variances is not the variance of
// the averaged network, a recomputation costs passes over data, and both are what people use. So the
// policy is named in every result.
package bn

import (
	"fmt"
	"strings"

	"lawa-replay/internal/spec"
	"lawa-replay/internal/torch"
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

// Model is a network whose statistics can be renewed.
type Model interface {
	ResetStatistics() error
	// Observe lets the statistics of a batch into the running ones with the given momentum.
	Observe(s *torch.Scope, x *torch.Tensor, momentum float64)
}

// Renew recomputes the statistics of several models in one pass over n examples: reset, then the
// cumulative mean of the statistics of each batch (momentum 1/i at the i-th; the variances unbiased), a
// short last batch weighing as much as a full one. That is torch.optim.swa_utils.update_bn.
// interrupted is asked before each batch.
func Renew(models []Model, n, batchSize int, batch func(s *torch.Scope, from, to int) *torch.Tensor, interrupted func() error) error {
	for _, m := range models {
		if err := m.ResetStatistics(); err != nil {
			return err
		}
	}
	var data, s torch.Scope
	defer data.Close()
	defer s.Close()
	for i, from := 1, 0; from < n; i, from = i+1, from+batchSize {
		if err := interrupted(); err != nil {
			return err
		}
		x := batch(&data, from, min(from+batchSize, n))
		if err := data.Err(); err != nil {
			return err
		}
		for _, m := range models {
			m.Observe(&s, x, 1/float64(i))
			if err := s.Err(); err != nil {
				return err
			}
			s.Close()
		}
		data.Close()
	}
	return nil
}
