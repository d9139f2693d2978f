package model

import "github.com/lawa-replay/lawa-replay/internal/torch"

// Recompute recomputes the batch-norm statistics of several models in one pass over n examples: reset, then the
// cumulative mean of the statistics of each batch (momentum 1/i at the i-th; the variances unbiased), a
// short last batch weighing as much as a full one. That is torch.optim.swa_utils.update_bn.
// interrupted is asked before each batch.
func Recompute(models []Instance, n, batchSize int, batch func(s *torch.Scope, from, to int) []*torch.Tensor, interrupted func() error) error {
	for _, m := range models {
		if err := m.Weights().ResetStatistics(); err != nil {
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
		in := batch(&data, from, min(from+batchSize, n))
		if err := data.Err(); err != nil {
			return err
		}
		for _, m := range models {
			m.Forward(&s, in, Observe(1/float64(i)))
			if err := s.Err(); err != nil {
				return err
			}
			s.Close()
		}
		data.Close()
	}
	return nil
}
