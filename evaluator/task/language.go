package task

import (
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// LanguageModel predicts tokens: outputs N × T × vocabulary, targets N × T tokens, each that which belongs to the outputs
// at its own place; -100 is not scored. Without targets, the output at each place but the last is scored against the
// network's first input at the next, but for padding, of which the field attention_mask is 0. Its metrics are loss (cross-entropy,
// nats a token), perplexity, top1 (percent) and, where the data say how long the text is (the field bytes), bits_per_byte.
type LanguageModel struct {
	Masked bool // targets are needed: -100 wherever nothing was masked
}

var languageModel = spec.Kind[Task]{
	Name: "language-model", About: "tokens: outputs examples × length × vocabulary, targets tokens (-100: not scored), without targets each next input; loss (nats a token), perplexity, top1 (%)",
	Examples: []string{"language-model"},
	Parse:    func(*spec.Spec) Task { return LanguageModel{} },
}

var maskedLanguageModel = spec.Kind[Task]{
	Name: "masked-language-model", About: "masked tokens: as language-model, but the targets are needed, -100 wherever nothing was masked",
	Examples: []string{"masked-language-model"},
	Parse:    func(*spec.Spec) Task { return LanguageModel{Masked: true} },
}

func (l LanguageModel) Name() string {
	if l.Masked {
		return maskedLanguageModel.Name
	}
	return languageModel.Name
}

func (l LanguageModel) Spec() string { return l.Name() }
func (LanguageModel) Metrics() []metric.Metric {
	return []metric.Metric{metric.Loss, metric.Perplexity, metric.Top1, metric.BitsPerByte}
}
func (LanguageModel) Batch() int { return 8 }

func (l LanguageModel) Needs(fields []dataset.Field, inputs []string) ([]string, error) {
	f, err := targets(l.Name(), fields)
	if err != nil && !l.Masked && len(inputs) > 0 {
		f, _ = dataset.Find(fields, inputs[0])
	} else if err != nil {
		return nil, err
	}
	if len(f.Shape) != 1 {
		return nil, fmt.Errorf("tokens of shape %v for each example; one dimension is expected", f.Shape)
	}
	if f.Name != dataset.Targets && f.Shape[0] < 2 || f.Shape[0] == 0 {
		return nil, fmt.Errorf("%s of %d tokens an example: there is nothing to predict", f.Name, f.Shape[0])
	}
	names := []string{f.Name}
	for _, of := range []string{dataset.AttentionMask, dataset.TextBytes} {
		if _, has := dataset.Find(fields, of); has && !l.Masked {
			names = append(names, of)
		}
	}
	return names, whole(f)
}

// scored are the places of a batch that are scored, and against what.
func (l LanguageModel) scored(s *torch.Scope, b *device.Batch) (places, labels *torch.Tensor) {
	if t := b.Tensor(dataset.Targets); t != nil {
		return s.Scored(t, nil, false)
	}
	return s.Scored(b.Tensors[0], b.Tensor(dataset.AttentionMask), true)
}

func (l LanguageModel) Loss(s *torch.Scope, outputs *torch.Tensor, b *device.Batch) *torch.Tensor {
	return l.LossOf(s, outputs, all, b)
}

// all is the head of outputs that need none.
func all(_ *torch.Scope, rows *torch.Tensor) *torch.Tensor { return rows }

// LossOf implements HeadLoss.
func (l LanguageModel) LossOf(s *torch.Scope, hidden *torch.Tensor, head Head, b *device.Batch) *torch.Tensor {
	flat := flatten(s, hidden)
	places, labels := l.scored(s, b)
	if s.Err() != nil {
		return nil
	}
	return s.ClassLoss(head(s, s.Take(flat, places)), labels, 0)
}

// Size implements Sized: the tokens that are scored.
func (l LanguageModel) Size(b *dataset.Batch) (int64, error) {
	if a := b.Array(dataset.Targets); a != nil {
		labels, err := a.Integers()
		n := int64(0)
		for _, v := range labels {
			if v != torch.Ignored {
				n++
			}
		}
		return n, err
	}
	if len(b.Arrays) == 0 || l.Masked {
		return 0, fmt.Errorf("a batch without the field %s", dataset.Targets)
	}
	if a := b.Array(dataset.AttentionMask); a != nil {
		mask, err := a.Integers()
		n, length := int64(0), int(a.Elements())
		for i, v := range mask {
			if v != 0 && i%length > 0 {
				n++
			}
		}
		return n, err
	}
	return int64(b.N) * (b.Arrays[0].Elements() - 1), nil
}

// flatten is N × T × width as N·T × width.
func flatten(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	if s.Err() != nil {
		return nil
	}
	shape, err := x.Shape()
	if err == nil && len(shape) != 3 {
		err = fmt.Errorf("outputs of shape %v; a language model has one for each example and token", shape)
	}
	if s.Fail(err); err != nil {
		return nil
	}
	return s.Reshape(x, shape[0]*shape[1], shape[2])
}

func (l LanguageModel) Scores(n int) Scores {
	return &tokenScores{l, make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), atomic.Bool{}}
}

