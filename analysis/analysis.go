// Package analysis takes numbers out of results: curves over runs, time saved, where averaging hurt.
//
// It believes that a loss is reported as plainly as a gain: next to the longest time saved stands how
// often averaging was worse than not averaging, and a target that the baseline never reaches is said to
// be that, not turned into a number. A mean is taken over runs that differ in nothing but their seed; runs
// that were trained otherwise are another group. What is not known is NaN here, and no number is made of it.
package analysis

import (
	"cmp"
	"math"
	"slices"

	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Point of a curve: the mean over runs, with what is known of its spread and of its costs.
type Point struct {
	Epoch       float64
	Step        float64 // mean over runs; NaN where it is not known of all of them, as the three below
	Seconds     float64 // of training
	DeviceHours float64 // hours of training × devices
	LR          float64 // learning rate of the last step, mean over runs
	Tokens      float64 // trained on, mean over runs
	Value       float64
	Low, High   float64   // lowest and highest run
	SD          float64   // sample standard deviation over runs; NaN for one run
	StdErr      float64   // standard error over examples, mean over runs; NaN where it is not known
	N           int64     // examples
	Values      []float64 // of each run
	Keys        []string  // of the evaluations of each run
	Partly      bool      // of a run: rests on a part of the examples; Low and High are the interval of the value on all of them
}

// Curve is one scheme under one policy along the epochs, over the runs of a group.
type Curve struct {
	Group          *Group
	Scheme, Policy string
	K              int
	Points         []Point // by rising epoch
	Left           int     // epochs that are left out, for not every run has them
}

// Runs is how many runs the points are means of.
func (c *Curve) Runs() int { return len(c.Group.Runs) }

// IsBaseline says whether these are the checkpoints themselves, with their own statistics.
func (c *Curve) IsBaseline() bool { return c.Scheme == "last" && c.Policy == "copy" }

// curves puts together the series of the same scheme, policy and group of runs; a point stands where every run
// has one. Of a run whose logged seconds do not rise they count as unknown.
func curves(table *results.Table, groups []*Group, split, metric string, stopped map[string]bool) []*Curve {
	type id struct {
		group          *Group
		scheme, policy string
	}
	series := map[id][]*results.Series{}
	var order []id
	for _, s := range table.Series(split, metric) {
		key := id{groupOf(groups, s.Run), s.Scheme, s.Policy}
		if series[key] == nil {
			order = append(order, key)
		}
		series[key] = append(series[key], s)
	}
	var out []*Curve
	for _, key := range order {
		runs := series[key]
		c := &Curve{Group: key.group, Scheme: key.scheme, Policy: key.policy, K: runs[0].K}
		for _, p := range runs[0].Points {
			if point, ok := over(runs, p.Epoch, stopped); ok && len(runs) == c.Runs() {
				c.Points = append(c.Points, point)
			}
		}
		c.Left = epochs(runs) - len(c.Points)
		out = append(out, c)
	}
	return out
}

// same says whether two epochs are one: fractions of them are rounded.
func same(a, b float64) bool { return math.Abs(a-b) < trajectory.EpochSlack }

// epochs counts those that any of the runs has.
func epochs(runs []*results.Series) int {
	var all []float64
	for _, r := range runs {
		for _, p := range r.Points {
			all = append(all, p.Epoch)
		}
	}
	slices.Sort(all)
	return len(slices.CompactFunc(all, same))
}

// over is the point of an epoch over runs, false where one of them has none.
func over(runs []*results.Series, epoch float64, stopped map[string]bool) (Point, bool) {
	p := Point{Epoch: epoch, Low: math.Inf(1), High: math.Inf(-1), SD: math.NaN()}
	n := float64(len(runs))
	for _, r := range runs {
		i := slices.IndexFunc(r.Points, func(q results.Point) bool { return same(q.Epoch, epoch) })
		if i < 0 {
			return p, false
		}
		q := r.Points[i]
		seconds := orNaN(q.Seconds)
		if stopped[r.Run.ID()] {
			seconds = math.NaN()
		}
		p.Step += orNaN(q.Step) / n
		p.Seconds += seconds / n
		p.LR += orNaN(q.LR) / n
		p.Tokens += orNaN(q.Tokens) / n
		p.DeviceHours += seconds / 3600 * orNaN(r.Run.Devices) / n
		p.Value += q.Value / n
		p.StdErr += stdErr(q) / n
		p.Low, p.High = min(p.Low, q.Value), max(p.High, q.Value)
		p.N = q.N
		p.Values, p.Keys = append(p.Values, q.Value), append(p.Keys, q.Key)
	}
	if len(runs) == 1 {
		p.Value = p.Values[0] // unrounded
		if q := runs[0].Points[slices.IndexFunc(runs[0].Points, func(q results.Point) bool { return same(q.Epoch, epoch) })]; q.Low != nil && q.High != nil {
			p.Partly, p.Low, p.High = true, *q.Low, *q.High
		}
	} else {
		p.SD = sd(p.Values)
	}
	return p, true
}

// stdErr is NaN where it is not known: a worker that answers with a bare number has none, or 0 of no examples.
func stdErr(p results.Point) float64 {
	if p.StdErr == 0 && p.N == 0 {
		return math.NaN()
	}
	return p.StdErr
}

// sd is the sample standard deviation.
func sd(values []float64) float64 {
	mean, sum := 0.0, 0.0
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	return math.Sqrt(sum / float64(len(values)-1))
}

// orNaN is NaN, which no sum loses, for what is not known.
func orNaN[T int64 | float64](v *T) float64 {
	if v == nil {
		return math.NaN()
	}
	return float64(*v)
}

// unrising finds the runs whose seconds do not rise along the epochs: they are not the time spent up to there.
func unrising(table *results.Table) map[string]bool {
	type point struct{ epoch, seconds float64 }
	points := map[string][]point{}
	for _, r := range table.Rows {
		if r.Seconds != nil {
			id := r.RunOf().ID()
			points[id] = append(points[id], point{r.Epoch, *r.Seconds})
		}
	}
	out := map[string]bool{}
	for id, list := range points {
		slices.SortStableFunc(list, func(a, b point) int { return cmp.Compare(a.epoch, b.epoch) })
		for i, p := range list {
			if p.seconds < 0 || i > 0 && !same(p.epoch, list[i-1].epoch) && p.seconds <= list[i-1].seconds {
				out[id] = true
			}
		}
	}
	return out
}

// At returns the point at an epoch.
func (c *Curve) At(epoch float64) (Point, bool) {
	for _, p := range c.Points {
		if same(p.Epoch, epoch) {
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
