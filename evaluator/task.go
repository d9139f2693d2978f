package evaluator

import (
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Task says what outputs and targets are, and which metrics come of them.
type Task string

// The tasks. Outputs are a network's for N examples.
const (
	// Classification: outputs N×classes, targets N whole numbers. loss (cross-entropy, nats), top1, top5 (percent).
	Classification Task = "classification"
	// Regression: outputs and targets of the same shape. mse and mae, means over each example's values.
	Regression Task = "regression"
	// LanguageModel: outputs N×T×vocabulary, targets N×T tokens, each that which belongs to the outputs at its
	// own place; -100 is not scored. Without targets, the output at each place is scored against the input at
	// the next. loss (cross-entropy, nats a token), perplexity, top1 (percent).
	LanguageModel Task = "language-model"
	// MaskedLanguageModel: the same, but targets are needed: -100 wherever nothing was masked.
	MaskedLanguageModel Task = "masked-language-model"
)

// ParseTask reads a task's name; "" is Classification.
func ParseTask(text string) (Task, error) {
	switch t := Task(text); t {
	case "":
		return Classification, nil
	case Classification, Regression, LanguageModel, MaskedLanguageModel:
		return t, nil
	}
	return "", spec.Unknown("task", text, []string{string(Classification), string(Regression), string(LanguageModel), string(MaskedLanguageModel)})
}

// batch is how many examples go through a network at a time: few enough for the activations of small networks to
// stay in cache. It does not change what is computed.
func (t Task) batch() int {
	if t == LanguageModel || t == MaskedLanguageModel {
		return 8
	}
	return 250
}

// truth is what the examples of a split are scored against.
type truth struct {
	task   Task
	n      int
	labels []int64   // classes, or tokens row by row
	width  int       // tokens of an example
	values []float32 // of a regression
	next   bool      // labels are the inputs: each output is scored against the next
}

// ignored is the target that is not scored, as in torch.nn.CrossEntropyLoss.
const ignored = -100

func newTruth(task Task, s *dataset.Split) (*truth, error) {
	t := &truth{task: task, n: s.N, width: 1}
	if s.Inputs == nil {
		if task != Classification {
			return nil, fmt.Errorf("split %s: its images have classes; the task is %s", s.Name, task)
		}
		t.labels = s.Labels
		return t, nil
	}
	targets := s.Targets
	if targets == nil {
		if task != LanguageModel {
			return nil, fmt.Errorf("split %s: no tensor called targets, which the task %s needs", s.Name, task)
		}
		targets, t.next = s.Inputs, true
	}
	var err error
	switch task {
	case Regression:
		t.values, err = targets.Floats()
		t.width = len(t.values) / s.N
	case Classification:
		if len(targets.Shape) > 1 || len(targets.Shape) == 1 && targets.Shape[0] != 1 {
			return nil, fmt.Errorf("split %s: targets of shape %v for each example; a classification has one class", s.Name, targets.Shape)
		}
		t.labels, err = targets.Integers()
	default:
		if len(targets.Shape) != 1 {
			return nil, fmt.Errorf("split %s: tokens of shape %v for each example; one dimension is expected", s.Name, targets.Shape)
		}
		t.labels, err = targets.Integers()
		t.width = int(targets.Shape[0])
	}
	if err != nil {
		return nil, fmt.Errorf("split %s: %w", s.Name, err)
	}
	return t, nil
}

// scores collects what each example of a split gave.
type scores struct {
	*truth
	loss []float64 // cross-entropy, nats, summed over tokens; or squared error
	rank []int32   // classification: classes that were preferred to the right one
	hits []float64 // tokens that were right; or absolute error
	size []float64 // tokens scored
	top5 bool
}

func (t *truth) scores() *scores {
	r := &scores{truth: t, loss: make([]float64, t.n)}
	if t.task == Classification {
		r.rank = make([]int32, t.n)
		return r
	}
	r.hits, r.size = make([]float64, t.n), make([]float64, t.n)
	return r
}

// add scores the outputs of examples [from, from+n).
func (r *scores) add(from, n int, y *torch.Tensor) error {
	var s torch.Scope
	defer s.Close()
	y = s.Float(y)
	if err := s.Err(); err != nil {
		return err
	}
	shape, err := y.Shape()
	if err != nil {
		return err
	}
	count := int64(1)
	for _, d := range shape {
		count *= d
	}
	if len(shape) == 0 || shape[0] != int64(n) {
		return fmt.Errorf("outputs of shape %v for %d examples", shape, n)
	}
	if r.task == LanguageModel || r.task == MaskedLanguageModel {
		return r.addTokens(from, n, y, shape)
	}
	out := make([]float32, count)
	if err := torch.Read(out, y, 0); err != nil {
		return err
	}
	switch r.task {
	case Classification:
		if len(shape) != 2 {
			return fmt.Errorf("outputs of shape %v; a classification wants examples × classes", shape)
		}
		classes := int(shape[1])
		if from == 0 {
			r.top5 = classes > 5
		}
		for i := range n {
			label := r.labels[from+i]
			if label < 0 || label >= int64(classes) {
				return fmt.Errorf("target %d of example %d, with %d classes", label, from+i, classes)
			}
			r.loss[from+i], r.rank[from+i] = score(out[i*classes:(i+1)*classes], int(label))
		}
		return nil
	case Regression:
		if count != int64(n*r.width) {
			return fmt.Errorf("outputs of shape %v for targets of %d values each", shape, r.width)
		}
		for i := range n {
			for j := range r.width {
				d := float64(out[i*r.width+j]) - float64(r.values[(from+i)*r.width+j])
				r.loss[from+i] += d * d / float64(r.width)
				r.hits[from+i] += math.Abs(d) / float64(r.width)
			}
			r.size[from+i] = 1
		}
	}
	return nil
}

// addTokens scores the outputs of a language model, one example at a time: those of a batch can be large.
func (r *scores) addTokens(from, n int, y *torch.Tensor, shape []int64) error {
	if len(shape) != 3 || int(shape[1]) != r.width {
		return fmt.Errorf("outputs of shape %v; a language model wants examples × %d tokens × vocabulary", shape, r.width)
	}
	vocabulary := int(shape[2])
	out := make([]float32, r.width*vocabulary)
	for i := range n {
		if err := torch.Read(out, y, int64(i*len(out))); err != nil {
			return err
		}
		labels := r.labels[(from+i)*r.width : (from+i+1)*r.width]
		if r.next {
			labels = labels[1:]
		}
		for j, label := range labels {
			if label == ignored {
				continue
			}
			if label < 0 || label >= int64(vocabulary) {
				return fmt.Errorf("token %d of example %d, with a vocabulary of %d", label, from+i, vocabulary)
			}
			loss, rank := score(out[j*vocabulary:(j+1)*vocabulary], int(label))
			r.loss[from+i] += loss
			r.size[from+i]++
			if rank == 0 {
				r.hits[from+i] += 100
			}
		}
	}
	return nil
}

// run puts examples [from, to) of a split through several instances, each batch through all of them.
func run(models []model.Instance, data *dataset.Resident, from, to, size int, results []*scores, interrupted func() error) error {
	var batch, s torch.Scope
	defer batch.Close()
	defer s.Close()
	for ; from < to; from += size {
		if err := interrupted(); err != nil {
			return err
		}
		n := min(size, to-from)
		x := []*torch.Tensor{data.Batch(&batch, from, from+n)}
		if err := batch.Err(); err != nil {
			return err
		}
		for j, m := range models {
			y := m.Forward(&s, x, model.Evaluate)
			if err := s.Err(); err != nil {
				return err
			}
			if err := results[j].add(from, n, y); err != nil {
				return err
			}
			s.Close()
		}
		batch.Close()
	}
	return nil
}

// inputs are a split's batches, as a network takes them.
func inputs(r *dataset.Resident) func(s *torch.Scope, from, to int) []*torch.Tensor {
	return func(s *torch.Scope, from, to int) []*torch.Tensor { return []*torch.Tensor{r.Batch(s, from, to)} }
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

// metrics are the task's.
func (r *scores) metrics() []Value {
	switch r.task {
	case Classification:
		out := []Value{mean("loss", len(r.loss), func(i int) float64 { return r.loss[i] })}
		hit := func(k int32) func(int) float64 {
			return func(i int) float64 {
				if r.rank[i] < k {
					return 100
				}
				return 0
			}
		}
		out = append(out, mean("top1", len(r.rank), hit(1)))
		if r.top5 {
			out = append(out, mean("top5", len(r.rank), hit(5)))
		}
		return out
	case Regression:
		return []Value{mean("mse", r.n, func(i int) float64 { return r.loss[i] }), mean("mae", r.n, func(i int) float64 { return r.hits[i] })}
	}
	loss := ratio("loss", r.loss, r.size)
	p := math.Exp(float64(loss.Value))
	return []Value{loss, {Metric: "perplexity", Value: trajectory.Number(p), StdErr: trajectory.Number(p * float64(loss.StdErr)), N: loss.N}, ratio("top1", r.hits, r.size)}
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
	return Value{Metric: metric, Value: trajectory.Number(m), StdErr: trajectory.Number(stderr), N: int64(n)}
}

// ratio is Σx/Σsize: a mean over tokens. Tokens of one example depend on each other, so the standard error is that
// of a ratio over examples: √(Σ(xᵢ−m·sizeᵢ)²/(n−1)/n) / mean size (Cochran, Sampling Techniques, §2.11).
func ratio(metric string, x, size []float64) Value {
	sum, total := 0.0, 0.0
	for i := range x {
		sum += x[i]
		total += size[i]
	}
	m := sum / total
	squares := 0.0
	for i := range x {
		d := x[i] - m*size[i]
		squares += d * d
	}
	n := float64(len(x))
	stderr := math.Sqrt(squares/(n-1)/n) / (total / n)
	return Value{Metric: metric, Value: trajectory.Number(m), StdErr: trajectory.Number(stderr), N: int64(total)}
}
