package optim

import (
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

var adamKind = spec.Kind[Optimizer]{
	Name:     "adam",
	About:    "steps of a size of its own for each weight, by the running mean of squared gradients",
	Source:   "torch.optim.Adam; Kingma and Ba 2015, arXiv 1412.6980, Algorithm 1",
	Examples: []string{"adam", "adam:beta1=0.9,beta2=0.99"},
	Options:  adamOptions("0", "added to the gradients, times the weights"),
	Parse:    func(s *spec.Spec) Optimizer { return parseAdam(s, false, 0) },
}

var adamWKind = spec.Kind[Optimizer]{
	Name:     "adamw",
	About:    "Adam whose weight decay is apart from the gradients",
	Source:   "torch.optim.AdamW; Loshchilov and Hutter 2019, arXiv 1711.05101, Algorithm 2",
	Examples: []string{"adamw", "adamw:beta2=0.95,weight-decay=0.1"},
	Options:  adamOptions("0.01", "share of the weights, times the learning rate, that a step takes off"),
	Parse:    func(s *spec.Spec) Optimizer { return parseAdam(s, true, 0.01) },
}

func adamOptions(decay, about string) []spec.Option {
	return []spec.Option{
		{Name: "beta1", Default: "0.9", About: "decay of the mean of gradients"},
		{Name: "beta2", Default: "0.999", About: "decay of the mean of their squares"},
		{Name: "eps", Default: "1e-08", About: "added to the root of the mean of squares"},
		{Name: "weight-decay", Default: decay, About: about},
		decayVectors,
	}
}

func parseAdam(s *spec.Spec, decoupled bool, decay float64) Optimizer {
	o := Adam{s.Float("beta1", 0.9, 0, 1), s.Float("beta2", 0.999, 0, 1), s.Within("eps", 1e-8, 0, math.Inf(1)),
		s.Float("weight-decay", decay, 0, math.MaxFloat64), decoupled, !s.Bool("decay-vectors", true)}
	if o.Beta1 == 1 || o.Beta2 == 1 {
		s.Fail("beta1=%g, beta2=%g: want numbers from 0 to below 1", o.Beta1, o.Beta2)
	}
	return o
}

// Adam is torch.optim.Adam, or torch.optim.AdamW where the weight decay is Decoupled: with g the gradients (plus
// WeightDecay·w in Adam), m = β₁m + (1−β₁)g, v = β₂v + (1−β₂)g², at the t-th step
// w = w − lr·m/(1−β₁ᵗ) / (√(v/(1−β₂ᵗ)) + Eps); AdamW first takes lr·WeightDecay·w off w.
type Adam struct {
	Beta1, Beta2, Eps, WeightDecay float64
	Decoupled                      bool
	Spare                          bool // tensors of at most one dimension do not decay
}

// SparesVectors implements Selective.
func (o Adam) SparesVectors() bool { return o.Spare }

// Spec implements Optimizer.
func (o Adam) Spec() string {
	name := "adam"
	if o.Decoupled {
		name = "adamw"
	}
	return fmt.Sprintf("%s:beta1=%g,beta2=%g,eps=%g,weight-decay=%g%s", name, o.Beta1, o.Beta2, o.Eps, o.WeightDecay, spared(o.Spare))
}

// Slots implements Optimizer: by torch's names.
func (o Adam) Slots() []string { return []string{"exp_avg", "exp_avg_sq"} }

// Step implements Optimizer.
func (o Adam) Step(v Values, step int64, lr float64) error {
	if o.Spare {
		to, scale := v.Gradients, o.WeightDecay
		if o.Decoupled {
			to, scale = v.Weights, -lr*o.WeightDecay
		}
		if err := v.decay(to, scale); err != nil {
			return err
		}
		o.WeightDecay = 0
	}
	return torch.Adam(v.Weights, v.Gradients, v.Slots[0], v.Slots[1], lr, o.Beta1, o.Beta2, o.Eps, o.WeightDecay, o.Decoupled, step+1)
}
