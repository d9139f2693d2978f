package analysis

import (
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Rates is the learning rate along a curve's epochs, with what can be told of its schedule.
type Rates struct {
	Curve *Curve // whose values are learning rates
	// Warmup is how many points belong to the rise that the run begins with; Decay is where the fall to the end begins,
	// and Floor where it ends: places in the curve's points. A rate that rises after it fell has no decay.
	Warmup       int
	Decay, Floor int // equal where nothing falls
}

// RatesOf reads the learning rates of a curve's points; one of which it is not known is an error that names the runs.
func RatesOf(c *Curve) (*Rates, error) {
	out := &Rates{Curve: &Curve{Group: c.Group, Scheme: c.Scheme, Policy: c.Policy, K: c.K}}
	for _, p := range c.Points {
		if math.IsNaN(p.LR) {
			return nil, fmt.Errorf("the learning rate is not known of every checkpoint of %s (trajectories and tables of older versions, and imported runs without a log of it, have none)", results.RunList(c.Group.Runs))
		}
		q := p
		q.Value, q.Low, q.High, q.SD = p.LR, p.LR, p.LR, math.NaN()
		out.Curve.Points = append(out.Curve.Points, q)
	}
	out.phases()
	return out, nil
}

// phases tells the rise at the beginning and the fall at the end.
func (r *Rates) phases() {
	points := r.Curve.Points
	step := func(i int) float64 { // from point i to the next one; 0 within what rounding does
		a, b := points[i].Value, points[i+1].Value
		if d := b - a; math.Abs(d) > 1e-9*max(math.Abs(a), math.Abs(b)) {
			return d
		}
		return 0
	}
	last := len(points) - 1
	for r.Warmup < last && step(r.Warmup) > 0 {
		r.Warmup++
	}
	falls := -1
	for i := r.Warmup; i < last; i++ {
		switch d := step(i); {
		case d > 0: // cycles
			r.Decay, r.Floor = 0, 0
			return
		case d < 0:
			if falls < 0 {
				falls, r.Decay = i, i
			}
			r.Floor = i + 1
		}
	}
}

// Same says whether two are the same along the same epochs.
func (r *Rates) Same(o *Rates) bool {
	a, b := r.Curve.Points, o.Curve.Points
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !same(a[i].Epoch, b[i].Epoch) || math.Abs(a[i].Value-b[i].Value) > 1e-9*math.Abs(a[i].Value) {
			return false
		}
	}
	return true
}

// Phases says in words when the rate warms up and decays, as far as the checkpoints show it; "" where it does neither.
func (r *Rates) Phases() string {
	at := func(i int) string { return trajectory.EpochName(r.Curve.Points[i].Epoch) }
	text := ""
	if r.Warmup > 0 {
		text = "warm-up to epoch " + at(r.Warmup)
	}
	if r.Floor > r.Decay {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("decay from epoch %s to %s", at(r.Decay), at(r.Floor))
	}
	return text
}
