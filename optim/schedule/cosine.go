package schedule

import (
	"math"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

var cosineKind = spec.Kind[Schedule]{
	Name:     "cosine",
	About:    "half a cosine from the peak down to 0",
	Source:   "Loshchilov and Hutter 2017, SGDR, arXiv 1608.03983, eq. 5, one period",
	Examples: []string{"cosine"},
	Parse:    func(*spec.Spec) Schedule { return Cosine{} },
}

// Cosine is (1 + cos πs)/2, s the share of the run that has passed.
type Cosine struct{}

// Spec implements Schedule.
func (Cosine) Spec() string { return "cosine" }

// Factor implements Schedule.
func (Cosine) Factor(at Place) float64 { return (1 + math.Cos(math.Pi*at.Share)) / 2 }
