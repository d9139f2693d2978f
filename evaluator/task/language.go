package task

import (
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// LanguageModel predicts tokens: outputs N × T × vocabulary, targets N × T tokens, each that which belongs to the outputs
// at its own place; -100 is not scored. Without targets, the output at each place but the last is scored against the
// network's first input at the next. Its metrics are loss (cross-entropy, nats a token), perplexity and top1 (percent).
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
	return []metric.Metric{metric.Loss, metric.Perplexity, metric.Top1}
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
	return []string{f.Name}, whole(f)
}

// tokens are what the outputs are scored against; next: those of each place against the next one.
func (l LanguageModel) tokens(b *device.Batch) (labels *torch.Tensor, next bool) {
	if t := b.Tensor(dataset.Targets); t != nil || len(b.Tensors) == 0 {
		return t, false
	}
	return b.Tensors[0], true
}

func (l LanguageModel) Loss(s *torch.Scope, outputs *torch.Tensor, b *device.Batch) *torch.Tensor {
	labels, next := l.tokens(b)
	return s.ClassLoss(outputs, labels, next, 0)
}

func (l LanguageModel) Scores(n int) Scores {
	return &tokenScores{l, make([]float64, n), make([]float64, n), make([]float64, n)}
}

// tokenScores are those of a language model: sums over the tokens of each example.
type tokenScores struct {
	LanguageModel
	loss, hits, size []float64 // size: tokens scored
}

func (r *tokenScores) Add(from int, outputs *torch.Tensor, b *device.Batch) error {
	labels, next := r.tokens(b)
	width, err := labels.Shape()
	if err != nil {
		return err
	}
	shape, err := outputs.Shape()
	if err != nil {
		return err
	}
	if len(shape) != 3 || shape[0] != int64(b.N) || len(width) != 2 || shape[1] != width[1] {
		return fmt.Errorf("outputs of shape %v for tokens of shape %v; a language model wants examples × tokens × vocabulary", shape, width)
	}
	scored := int(width[1])
	if next {
		scored--
	}
	out := make([]float64, 2*b.N*scored)
	if err := torch.ScoreClasses(out, outputs, labels, next); err != nil {
		return err
	}
	for i := range b.N {
		for j := range scored {
			switch loss, rank := out[2*(i*scored+j)], out[2*(i*scored+j)+1]; rank {
			case torch.RankIgnored:
				continue
			case torch.RankNoClass:
				token, err := torch.WholeAt(labels, (i+1)*int(width[1])-scored+j)
				if err != nil {
					return err
				}
				return fmt.Errorf("token %d of example %d, with a vocabulary of %d", token, from+i, shape[2])
			case 0:
				r.hits[from+i] += 100
				fallthrough
			default:
				r.loss[from+i] += loss
				r.size[from+i]++
			}
		}
	}
	return nil
}

func (r *tokenScores) Values() []Value {
	loss := ratio(metric.Loss, r.loss, r.size)
	p := math.Exp(loss.Value)
	return []Value{loss, {metric.Perplexity.Name, p, p * loss.StdErr, loss.N}, ratio(metric.Top1, r.hits, r.size)}
}
