package model

import (
	"math"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// Observing says from what Recompute recomputes statistics.
type Observing struct {
	Examples, BatchSize int
	// Batch makes the inputs of the examples from one to another.
	Batch func(s *torch.Scope, from, to int) []*torch.Tensor
	// Tolerance ends the pass of a model before the last example, when the statistics that were observed are known so well: the root
	// mean square, over all channels, of the standard error of the running mean, in standard deviations of the channel, and of that of
	// the running variance, in variances. The error is that of the mean of as many batches as there were, by what differs between
	// them, so examples must come in a random order. 0 ends it nowhere.
	Tolerance float64
	// Interrupted is asked before each batch.
	Interrupted func() error
}

// fewBatches are too few to say how much batches differ.
const fewBatches = 4

// Recompute recomputes the batch-norm statistics of several models in one pass over examples: reset, then the
// cumulative mean of the statistics of each batch (momentum 1/i at the i-th; the variances unbiased), a
// short last batch weighing as much as a full one. That is torch.optim.swa_utils.update_bn.
func Recompute(models []Instance, o Observing) error {
	spreads := make([]*spread, len(models))
	for i, m := range models {
		if err := m.Weights().ResetStatistics(); err != nil {
			return err
		}
		if o.Tolerance > 0 {
			spreads[i] = newSpread(m.Weights())
		}
	}
	var data, s torch.Scope
	defer data.Close()
	defer s.Close()
	settled := make([]bool, len(models))
	left := len(models)
	for i, from := 1, 0; from < o.Examples && left > 0; i, from = i+1, from+o.BatchSize {
		if err := o.Interrupted(); err != nil {
			return err
		}
		in := o.Batch(&data, from, min(from+o.BatchSize, o.Examples))
		if err := data.Err(); err != nil {
			return err
		}
		for j, m := range models {
			if settled[j] {
				continue
			}
			m.Forward(&s, in, Observe(1/float64(i)))
			if err := s.Err(); err != nil {
				return err
			}
			s.Close()
			if spreads[j] == nil {
				continue
			}
			if err := spreads[j].add(); err != nil {
				return err
			}
			if i >= fewBatches && spreads[j].err() <= o.Tolerance {
				settled[j] = true
				left--
			}
		}
		data.Close()
	}
	return nil
}

// spread is how much the statistics of batches differ.
type spread struct {
	weights       *Weights
	n             float64   // batches
	now           []float32 // the cumulative means of their statistics
	mean, squares []float64 // of each statistic over the batches, and the sum of its squared deviations (Welford 1962)
}

func newSpread(w *Weights) *spread {
	n := int(w.floats - w.Layout.parameters)
	return &spread{weights: w, now: make([]float32, n), mean: make([]float64, n), squares: make([]float64, n)}
}

// add takes what the last batch made of the cumulative means.
func (s *spread) add() error {
	before := s.now
	s.now = make([]float32, len(before))
	if err := torch.Read(s.now, s.weights.flat, s.weights.Layout.parameters); err != nil {
		return err
	}
	s.n++
	for i, v := range s.now {
		x := float64(v)
		if s.n > 1 { // v = before + (x − before)/n
			x = float64(before[i]) + s.n*(float64(v)-float64(before[i]))
		}
		d := x - s.mean[i]
		s.mean[i] += d / s.n
		s.squares[i] += d * (x - s.mean[i])
	}
	return nil
}

// err is the error that Observing.Tolerance bounds.
func (s *spread) err() float64 {
	const eps = 1e-5 // of the layers, below which a channel's spread means nothing
	at := map[string]int64{}
	for _, e := range s.weights.Entries {
		if e.Role == Statistic {
			at[e.Name] = e.Offset - s.weights.Layout.parameters
		}
	}
	sum, n := 0.0, 0.0
	for _, e := range s.weights.Entries {
		prefix, is := strings.CutSuffix(e.Name, "running_var")
		mean, paired := at[prefix+"running_mean"]
		if e.Role != Statistic || !is || !paired {
			continue
		}
		variance := at[e.Name]
		for c := range e.Elements() {
			scale := float64(s.now[variance+c]) + eps
			ofMean := s.squares[mean+c] / (s.n - 1) / s.n
			ofVariance := s.squares[variance+c] / (s.n - 1) / s.n
			sum += ofMean/scale + ofVariance/(scale*scale)
			n += 2
		}
	}
	if n == 0 || math.IsNaN(sum) {
		return math.Inf(1)
	}
	return math.Sqrt(sum / n)
}
