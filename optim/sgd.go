package optim

import (
	"errors"
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

var sgdKind = spec.Kind[Optimizer]{
	Name:     "sgd",
	About:    "stochastic gradient descent with momentum",
	Source:   "torch.optim.SGD; Sutskever, Martens, Dahl, Hinton 2013",
	Examples: []string{"sgd", "sgd:momentum=0.9,nesterov=true,weight-decay=0.0005", "sgd:decay-vectors=false"},
	Options: []spec.Option{
		{Name: "momentum", Default: "0.9", About: "share of the last update that goes into the next"},
		{Name: "nesterov", Default: "false", About: "looks ahead along the momentum"},
		{Name: "weight-decay", Default: "0.0005", About: "added to the gradients, times the weights"},
		decayVectors,
	},
	Parse: func(s *spec.Spec) Optimizer {
		o := SGD{s.Float("momentum", 0.9, 0, 1), s.Float("weight-decay", 5e-4, 0, math.MaxFloat64), s.Bool("nesterov", false), !s.Bool("decay-vectors", true)}
		if err := o.Check(); err != nil {
			s.Fail("%v", err)
		}
		return o
	},
}

// SGD is torch.optim.SGD with its default dampening of 0: d = g + WeightDecay·w, b = Momentum·b + d (the first is d),
// w = w − lr·b, or w − lr·(d + Momentum·b) with Nesterov.
type SGD struct {
	Momentum, WeightDecay float64
	Nesterov              bool
	Spare                 bool // tensors of at most one dimension do not decay
}

// SparesVectors implements Selective.
func (o SGD) SparesVectors() bool { return o.Spare }

// Check says what is wrong with the settings.
func (o SGD) Check() error {
	switch {
	case !(o.Momentum >= 0 && o.Momentum < 1):
		return fmt.Errorf("momentum %g: want a number from 0 to below 1", o.Momentum)
	case o.Nesterov && o.Momentum == 0:
		return errors.New("a momentum of 0: nesterov=true needs one")
	case !(o.WeightDecay >= 0) || math.IsInf(o.WeightDecay, 0):
		return fmt.Errorf("weight decay %g: want a number of at least 0", o.WeightDecay)
	}
	return nil
}

// Spec implements Optimizer.
func (o SGD) Spec() string {
	return fmt.Sprintf("sgd:momentum=%g,nesterov=%t,weight-decay=%g%s", o.Momentum, o.Nesterov, o.WeightDecay, spared(o.Spare))
}

// Slots implements Optimizer.
func (o SGD) Slots() []string { return []string{"momentum"} }

// Step implements Optimizer.
func (o SGD) Step(v Values, step int64, lr float64) error {
	if o.Spare {
		if err := v.decay(v.Gradients, o.WeightDecay); err != nil {
			return err
		}
		o.WeightDecay = 0
	}
	return torch.SGD(v.Weights, v.Gradients, v.Slots[0], lr, o.Momentum, o.WeightDecay, o.Nesterov, step == 0)
}
