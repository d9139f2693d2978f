package averaging

import (
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// maxSigma is the relative width of γ = 0, where the power function is flat: √(1/12).
var maxSigma = math.Sqrt(1.0 / 12)

var powerKind = Kind{
	Name:     "power",
	About:    "power-function moving average over the steps",
	Source:   "Karras et al. 2024 (EDM2), arXiv 2312.02696, section 3.1 and appendix C",
	Examples: []string{"power:sigma=0.1"},
	Options: []spec.Option{
		{Name: "sigma", About: "its width relative to the run so far, 0.001 to 0.2886, where it is the plain mean"},
	},
	Parse: func(s *spec.Spec) Scheme {
		s.Require("sigma", "power:sigma=0.1")
		return Power{s.Float("sigma", 0.1, 0.001, math.Floor(maxSigma*1e4)/1e4)}
	},
}

// Power is the power-function moving average of EDM2 (Karras et al. 2024, arXiv 2312.02696, section 3.1):
// weights ∝ τ^γ over the training time τ, in steps. θ̄(t) = β·θ̄(t′) + (1−β)·θ(t) with β = (t′/t)^(γ+1) for
// the previous checkpoint at step t′, which integrates the power function over the steps that a
// checkpoint stands for. γ belongs to the relative width σ: σ² = (γ+1)/((γ+2)²(γ+3)).
//
// It sees checkpoints where EDM2 sees every step, and so is not the same as a post-hoc average that is
// rebuilt from stored averages.
type Power struct{ Sigma float64 }

// Spec implements Scheme.
func (p Power) Spec() string { return fmt.Sprintf("power:sigma=%g", p.Sigma) }

// K implements Scheme.
func (Power) K() int { return 0 }

// Coefficients implements Scheme.
func (p Power) Coefficients(points []Point, endpoint int) (Coefficients, error) {
	exponent := p.gamma() + 1
	betas := make([]float64, endpoint+1)
	time := func(i int) float64 { // only ratios count
		if points[i].Step < 0 {
			return points[i].Epoch
		}
		return float64(points[i].Step)
	}
	for i := 1; i <= endpoint; i++ {
		betas[i] = math.Pow(time(i-1)/time(i), exponent)
	}
	c := recurrent(upTo(0, endpoint), betas)
	c.Gaps = true
	return c, nil
}

// gamma solves σ² = (γ+1)/((γ+2)²(γ+3)), which falls for γ ≥ 0, by bisection.
func (p Power) gamma() float64 {
	lo, hi := 0.0, 1/p.Sigma // σ < 1/γ
	for range 200 {
		g := (lo + hi) / 2
		if (g+1)/((g+2)*(g+2)*(g+3)) > p.Sigma*p.Sigma {
			lo = g
		} else {
			hi = g
		}
	}
	return lo
}
