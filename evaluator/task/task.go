// Package task knows what a network's outputs mean: which loss trains it, and which scores compare it with the truth.
//
// It believes that loss and scores of a task belong in one place, and that scores are made where the outputs are, in
// float64 and summed in float64: only a few numbers an example ever come to the host. A metric is a mean over examples,
// with its standard error.
package task

import (
	"fmt"
	"slices"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// Tensor and Scope are libtorch's, by the names that tasks of others can use: Tensor.Values copies out the elements.
type (
	Tensor = torch.Tensor
	Scope  = torch.Scope
)

// Task says what outputs and targets are.
type Task interface {
	// Spec is the canonical text that Parse reads.
	Spec() string
	// Name names the scores in an evaluation's key: it differs where the same outputs would be scored otherwise. What
	// only the loss depends on is not in it.
	Name() string
	// Metrics are those that Scores may give, the one to be trained for first.
	Metrics() []metric.Metric
	// Batch is how many examples go through a network at a time, if nobody says otherwise: few enough for the activations
	// of small networks to stay in cache. It does not change what is computed.
	Batch() int
	// Needs names the fields of a split that the task compares with, whether the network takes them or not; inputs are
	// those that it takes, in its order. An error says what of the split does not do.
	Needs(fields []dataset.Field, inputs []string) ([]string, error)
	// Loss is the mean loss of a batch, a differentiable scalar, for training. The fields of a batch are the network's
	// inputs, in its order, and then what else Needs names.
	Loss(s *Scope, outputs *Tensor, b *device.Batch) *Tensor
	// Scores begins to score n examples.
	Scores(n int) Scores
}

// Scores collects what each example gave.
type Scores interface {
	// Add scores the outputs of the examples of b, which are those from the index from on. Goroutines may add different
	// examples at the same time.
	Add(from int, outputs *Tensor, b *device.Batch) error
	// Values are the metrics over all examples.
	Values() []Value
}

// ExampleScores are Scores that tell what each example gave, in the metrics that are means over examples.
type ExampleScores interface {
	Examples() examples.Set
}

// Head is the last layer of a network that is had apart from the others: of outputs of theirs, rows × width, it makes rows ×
// classes. With a large vocabulary these are not computed where nobody scores them, nor all at once.
type Head func(s *Scope, rows *Tensor) *Tensor

// HeadLoss is a Task that needs the head's outputs at some places only. LossOf is Loss, of what comes before the head,
// N × T × width.
type HeadLoss interface {
	LossOf(s *Scope, hidden *Tensor, head Head, b *device.Batch) *Tensor
}

// HeadScores are Scores of such a task. AddOf is Add, of what comes before the head.
type HeadScores interface {
	AddOf(from int, hidden *Tensor, head Head, b *device.Batch) error
}

// Sized is a Task whose loss is a mean over other things than examples. Size is over how many in a batch: parts of a batch
// weigh as much as they have of them.
type Sized interface {
	Size(b *dataset.Batch) (int64, error)
}

// Value is one metric of one evaluation.
type Value struct {
	Metric        string
	Value, StdErr float64 // StdErr is the standard error of the mean over examples
	N             int64   // examples; tokens of language models
}

// means are the values of metrics that are means over examples. They are of what is kept of the examples, so that an evaluation that
// is put together of parts has the same bits.
func means(set examples.Set) []Value {
	var out []Value
	for _, m := range set {
		middle, stderr, n := m.Mean()
		out = append(out, Value{m.Name, middle, stderr, n})
	}
	return out
}

// Kind says what a task is, with its options and examples, and reads its text.
type Kind = spec.Kind[Task]

// Kinds are the tasks that Parse knows.
func Kinds() []Kind {
	return []Kind{classification, regression, languageModel, maskedLanguageModel}
}

// Parse reads a task's text; "" is Classification.
func Parse(text string) (Task, error) {
	if text == "" {
		return Classification{}, nil
	}
	return spec.Choose("task", text, Kinds())
}

// Fields names those that a batch has: the network's inputs, in its order, and what else the task needs.
func Fields(t Task, fields []dataset.Field, inputs []string) ([]string, error) {
	needs, err := t.Needs(fields, inputs)
	names := slices.Clone(inputs)
	for _, n := range needs {
		if !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names, err
}

// targets finds the field that a task of the given name compares with.
func targets(task string, fields []dataset.Field) (dataset.Field, error) {
	f, ok := dataset.Find(fields, dataset.Targets)
	if !ok {
		return f, fmt.Errorf("no field called %s, which the task %s needs; it has %v", dataset.Targets, task, dataset.Names(fields))
	}
	return f, nil
}

// whole says whether a field's values are whole numbers that libtorch has.
func whole(f dataset.Field) error {
	if d, err := torch.DTypeOf(string(f.DType)); err != nil || d.Float() || f.DType.Complex() {
		return fmt.Errorf("%s of %s; whole numbers are wanted", f.Name, f.DType)
	}
	return nil
}
