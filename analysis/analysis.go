// Package analysis takes numbers out of results: curves over runs, time saved, where averaging hurt.
//
// It believes that a loss is reported as plainly as a gain: next to the longest time saved stands how
// often averaging was worse than not averaging, and a target that the baseline never reaches is said to
// be that, not turned into a number.
package analysis

import (
	"fmt"
	"math"
	"slices"

	"lawa-replay/evaluator/results"
	"lawa-replay/internal/metric"
)

// Point of a curve: the mean over runs, and their lowest and highest value. Seconds are NaN where they are not
// known.
type Point struct {
	Epoch, Value, Low, High, Seconds float64
}

// Curve is one scheme under one policy along the epochs, over all runs.
type Curve struct {
	Scheme, Policy string
	K, Runs        int
	Points         []Point
}

// Curves puts together the series of the same scheme and policy; a point stands where every run has one.
func Curves(table *results.Table, split, metric string) []*Curve {
	type id struct{ scheme, policy string }
	groups := map[id][]*results.Series{}
	var order []id
	for _, s := range table.Series(split, metric) {
		key := id{s.Scheme, s.Policy}
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], s)
	}
	var out []*Curve
	for _, key := range order {
		runs := groups[key]
		c := &Curve{Scheme: key.scheme, Policy: key.policy, K: runs[0].K, Runs: len(runs)}
		for _, p := range runs[0].Points {
			point := Point{Epoch: p.Epoch, Low: math.Inf(1), High: math.Inf(-1)}
			n := 0.0
			for _, r := range runs {
				i := slices.IndexFunc(r.Points, func(q results.Point) bool { return q.Epoch == p.Epoch })
				if i < 0 {
					break
				}
				q := r.Points[i]
				n++
				point.Value += q.Value
				point.Seconds += orNaN(q.Seconds)
				point.Low, point.High = min(point.Low, q.Value), max(point.High, q.Value)
			}
			if n == float64(len(runs)) {
				point.Value /= n
				point.Seconds /= n
				c.Points = append(c.Points, point)
			}
		}
		out = append(out, c)
	}
	return out
}

// orNaN is NaN, which no sum loses, for what is not known.
func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

// Baseline finds the checkpoints themselves, with their own statistics.
func Baseline(curves []*Curve) (*Curve, error) {
	for _, c := range curves {
		if c.Scheme == "last" && c.Policy == "copy" {
			return c, nil
		}
	}
	return nil, fmt.Errorf("the results have no baseline (scheme last, policy copy)")
}

// At returns the point at an epoch.
func (c *Curve) At(epoch float64) (Point, bool) {
	for _, p := range c.Points {
		if p.Epoch == epoch {
			return p, true
		}
	}
	return Point{}, false
}

// Best returns the best point; NaN is never best.
func (c *Curve) Best(m metric.Metric) (Point, bool) {
	best, found := Point{}, false
	for _, p := range c.Points {
		if !math.IsNaN(p.Value) && (!found || m.Better(p.Value, best.Value)) {
			best, found = p, true
		}
	}
	return best, found
}

// Saving is time saved: the scheme at epoch From.Epoch is as good as the baseline becomes only at To.Epoch.
type Saving struct {
	From Point // of the scheme
	To   Point // of the baseline: the first that is at least as good
}

// Epochs saved.
func (s Saving) Epochs() float64 { return s.To.Epoch - s.From.Epoch }

// Seconds of training saved.
func (s Saving) Seconds() float64 { return s.To.Seconds - s.From.Seconds }

// Saved finds the longest time that the scheme saves against the baseline. Points that the baseline never
// matches have no such number and are counted in beyond.
func Saved(baseline, scheme *Curve, m metric.Metric) (best Saving, found bool, beyond int) {
	for _, p := range scheme.Points {
		if math.IsNaN(p.Value) {
			continue
		}
		at := slices.IndexFunc(baseline.Points, func(b Point) bool { return !m.Better(p.Value, b.Value) && !math.IsNaN(b.Value) })
		if at < 0 {
			beyond++
			continue
		}
		s := Saving{p, baseline.Points[at]}
		if s.Epochs() > 0 && (!found || s.Epochs() > best.Epochs()) {
			best, found = s, true
		}
	}
	return best, found, beyond
}

// Hurt lists the epochs at which the scheme is worse than the baseline, and the largest loss in the
// metric's unit (positive).
func Hurt(baseline, scheme *Curve, m metric.Metric) (epochs []float64, worst float64) {
	for _, p := range scheme.Points {
		if b, ok := baseline.At(p.Epoch); ok && m.Better(b.Value, p.Value) {
			epochs = append(epochs, p.Epoch)
			worst = max(worst, math.Abs(b.Value-p.Value))
		}
	}
	return epochs, worst
}

// Duration writes seconds in the unit that suits them.
func Duration(seconds float64) string {
	switch {
	case seconds < 100:
		return fmt.Sprintf("%.1f s", seconds)
	case seconds < 100*60:
		return fmt.Sprintf("%.1f min", seconds/60)
	}
	return fmt.Sprintf("%.1f h", seconds/3600)
}
