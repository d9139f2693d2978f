package task

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// Classification is the choice of one class: outputs N × classes, targets N whole numbers. Its metrics are loss
// (cross-entropy, nats), top1 and, with more than five classes, top5 (percent).
type Classification struct {
	Smoothing float64 // of the labels, in the loss that is trained with alone: as torch.nn.CrossEntropyLoss has it
}

var classification = spec.Kind[Task]{
	Name: "classification", About: "one class an example: outputs examples × classes, targets whole numbers; loss (cross-entropy, nats), top1, top5 (%)",
	Examples: []string{"classification", "classification:label-smoothing=0.1"},
	Options:  []spec.Option{{Name: "label-smoothing", Default: "0", About: "share of each label that all classes get, in the training loss alone (Szegedy et al., arXiv 1512.00567)"}},
	Parse: func(s *spec.Spec) Task {
		c := Classification{s.Float("label-smoothing", 0, 0, 1)}
		if c.Smoothing == 1 {
			s.Fail("label-smoothing=1: nothing of the labels would be left")
		}
		return c
	},
}

func (c Classification) Spec() string {
	if c.Smoothing == 0 {
		return c.Name()
	}
	return fmt.Sprintf("%s:label-smoothing=%g", c.Name(), c.Smoothing)
}

func (Classification) Name() string { return classification.Name }
func (Classification) Metrics() []metric.Metric {
	return []metric.Metric{metric.Loss, metric.Top1, metric.Top5}
}
func (Classification) Batch() int { return 250 }

func (c Classification) Needs(fields []dataset.Field, _ []string) ([]string, error) {
	f, err := targets(c.Name(), fields)
	switch {
	case err != nil:
		return nil, err
	case f.Elements() != 1 || len(f.Shape) > 1:
		return nil, fmt.Errorf("%s of shape %v for each example; a classification has one class", f.Name, f.Shape)
	}
	return []string{f.Name}, whole(f)
}

func (c Classification) Loss(s *torch.Scope, outputs *torch.Tensor, b *device.Batch) *torch.Tensor {
	return s.ClassLoss(outputs, b.Tensor(dataset.Targets), c.Smoothing)
}

func (Classification) Scores(n int) Scores {
	return &classScores{loss: make([]float64, n), rank: make([]float64, n)}
}

// classScores are those of a classification.
type classScores struct {
	loss, rank []float64 // rank counts the classes that were preferred to the right one
	classes    atomic.Int64
}

func (r *classScores) Add(from int, outputs *torch.Tensor, b *device.Batch) error {
	shape, err := outputs.Shape()
	if err != nil {
		return err
	}
	if len(shape) != 2 || shape[0] != int64(b.N) {
		return fmt.Errorf("outputs of shape %v for %d examples; a classification wants examples × classes", shape, b.N)
	}
	labels := b.Tensor(dataset.Targets)
	if have, err := labels.Shape(); err != nil || checkpoint.Elements(have) != int64(b.N) {
		return errors.Join(err, fmt.Errorf("targets of shape %v for %d examples; a classification has one class each", have, b.N))
	}
	r.classes.Store(shape[1])
	out := make([]float64, 2*b.N)
	if err := torch.ScoreClasses(out, outputs, labels); err != nil {
		return err
	}
	for i := range b.N {
		r.loss[from+i], r.rank[from+i] = out[2*i], out[2*i+1]
		if r.rank[from+i] < 0 {
			label, err := torch.WholeAt(labels, i)
			if err != nil {
				return err
			}
			return fmt.Errorf("target %d of example %d, with %d classes", label, from+i, shape[1])
		}
	}
	return nil
}

func (r *classScores) Values() []Value {
	return means(r.Examples())
}

// Examples implements ExampleScores.
func (r *classScores) Examples() examples.Set {
	out := examples.Set{examples.Of(metric.Loss.Name, r.loss, nil), examples.Of(metric.Top1.Name, r.within(1), nil)}
	if r.classes.Load() > 5 {
		out = append(out, examples.Of(metric.Top5.Name, r.within(5), nil))
	}
	return out
}

// within is 100 for each example whose class is among the k most preferred.
func (r *classScores) within(k float64) []float64 {
	out := make([]float64, len(r.rank))
	for i, rank := range r.rank {
		if rank < k {
			out[i] = 100
		}
	}
	return out
}
