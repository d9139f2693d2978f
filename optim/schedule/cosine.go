package schedule

import (
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

var cosineKind = spec.Kind[Schedule]{
	Name:     "cosine",
	About:    "half a cosine from the peak down to its end",
	Source:   "torch.optim.lr_scheduler.CosineAnnealingLR; Loshchilov and Hutter 2017, SGDR, arXiv 1608.03983, eq. 5, one period",
	Examples: []string{"cosine", "cosine:end=0.1"},
	Options:  []spec.Option{{Name: "end", Default: "0", About: "share of the peak at the end"}},
	Parse:    func(s *spec.Spec) Schedule { return Cosine{s.Float("end", 0, 0, 1)} },
}

// Cosine is End + (1−End)·(1 + cos πs)/2, s the share of the decay that has passed.
type Cosine struct{ End float64 }

// Spec implements Schedule.
func (c Cosine) Spec() string {
	if c.End == 0 {
		return "cosine"
	}
	return fmt.Sprintf("cosine:end=%g", c.End)
}

// Factor implements Schedule.
func (c Cosine) Factor(at Place) float64 {
	f := (1 + math.Cos(math.Pi*at.Share)) / 2
	if c.End == 0 {
		return f
	}
	return c.End + (1-c.End)*f
}
