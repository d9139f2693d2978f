package schedule

import "github.com/lawa-replay/lawa-replay/internal/spec"

var constantKind = spec.Kind[Schedule]{
	Name:     "constant",
	About:    "the peak, all the time",
	Examples: []string{"constant"},
	Parse:    func(*spec.Spec) Schedule { return Constant{} },
}

// Constant is 1.
type Constant struct{}

// Spec implements Schedule.
func (Constant) Spec() string { return "constant" }

// Factor implements Schedule.
func (Constant) Factor(Place) float64 { return 1 }
