package averaging

import (
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

var emaKind = Kind{
	Name:     "ema",
	About:    "exponential moving average over the whole history",
	Source:   "torch.optim.swa_utils.AveragedModel; debias: Kingma and Ba 2015, arXiv 1412.6980, section 3",
	Examples: []string{"ema:decay=0.9", "ema:half-life=3", "ema:decay=0.999,per=step", "ema:decay=0.9,debias=true"},
	Options: []spec.Option{
		{Name: "decay", About: "what stays of the average, between 0 and 1"},
		{Name: "half-life", About: "instead of decay: after how many checkpoints, steps or epochs half of it is left"},
		{Name: "per", Default: "checkpoint", About: "the unit of both: checkpoint, step or epoch"},
		{Name: "debias", Default: "false", About: "true starts with zero and debiases, false with a copy of the first checkpoint"},
	},
	Parse: func(s *spec.Spec) Scheme {
		e := EMA{}
		switch {
		case s.Has("decay") && s.Has("half-life"):
			s.Fail("decay and half-life say the same thing: give one")
		case s.Has("half-life"):
			e.HalfLife = s.Within("half-life", 0, 0, math.Inf(1))
		default:
			s.Require("decay", "ema:decay=0.9 or ema:half-life=3")
		}
		e.Decay = s.Within("decay", 0, 0, 1)
		e.Per = s.Choice("per", "checkpoint", "checkpoint", "step", "epoch")
		e.Debias = s.Bool("debias", false)
		return e
	},
}

// EMA is the exponential moving average θ̄_E = β·θ̄_{E−1} + (1−β)·θ_E. It starts with a copy of the first
// checkpoint, as torch.optim.swa_utils.AveragedModel does, or, where Debias, with zero and is divided by
// 1−βᴱ (Kingma and Ba 2015, arXiv 1412.6980, section 3; optax). A half-life h is the decay 2^(−1/h).
//
// The decay is one per checkpoint, step or epoch. Per step (or epoch) it is raised to the number of steps
// d between two checkpoints, βᵈ: the average that sees one checkpoint in d steps, at the pace of the one
// that saw every step. Debiased, step 0 is where it starts.
type EMA struct {
	Decay    float64 // β, where HalfLife is 0
	HalfLife float64
	Per      string // checkpoint, step or epoch: the unit of both
	Debias   bool
}

// Spec implements Scheme.
func (e EMA) Spec() string {
	text := fmt.Sprintf("ema:decay=%g", e.Decay)
	if e.HalfLife > 0 {
		text = fmt.Sprintf("ema:half-life=%g", e.HalfLife)
	}
	if e.Per != "checkpoint" {
		text += ",per=" + e.Per
	}
	if e.Debias {
		text += ",debias=true"
	}
	return text
}

// K implements Scheme.
func (EMA) K() int { return 0 }

// Coefficients implements Scheme.
func (e EMA) Coefficients(points []Point, endpoint int) (Coefficients, error) {
	beta := e.Decay
	if e.HalfLife > 0 {
		beta = math.Exp2(-1 / e.HalfLife)
	}
	if e.Per == "step" && points[endpoint].Step < 0 {
		return Coefficients{}, hint.With(fmt.Errorf("%s: the trajectory does not record steps", e.Spec()), "steps-per-epoch", "of import makes them known")
	}
	age := func(i int) float64 { // in the unit of the decay, since the start
		switch e.Per {
		case "step":
			return float64(points[i].Step)
		case "epoch":
			return points[i].Epoch
		}
		return float64(i + 1)
	}
	betas := make([]float64, endpoint+1)
	before := 0.0
	for i := range betas {
		betas[i] = math.Pow(beta, age(i)-before)
		before = age(i)
	}
	if !e.Debias {
		betas[0] = 0
	}
	c := recurrent(upTo(0, endpoint), betas)
	c.Gaps = e.Per != "checkpoint"
	return c, nil
}
