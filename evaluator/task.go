package evaluator

import (
	"math"

	"lawa-replay/dataset"
	"lawa-replay/internal/torch"
	"lawa-replay/model"
	"lawa-replay/trajectory"
)

// Value is one metric of one evaluation.
type Value struct {
	Metric string            `json:"metric"`
	Value  trajectory.Number `json:"value"`
	StdErr trajectory.Number `json:"stderr"` // standard error of the mean over examples
	N      int64             `json:"n"`      // examples
}

// evaluationBatch is how many examples go through a network at a time: few enough for the activations of
// small networks to stay in cache. It does not change what is computed.
const evaluationBatch = 250

// classification collects what each example of a split gave.
type classification struct {
	loss []float64 // cross-entropy, nats
	rank []int32   // classes that were preferred to the right one
}

func newClassification(n int) *classification {
	return &classification{make([]float64, n), make([]int32, n)}
}

// classify runs several instances over examples [from, to) of a split, each batch through all of them.
func classify(models []*model.Instance, data *dataset.Resident, from, to int, results []*classification, interrupted func() error) error {
	var batch, s torch.Scope
	defer batch.Close()
	defer s.Close()
	logits := make([]float32, evaluationBatch*data.Classes)
	for ; from < to; from += evaluationBatch {
		if err := interrupted(); err != nil {
			return err
		}
		n := min(evaluationBatch, to-from)
		x := data.Batch(&batch, from, from+n)
		if err := batch.Err(); err != nil {
			return err
		}
		for j, m := range models {
			y := m.Evaluate(&s, x)
			if err := s.Err(); err != nil {
				return err
			}
			if err := torch.Read(logits[:n*data.Classes], y, 0); err != nil {
				return err
			}
			s.Close()
			for i := range n {
				r := results[j]
				r.loss[from+i], r.rank[from+i] = score(logits[i*data.Classes:(i+1)*data.Classes], int(data.Labels[from+i]))
			}
		}
		batch.Close()
	}
	return nil
}

// score is the cross-entropy −log softmax(logits)[label], in float64, and the rank of the label: 0 for
// the most likely class, ties going to the lower class as argmax has it. NaN logits make the loss NaN and
// the rank last.
func score(logits []float32, label int) (loss float64, rank int32) {
	top := math.Inf(-1)
	for _, v := range logits {
		top = max(top, float64(v)) // NaN wins
	}
	sum := 0.0
	own := logits[label]
	for c, v := range logits {
		sum += math.Exp(float64(v) - top)
		if v > own || v == own && c < label {
			rank++
		}
	}
	loss = top + math.Log(sum) - float64(own)
	if math.IsNaN(loss) {
		rank = int32(len(logits))
	}
	return loss, rank
}

// values are the metrics: loss (mean cross-entropy, nats), top1 and top5 (percent).
func (c *classification) values(classes int) []Value {
	out := []Value{mean("loss", len(c.loss), func(i int) float64 { return c.loss[i] })}
	hit := func(k int32) func(int) float64 {
		return func(i int) float64 {
			if c.rank[i] < k {
				return 100
			}
			return 0
		}
	}
	out = append(out, mean("top1", len(c.rank), hit(1)))
	if classes > 5 {
		out = append(out, mean("top5", len(c.rank), hit(5)))
	}
	return out
}

// mean is the mean over n examples, with the standard error s/√n, where s² = Σ(x−mean)²/(n−1).
func mean(metric string, n int, x func(int) float64) Value {
	sum := 0.0
	for i := range n {
		sum += x(i)
	}
	m := sum / float64(n)
	squares := 0.0
	for i := range n {
		d := x(i) - m
		squares += d * d
	}
	stderr := math.Sqrt(squares / float64(n-1) / float64(n))
	return Value{metric, trajectory.Number(m), trajectory.Number(stderr), int64(n)}
}
