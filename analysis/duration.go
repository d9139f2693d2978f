package analysis

import (
	"math"
	"slices"

	"github.com/lawa-replay/lawa-replay/analysis/paired"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// TimeSaved is how much sooner a scheme reaches levels than a reference, the baseline of its runs or another run, along an axis.
//
// The longest time saved is the maximum over levels of a noisy difference, so that it is too large on average; it stands beside the
// whole curve, an interval of it, and what the same arithmetic finds where nothing was averaged (NullSaved).
type TimeSaved struct {
	Levels  []Level
	Longest Span // over the levels that both reach
	At      int  // place in Levels of the longest
}

// Level is a value of the metric, and how much sooner it is reached.
type Level struct {
	Value   float64
	Reached float64 // where the reference reaches it, along the axis
	Epoch   float64 // and at which epoch
	Saved   Span    // of the first points that reach it; NaN where one of them never does
}

// Span is a length along an axis, with its interval over draws of the examples; NaN where it is not known.
type Span struct{ Value, Low, High float64 }

// Draws of a whole statistic, each of which costs a pass over all examples of all evaluations: as many as some seconds allow.
const (
	maxSpanDraws, minSpanDraws = 1000, 200
	spanWork                   = 2_000_000_000 // products
)

// SaveTime compares a curve with a reference. The levels are the reference's own values as it gets better: the best so far at each of
// its points; in a draw of the examples they are those of the draw, so that what makes all values better or worse alike does not
// count. Without examples (nil) there are no intervals.
func SaveTime(reference, scheme *Curve, m metric.Metric, axis Axis, e *Examples, o paired.Options) (TimeSaved, error) {
	var out TimeSaved
	values := func(points []Point) []float64 {
		var v []float64
		for _, p := range points {
			v = append(v, p.Value)
		}
		return v
	}
	at := func(points []Point) []float64 {
		var x []float64
		for _, p := range points {
			x = append(x, axis.X(p))
		}
		return x
	}
	xr, xs := at(reference.Points), at(scheme.Points)
	places := records(values(reference.Points), m)
	first := func(v []float64, level float64, x []float64) float64 {
		i := slices.IndexFunc(v, func(v float64) bool { return !math.IsNaN(v) && !m.Better(level, v) })
		if i < 0 {
			return math.NaN()
		}
		return x[i]
	}
	// saved is by level, for values of the reference and of the scheme.
	saved := func(r, s []float64) (each []float64, longest float64, place int) {
		longest, place = math.NaN(), -1
		for i, at := range places {
			level := bestOfAll(r[:at+1], m)
			d := first(r, level, xr) - first(s, level, xs)
			if each = append(each, d); !math.IsNaN(d) && !(d <= longest) {
				longest, place = d, i
			}
		}
		return each, longest, place
	}
	each, longest, place := saved(values(reference.Points), values(scheme.Points))
	nan := math.NaN()
	out.Longest, out.At = Span{longest, nan, nan}, place
	for i, at := range places {
		out.Levels = append(out.Levels, Level{reference.Points[at].Value, xr[at], reference.Points[at].Epoch, Span{each[i], nan, nan}})
	}
	if e == nil {
		return out, nil
	}
	r, err := e.reference(reference.Points)
	if err != nil {
		return out, err
	}
	s, err := e.matrix(scheme.Points)
	if err != nil {
		return out, err
	}
	if len(r.rows) == 0 || len(s.rows) == 0 {
		return out, nil
	}
	if len(r.rows[0]) != len(s.rows[0]) || !slices.Equal(r.sizes, s.sizes) {
		return out, errOthers
	}
	if o.Clusters, _, err = e.clusters(reference.Points[0]); err != nil {
		return out, err
	}
	if o.Draws == 0 {
		o.Draws = max(minSpanDraws, min(maxSpanDraws, spanWork/((len(r.rows)+len(s.rows))*len(r.rows[0]))))
	}
	draws := make([][]float64, len(places)+1)
	for i := range draws {
		draws[i] = make([]float64, o.Draws)
	}
	err = paired.Resample(len(r.rows[0]), o, func(draw int, counts []float32) {
		each, longest, _ := saved(r.means(counts), s.means(counts))
		for i, v := range each {
			draws[i][draw] = v
		}
		draws[len(places)][draw] = longest
	})
	if err != nil {
		return out, err
	}
	for i := range places {
		out.Levels[i].Saved.interval(draws[i])
	}
	out.Longest.interval(draws[len(places)])
	return out, nil
}

// NullSaved is the longest time that the second of several runs saves against the first, where nothing was averaged: what the maximum
// over levels makes of luck. It says false where there is one run.
func NullSaved(baseline *Curve, m metric.Metric, axis Axis) (float64, bool, error) {
	if baseline.Runs() < 2 {
		return 0, false, nil
	}
	t, err := SaveTime(ofRun(baseline, 0), ofRun(baseline, 1), m, axis, nil, paired.Options{})
	return t.Longest.Value, !math.IsNaN(t.Longest.Value), err
}

// interval takes the percentiles of draws. Draws in which a level is never reached count as longer or shorter than any, so that an
// interval that they reach into is not known.
func (s *Span) interval(draws []float64) {
	never := 0
	known := make([]float64, 0, len(draws))
	for _, d := range draws {
		if math.IsNaN(d) {
			never++
			continue
		}
		known = append(known, d)
	}
	if share := float64(never) / float64(len(draws)); share > (1-paired.Level)/2 || len(known) == 0 {
		return
	}
	slices.Sort(known)
	s.Low, s.High = paired.Quantile(known, (1-paired.Level)/2), paired.Quantile(known, (1+paired.Level)/2)
}

// records are the places at which a list gets better than before, in its order.
func records(values []float64, m metric.Metric) []int {
	var out []int
	for i, v := range values {
		if !math.IsNaN(v) && (len(out) == 0 || m.Better(v, values[out[len(out)-1]])) {
			out = append(out, i)
		}
	}
	return out
}

// bestOfAll is the best of values that are not NaN.
func bestOfAll(values []float64, m metric.Metric) float64 {
	best := math.NaN()
	for _, v := range values {
		if !math.IsNaN(v) && (math.IsNaN(best) || m.Better(v, best)) {
			best = v
		}
	}
	return best
}

// matrix is what each example gave at several points.
type matrix struct {
	rows  [][]float32 // by point, the mean over runs
	sizes []float32
}

func (e *Examples) matrix(points []Point) (matrix, error) {
	var m matrix
	for i, p := range points {
		values, sizes, err := e.each(p)
		if err != nil {
			return m, err
		}
		row := make([]float32, len(values))
		for j, v := range values {
			row[j] = float32(v)
		}
		if i == 0 {
			m.sizes = sizes
		}
		if i > 0 && (len(row) != len(m.rows[0]) || !slices.Equal(sizes, m.sizes)) {
			return m, errOthers
		}
		m.rows = append(m.rows, row)
	}
	return m, nil
}

// reference is the matrix of points that several schemes are compared with, one after the other.
func (e *Examples) reference(points []Point) (matrix, error) {
	if len(points) > 0 && e.rowsFor == &points[0] && len(e.rows.rows) == len(points) {
		return e.rows, nil
	}
	m, err := e.matrix(points)
	if err == nil && len(points) > 0 {
		e.rows, e.rowsFor = m, &points[0]
	}
	return m, err
}

// means are those of each point, of a draw.
func (m matrix) means(counts []float32) []float64 {
	total := 0.0
	if m.sizes == nil {
		for _, c := range counts {
			total += float64(c)
		}
	} else {
		total = dot(m.sizes, counts)
	}
	out := make([]float64, len(m.rows))
	for i, row := range m.rows {
		out[i] = dot(row, counts) / total
	}
	return out
}

// dot sums products, in float64 over blocks that are summed in float32 lanes: quick, and far more exact than a draw is.
func dot(x, counts []float32) float64 {
	const block = 256
	sum := 0.0
	for len(x) > 0 {
		n := min(block, len(x))
		a, b := x[:n], counts[:n]
		var l [4]float32
		i := 0
		for ; i+4 <= n; i += 4 {
			l[0] += a[i] * b[i]
			l[1] += a[i+1] * b[i+1]
			l[2] += a[i+2] * b[i+2]
			l[3] += a[i+3] * b[i+3]
		}
		for ; i < n; i++ {
			l[0] += a[i] * b[i]
		}
		sum += float64(l[0]+l[1]) + float64(l[2]+l[3])
		x, counts = x[n:], counts[n:]
	}
	return sum
}
