// Package optim holds optimizers: how weights follow their gradients.
//
// It believes that an optimizer is a value, and that all it remembers lies in named slots, each as large as the
// weights, which are saved and resumed by their names: a step is a function of weights, gradients, slots, its number
// and the learning rate. Learning rates are the business of optim/schedule.
package optim

import (
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
}

// Kind says what an optimizer is, with its options and examples, and reads its text.
type Kind = spec.Kind[Optimizer]

// Kinds lists the optimizers.
func Kinds() []Kind {
	return []Kind{sgdKind, adamKind, adamWKind, lookaheadKind()}
}

// Parse reads the text of an optimizer, such as sgd:momentum=0.9,nesterov=true.
func Parse(text string) (Optimizer, error) { return spec.Choose("optimizer", text, Kinds()) }
