// Package optim holds optimizers: how weights follow their gradients.
//
// It believes that an optimizer is a value, and that all it remembers lies in named slots, each as large as the
// weights, which are saved and resumed by their names: a step is a function of weights, gradients, slots, its number
// and the learning rate. Learning rates are the business of optim/schedule.
package optim

import (
	"errors"

	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// Tensor is libtorch's, by the name that optimizers of others can use.
type Tensor = torch.Tensor

// Optimizer is a rule for steps.
type Optimizer interface {
	// Spec is the canonical text that Parse reads.
	Spec() string
	// Slots names what it keeps beside the weights, float32 values as many as these. Before the first step they are zero.
	Slots() []string
	// Step updates the weights and the slots, and leaves the gradients at zero. step counts from 0.
	Step(v Values, step int64, lr float64) error
}

// Values are what a step works on: flat float32 tensors of the same length on the same device.
type Values struct {
	Weights, Gradients *Tensor
	Slots              []*Tensor // in the optimizer's order
	Decays             *Tensor   // 1 for weights that decay, 0 for others; nil: all do
}

// Selective is an optimizer that can leave weights out of its weight decay.
type Selective interface {
	// SparesVectors says that tensors of at most one dimension (biases, the scales and shifts of norms) do not decay. A step
	// then needs Values.Decays.
	SparesVectors() bool
}

// SparesVectors says whether o leaves tensors of at most one dimension out of its weight decay.
func SparesVectors(o Optimizer) bool {
	s, ok := o.(Selective)
	return ok && s.SparesVectors()
}

// decayVectors is the option of Selective.
var decayVectors = spec.Option{Name: "decay-vectors", Default: "true", About: "false: biases and the scales and shifts of norms do not decay (tensors of one dimension, as in timm)"}

// spared is that option's text, which goes unsaid where it is as usual.
func spared(s bool) string {
	if s {
		return ",decay-vectors=false"
	}
	return ""
}

// decay adds the weight decay to the gradients of those that decay, or takes it off the weights: scale·Decays·weights.
func (v Values) decay(to *Tensor, scale float64) error {
	if v.Decays == nil {
		return errors.New("nothing says which weights decay")
	}
	return to.AddProduct(v.Weights, v.Decays, scale)
}

// Kind says what an optimizer is, with its options and examples, and reads its text.
type Kind = spec.Kind[Optimizer]

// Kinds lists the optimizers.
func Kinds() []Kind {
	return []Kind{sgdKind, adamKind, adamWKind, lookaheadKind()}
}

// Parse reads the text of an optimizer, such as sgd:momentum=0.9,nesterov=true.
func Parse(text string) (Optimizer, error) { return spec.Choose("optimizer", text, Kinds()) }