// tokenScores are those of a language model: sums over the tokens of each example.
type tokenScores struct {
	LanguageModel
	loss, hits, size []float64 // size: tokens scored
	bytes            []float64 // of the text that these stand for
	measured         atomic.Bool
}

func (r *tokenScores) Add(from int, outputs *torch.Tensor, b *device.Batch) error {
	return r.AddOf(from, outputs, all, b)
}

// scoredAtOnce is how many tokens' outputs exist at a time. It changes no more bits than the size of a batch does.
const scoredAtOnce = 256

// AddOf implements HeadScores.
func (r *tokenScores) AddOf(from int, hidden *torch.Tensor, head Head, b *device.Batch) error {
	shape, err := hidden.Shape()
	if err != nil {
		return err
	}
	width, err := b.Tensors[0].Shape()
	if err != nil {
		return err
	}
	if len(shape) != 3 || shape[0] != int64(b.N) || len(width) != 2 || shape[1] != width[1] {
		return fmt.Errorf("outputs of shape %v for tokens of shape %v; a language model wants examples × tokens × vocabulary", shape, width)
	}
	var s, some torch.Scope
	defer s.Close()
	defer some.Close()
	flat := flatten(&s, hidden)
	places, labels := r.scored(&s, b)
	if err := s.Err(); err != nil {
		return err
	}
	at, err := whole64(places)
	if err != nil {
		return err
	}
	out := make([]float64, 2*scoredAtOnce)
	for i := 0; i < len(at); i += scoredAtOnce {
		n := min(scoredAtOnce, len(at)-i)
		y := head(&some, some.Take(flat, some.Narrow(places, int64(i), int64(i+n))))
		own := some.Narrow(labels, int64(i), int64(i+n))
		if err := some.Err(); err != nil {
			return err
		}
		if err := torch.ScoreClasses(out[:2*n], y, own); err != nil {
			return err
		}
		for j := range n {
			example := from + int(at[i+j]/width[1])
			switch loss, rank := out[2*j], out[2*j+1]; rank {
			case torch.RankNoClass:
				token, err := torch.WholeAt(own, j)
				if err != nil {
					return err
				}
				shape, err := y.Shape()
				if err != nil {
					return err
				}
				return fmt.Errorf("token %d of example %d, with a vocabulary of %d", token, example, shape[1])
			case 0:
				r.hits[example] += 100
				fallthrough
			default:
				r.loss[example] += loss
				r.size[example]++
			}
		}
		some.Close()
	}
	return r.addBytes(from, b)
}

// whole64 reads int64 elements.
func whole64(t *torch.Tensor) ([]int64, error) {
	shape, err := t.Shape()
	if err != nil {
		return nil, err
	}
	out := make([]int64, shape[0])
	return out, torch.Read(out, t, 0)
}

// addBytes takes down how long the text of a batch is, where its data say so.
func (r *tokenScores) addBytes(from int, b *device.Batch) error {
	t := b.Tensor(dataset.TextBytes)
	if t == nil {
		return nil
	}
	bytes, err := t.Values()
	copy(r.bytes[from:from+b.N], bytes)
	r.measured.Store(true)
	return err
}

func (r *tokenScores) Values() []Value {
	out := means(r.Examples())
	loss := out[0]
	p := math.Exp(loss.Value)
	return slices.Insert(out, 1, Value{metric.Perplexity.Name, p, p * loss.StdErr, loss.N})
}

// Examples implements ExampleScores: sums over the tokens that are scored, or the bytes of the text.
func (r *tokenScores) Examples() examples.Set {
	out := examples.Set{examples.Of(metric.Loss.Name, r.loss, r.size), examples.Of(metric.Top1.Name, r.hits, r.size)}
	if r.measured.Load() {
		out = append(out, examples.Of(metric.BitsPerByte.Name, r.bits(), r.bytes))
	}
	return out
}

// bits are the losses in bits.
func (r *tokenScores) bits() []float64 {
	out := make([]float64, len(r.loss))
	for i, l := range r.loss {
		out[i] = l / math.Ln2
	}
	return out
}
