package analysis

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/lawa-replay/lawa-replay/analysis/paired"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// Examples gives what each example gave in the evaluations of a metric, and keeps what it has read.
type Examples struct {
	kept   *examples.Store
	metric metric.Metric
	read   map[string]examples.Metric
	held   int // values in read

	rows    matrix // of the points that were asked for last as a reference: the same for all schemes
	rowsFor *Point
}

// mostHeld bounds the values that are kept in memory once they were read: 256 MiB of them.
const mostHeld = 64 << 20

// ErrNoExamples is wrapped by the error of an evaluation of which it is not known what each example gave.
var ErrNoExamples = errors.New("what each example gave is not kept")

// ExamplesOf are those of a metric. Of one that is no mean over examples, such as the perplexity, there is an error.
func ExamplesOf(kept *examples.Store, m metric.Metric) (*Examples, error) {
	if m.Name == metric.Perplexity.Name {
		return nil, hint.With(errors.New("the perplexity is no mean over examples but the exponential of one"), "metric loss", "compares that mean")
	}
	return &Examples{kept: kept, metric: m, read: map[string]examples.Metric{}}, nil
}

// of is an evaluation's.
func (e *Examples) of(key string) (examples.Metric, error) {
	if m, ok := e.read[key]; ok {
		return m, nil
	}
	set, ok, err := e.kept.Get(key)
	if err != nil {
		return examples.Metric{}, err
	}
	if !ok {
		return examples.Metric{}, fmt.Errorf("%w of evaluation %.12s…: an earlier version made it, or it was asked to keep nothing, or a worker answered with means, or it rests on a part of the examples (sweep again, into another folder, to know)", ErrNoExamples, key)
	}
	m, ok := set.Find(e.metric.Name)
	if !ok {
		return m, fmt.Errorf("%w of %s in evaluation %.12s…", ErrNoExamples, e.metric.Name, key)
	}
	if e.held += len(m.Values) + len(m.Sizes); e.held > mostHeld {
		clear(e.read)
		e.held = len(m.Values) + len(m.Sizes)
	}
	e.read[key] = m
	return m, nil
}

// each is what each example gave at a point, the mean over its runs, with the sizes, nil where each counts once.
func (e *Examples) each(p Point) (values []float64, sizes []float32, err error) {
	for _, key := range p.Keys {
		m, err := e.of(key)
		if err != nil {
			return nil, nil, err
		}
		if values == nil {
			values, sizes = make([]float64, len(m.Values)), m.Sizes
		}
		if len(m.Values) != len(values) || !slices.Equal(m.Sizes, sizes) {
			return nil, nil, errOthers
		}
		for i, v := range m.Values {
			values[i] += float64(v) / float64(len(p.Keys))
		}
	}
	return values, sizes, nil
}

// clusters are the documents that the examples of a point belong to, and how many there are; nil where each example is one of its own.
func (e *Examples) clusters(p Point) ([]int, int, error) {
	if len(p.Keys) == 0 {
		return nil, 0, nil
	}
	m, err := e.of(p.Keys[0])
	if err != nil {
		return nil, 0, err
	}
	clusters, n := m.Clusters()
	return clusters, n, nil
}

var errOthers = errors.New("they were not evaluated on the same examples")

// Paired is the difference of two points on the same examples: a − b.
type Paired struct {
	A, B     Point
	Examples paired.Estimate // over the examples; of several runs the mean of their differences, example by example
	Runs     paired.Estimate // over the runs, NaN where they are not seeds of one another or there is one
	Better   float64         // probability that a is better than b, by Runs where there are several, otherwise by Examples
}

// Pair compares two points.
func (e *Examples) Pair(a, b Point, o paired.Options) (Paired, error) {
	return e.pair(a, b, func(x, s []float64, clusters []int) (paired.Estimate, error) {
		o.Clusters = clusters
		return paired.Mean(x, s, o)
	})
}

// Roughly is Pair by the normal distribution instead of a bootstrap, for many points.
func (e *Examples) Roughly(a, b Point) (Paired, error) {
	return e.pair(a, b, paired.Normal)
}

func (e *Examples) pair(a, b Point, mean func(x, s []float64, clusters []int) (paired.Estimate, error)) (Paired, error) {
	out := Paired{A: a, B: b, Runs: paired.OverRuns(nil)}
	if a.Partly && !b.Partly { // as it was estimated: from the baseline's own value, which is known whole
		out.Examples, out.Better = paired.Unknown(a.Value-b.Value), math.NaN()
		out.Examples.Low, out.Examples.High = a.Low-b.Value, a.High-b.Value
		return out, nil
	}
	x, sizes, err := e.each(a)
	if err != nil {
		return out, err
	}
	y, others, err := e.each(b)
	if err != nil {
		return out, err
	}
	if len(x) != len(y) || !slices.Equal(sizes, others) {
		return out, errOthers
	}
	var s []float64
	if sizes != nil {
		s = make([]float64, len(sizes))
	}
	for i := range x {
		if x[i] -= y[i]; s != nil {
			s[i] = float64(sizes[i])
		}
	}
	clusters, _, err := e.clusters(a)
	if err != nil {
		return out, err
	}
	if out.Examples, err = mean(x, s, clusters); err != nil {
		return out, err
	}
	better := func(v paired.Estimate) float64 {
		if e.metric.HigherBetter {
			return v.Above
		}
		return 1 - v.Above
	}
	out.Better = better(out.Examples)
	if len(a.Values) > 1 && len(a.Values) == len(b.Values) {
		var each []float64
		for i := range a.Values {
			each = append(each, a.Values[i]-b.Values[i])
		}
		out.Runs = paired.OverRuns(each)
		out.Better = better(out.Runs)
	}
	return out, nil
}

// Interval is that by which the difference is judged: over the runs where there are several, otherwise over the examples.
func (p Paired) Interval() paired.Estimate {
	if !math.IsNaN(p.Runs.Low) {
		return p.Runs
	}
	return p.Examples
}

// Distinct says that the interval does not hold 0.
func (p Paired) Distinct() bool {
	i := p.Interval()
	return i.Low > 0 || i.High < 0
}

// Noise is the standard deviation of a curve's values over its last n endpoints, of several runs the root of the mean variance: what
// is left of a checkpoint's luck, which averaging lowers (Heineman et al. 2025, arXiv 2508.13144). It is NaN of fewer than three
// endpoints.
func Noise(c *Curve, n int) (sd float64, endpoints int) {
	points := c.Points[max(0, len(c.Points)-n):]
	if len(points) < 3 {
		return math.NaN(), len(points)
	}
	variance := 0.0
	for run := range points[0].Values {
		mean := 0.0
		for _, p := range points {
			mean += p.Values[run] / float64(len(points))
		}
		for _, p := range points {
			d := p.Values[run] - mean
			variance += d * d / float64(len(points)-1) / float64(len(p.Values))
		}
	}
	return math.Sqrt(variance), len(points)
}

// Reach is when a curve reaches a level.
type Reach struct {
	First *Point // the first point that is at least as good; nil where none is
	Stays *Point // the first from which on all are; nil where the last is not
}

// Reaches finds when a curve reaches a level. A value that is not a number does not.
func Reaches(c *Curve, level float64, m metric.Metric) Reach {
	var r Reach
	for i := range c.Points {
		p := &c.Points[i]
		good := !math.IsNaN(p.Value) && !m.Better(level, p.Value)
		switch {
		case !good:
			r.Stays = nil
			continue
		case r.Stays == nil:
			r.Stays = p
		}
		if r.First == nil {
			r.First = p
		}
	}
	return r
}
