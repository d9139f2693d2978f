package schedule

import (
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

var stepKind = spec.Kind[Schedule]{
	Name:     "step",
	About:    "multiplied by gamma after every so many epochs",
	Source:   "torch.optim.lr_scheduler.StepLR",
	Examples: []string{"step", "step:every=30,gamma=0.1"},
	Options: []spec.Option{
		{Name: "every", Default: "30", About: "epochs"},
		{Name: "gamma", Default: "0.1", About: "the factor"},
	},
	Parse: func(s *spec.Spec) Schedule {
		return Step{s.Float("every", 30, 1e-3, 1e9), s.Float("gamma", 0.1, 0, 1)}
	},
}

// Step is Gamma to the power of how often Every epochs have passed.
type Step struct{ Every, Gamma float64 }

// Spec implements Schedule.
func (s Step) Spec() string { return fmt.Sprintf("step:every=%g,gamma=%g", s.Every, s.Gamma) }

// Factor implements Schedule.
func (s Step) Factor(at Place) float64 { return math.Pow(s.Gamma, math.Floor(at.Epoch/s.Every)) }
