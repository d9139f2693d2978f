package task

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// Regression compares values with values: outputs and targets of the same shape. Its metrics are mse and mae, means over
// each example's values.
type Regression struct{}

var regression = spec.Kind[Task]{
	Name: "regression", About: "values: outputs and targets of one shape; mse and mae, means over each example's values",
	Examples: []string{"regression"},
	Parse:    func(*spec.Spec) Task { return Regression{} },
}

func (r Regression) Spec() string           { return r.Name() }
func (Regression) Name() string             { return regression.Name }
func (Regression) Metrics() []metric.Metric { return []metric.Metric{metric.MSE, metric.MAE} }
func (Regression) Batch() int               { return 250 }

func (r Regression) Needs(fields []dataset.Field, _ []string) ([]string, error) {
	f, err := targets(r.Name(), fields)
	switch {
	case err != nil:
		return nil, err
	case f.Classes > 0:
		return nil, fmt.Errorf("its %s are classes; the task is %s", f.Name, r.Name())
	case f.DType.Float():
		return []string{f.Name}, nil
	}
	return []string{f.Name}, whole(f)
}

func (Regression) Loss(s *torch.Scope, outputs *torch.Tensor, b *device.Batch) *torch.Tensor {
	return s.SquareLoss(outputs, b.Tensor(dataset.Targets))
}

func (Regression) Scores(n int) Scores {
	return &valueScores{make([]float64, n), make([]float64, n)}
}

// valueScores are those of a regression.
type valueScores struct{ squared, absolute []float64 }

func (r *valueScores) Add(from int, outputs *torch.Tensor, b *device.Batch) error {
	targets := b.Tensor(dataset.Targets)
	have, err := outputs.Shape()
	if err != nil {
		return err
	}
	want, err := targets.Shape()
	if err != nil {
		return err
	}
	if len(have) == 0 || have[0] != int64(b.N) || checkpoint.Elements(have) != checkpoint.Elements(want) {
		return fmt.Errorf("outputs of shape %v for targets of %d values each", have, checkpoint.Elements(want)/int64(max(1, b.N)))
	}
	out := make([]float64, 2*b.N)
	if err := torch.ScoreValues(out, outputs, targets); err != nil {
		return err
	}
	for i := range b.N {
		r.squared[from+i], r.absolute[from+i] = out[2*i], out[2*i+1]
	}
	return nil
}

func (r *valueScores) Values() []Value {
	return means(r.Examples())
}

// Examples implements ExampleScores.
func (r *valueScores) Examples() examples.Set {
	return examples.Set{examples.Of(metric.MSE.Name, r.squared, nil), examples.Of(metric.MAE.Name, r.absolute, nil)}
}
