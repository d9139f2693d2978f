package schedule

import (
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

var oneCycleKind = spec.Kind[Schedule]{
	Name:     "one-cycle",
	About:    "up to the peak and down to nearly nothing, each by half a cosine; the momentum stays",
	Source:   "torch.optim.lr_scheduler.OneCycleLR with cycle_momentum=False; Smith and Topin 2018, arXiv 1708.07120",
	Examples: []string{"one-cycle", "one-cycle:up=0.3,div=25,final-div=10000,anneal=linear"},
	Options: []spec.Option{
		{Name: "up", Default: "0.3", About: "share of the steps that go up (pct_start)"},
		{Name: "div", Default: "25", About: "the peak over the first rate (div_factor)"},
		{Name: "final-div", Default: "10000", About: "the first rate over the last (final_div_factor)"},
		{Name: "anneal", Default: "cos", About: "cos or linear (anneal_strategy)"},
	},
	Parse: func(s *spec.Spec) Schedule {
		o := OneCycle{Up: s.Float("up", 0.3, 0, 1), Div: s.Within("div", 25, 0, math.MaxFloat64), FinalDiv: s.Within("final-div", 1e4, 0, math.MaxFloat64)}
		o.Linear = s.Choice("anneal", "cos", "cos", "linear") == "linear"
		if o.Div < 1 || o.FinalDiv < 1 {
			s.Fail("div=%g, final-div=%g: want numbers of at least 1", o.Div, o.FinalDiv)
		}
		return o
	},
}

// OneCycle goes from 1/Div to 1 in the share Up of the steps, and on to 1/(Div·FinalDiv), which is the last step's.
type OneCycle struct {
	Up, Div, FinalDiv float64
	Linear            bool
}

// Spec implements Schedule.
func (o OneCycle) Spec() string {
	anneal := "cos"
	if o.Linear {
		anneal = "linear"
	}
	return fmt.Sprintf("one-cycle:up=%g,div=%g,final-div=%g,anneal=%s", o.Up, o.Div, o.FinalDiv, anneal)
}

// Factor implements Schedule. The step at which it turns is PyTorch's: Up·steps − 1, of steps counted from 0.
func (o OneCycle) Factor(at Place) float64 {
	first := 1 / o.Div
	last := first / o.FinalDiv
	turn, end := o.Up*at.Steps-1, at.Steps-1
	if at.Step <= turn {
		return o.between(first, 1, share(at.Step, turn))
	}
	turn = max(turn, 0) // with too few steps to go up there are none
	return o.between(1, last, share(at.Step-turn, end-turn))
}

// share is a/b, and the whole where there is nothing to go.
func share(a, b float64) float64 {
	if b <= 0 {
		return 1
	}
	return min(1, a/b)
}

func (o OneCycle) between(from, to, s float64) float64 {
	if o.Linear {
		return from + (to-from)*s
	}
	return to + (from-to)/2*(1+math.Cos(math.Pi*s))
}
