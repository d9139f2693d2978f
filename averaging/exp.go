package averaging

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

var expKind = Kind{
	Name:     "exp",
	About:    "the paper's exponential average, alpha on the newest",
	Source:   "Kaddour 2022, arXiv 2209.14981, eq. (1)",
	Examples: []string{"exp:alpha=0.9", "exp:alpha=0.9,k=10"},
	Options:  append([]spec.Option{{Name: "alpha", About: "the part of the newest, between 0 and 1"}}, historyOptions...),
	Parse: func(s *spec.Spec) Scheme {
		s.Require("alpha", "exp:alpha=0.9")
		return Exp{s.Within("alpha", 0.5, 0, 1), parseHistory(s)}
	},
}

var expCodeKind = Kind{
	Name:     "exp-code",
	About:    "the exponential average of the paper's published code, decay on the average: exp-code:decay=0.9 is ema:decay=0.9, exp:alpha=0.1",
	Source:   "code of Kaddour 2022, arXiv 2209.14981",
	Examples: []string{"exp-code:decay=0.9,k=10", "exp-code:decay=0.9"},
	Options:  append([]spec.Option{{Name: "decay", About: "what stays of the average, between 0 and 1"}}, historyOptions...),
	Parse: func(s *spec.Spec) Scheme {
		s.Require("decay", "exp-code:decay=0.9,k=10")
		return ExpCode{s.Within("decay", 0.5, 0, 1), parseHistory(s)}
	},
}

// historyOptions are what parseHistory takes.
var historyOptions = []spec.Option{
	{Name: "k", About: "over the newest k checkpoints, instead of all"},
	{Name: "partial", Default: "false", About: "with k: true averages those that there are before the k-th checkpoint"},
}

// parseHistory reads the newest k checkpoints, or all of them where k is not given.
func parseHistory(s *spec.Spec) Window {
	if !s.Has("k") && s.Has("partial") {
		s.Fail("partial=… goes with k=…")
	}
	return Window{s.Int("k", 0, 1), s.Bool("partial", false)}
}

// exponential averages the window, or the whole history where it has no size, from a copy of its oldest.
func exponential(w Window, beta float64, endpoint int) Coefficients {
	indices := upTo(0, endpoint)
	if w.Size > 0 {
		indices = w.indices(endpoint)
	}
	if len(indices) == 0 {
		return Coefficients{}
	}
	return recurrent(indices, constant(beta, len(indices)))
}

func (w Window) suffix() string {
	if w.Size == 0 {
		return ""
	}
	return "," + w.text()
}

// Exp is the paper's exponential average, θᴱˣᴾ_E = α·θ_E + (1−α)·θᴱˣᴾ_{E−1} (Kaddour 2022, arXiv 2209.14981,
// eq. 1), from a copy of the first checkpoint, or of the oldest of the newest k. With the paper's α = 0.9
// the newest checkpoint has nine tenths of the weight. Its published code does otherwise: see ExpCode.
type Exp struct {
	Alpha float64
	Window
}

// Spec implements Scheme.
func (e Exp) Spec() string { return fmt.Sprintf("exp:alpha=%g%s", e.Alpha, e.suffix()) }

// Coefficients implements Scheme.
func (e Exp) Coefficients(_ []Point, endpoint int) (Coefficients, error) {
	return exponential(e.Window, 1-e.Alpha, endpoint), nil
}

// ExpCode is what the paper's published code computes, avg ← γ·avg + (1−γ)·θ over the newest k checkpoints
// from a copy of the oldest: the same recurrence as Exp with γ = 1−α, so that its 0.9 leaves a tenth to
// each new checkpoint (effective count 5.1 within k = 10, where eq. 1 with α = 0.9 has 1.2).
type ExpCode struct {
	Decay float64
	Window
}

// Spec implements Scheme.
func (e ExpCode) Spec() string { return fmt.Sprintf("exp-code:decay=%g%s", e.Decay, e.suffix()) }

// Coefficients implements Scheme.
func (e ExpCode) Coefficients(_ []Point, endpoint int) (Coefficients, error) {
	return exponential(e.Window, e.Decay, endpoint), nil
}
