package averaging

import (
	"fmt"
	"slices"

	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

var swaKind = Kind{
	Name:     "swa",
	About:    "running mean since an epoch; swa:start=1 is Polyak-Ruppert averaging",
	Source:   "Izmailov et al. 2018, arXiv 1803.05407, Algorithm 1; Polyak and Juditsky 1992",
	Examples: []string{"swa:start=60", "swa:start=60,every=2"},
	Options: []spec.Option{
		{Name: "start", About: "the first epoch in it"},
		{Name: "every", Default: "1", About: "2 takes every second checkpoint"},
	},
	Parse: func(s *spec.Spec) Scheme {
		s.Require("start", "swa:start=60")
		return SWA{s.Float("start", 1, 0, 1e12), s.Int("every", 1, 1)}
	},
}

// SWA is the running mean of the checkpoints since epoch Start, θ̄ₙ = (n·θ̄ₙ₋₁ + θₙ)/(n+1) (Izmailov et al.
// 2018, arXiv 1803.05407, Algorithm 1), of every Every-th of them, the first one included. Between two of
// those the average stays as it is. From the first epoch on it is Polyak–Ruppert averaging.
type SWA struct {
	Start float64 // epoch
	Every int     // checkpoints: the cycle length c
}

// Spec implements Scheme.
func (s SWA) Spec() string {
	if s.Every > 1 {
		return fmt.Sprintf("swa:start=%g,every=%d", s.Start, s.Every)
	}
	return fmt.Sprintf("swa:start=%g", s.Start)
}

// K implements Scheme.
func (SWA) K() int { return 0 }

// Coefficients implements Scheme.
func (s SWA) Coefficients(points []Point, endpoint int) (Coefficients, error) {
	first := slices.IndexFunc(points, func(p Point) bool { return p.Epoch >= s.Start-trajectory.EpochSlack })
	if first < 0 || first > endpoint {
		return Coefficients{}, nil
	}
	var indices []int
	for i := first; i <= endpoint; i += s.Every {
		indices = append(indices, i)
	}
	return mean(indices), nil
}
