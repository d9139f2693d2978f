package schedule

import (
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

var polynomialKind = spec.Kind[Schedule]{
	Name:     "polynomial",
	About:    "from the peak down to its end, by a power of what is left of the decay: linear for power 1",
	Source:   "torch.optim.lr_scheduler.PolynomialLR; Liu et al. 2019, RoBERTa, arXiv 1907.11692, Table 9 (linear)",
	Examples: []string{"polynomial", "polynomial:power=2,end=0.01"},
	Options: []spec.Option{
		{Name: "power", Default: "1", About: "of the share that is left"},
		{Name: "end", Default: "0", About: "share of the peak at the end"},
	},
	Parse: func(s *spec.Spec) Schedule {
		return Polynomial{s.Within("power", 1, 0, math.MaxFloat64), s.Float("end", 0, 0, 1)}
	},
}

// Polynomial is End + (1−End)·(1−s)^Power, s the share of the decay that has passed.
type Polynomial struct{ Power, End float64 }

// Spec implements Schedule.
func (p Polynomial) Spec() string { return fmt.Sprintf("polynomial:power=%g,end=%g", p.Power, p.End) }

// Factor implements Schedule.
func (p Polynomial) Factor(at Place) float64 {
	return p.End + (1-p.End)*math.Pow(1-at.Share, p.Power)
}
