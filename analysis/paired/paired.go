// Package paired compares values that were measured on the same examples.
//
// It believes that an estimate without its interval is half an answer; that examples which belong together are drawn together; and
// that a draw must be repeatable: the same seed gives the same interval on any number of cores.
package paired

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/stat/distuv"
)

// Level is that of the intervals.
const Level = 0.95

// Options say how intervals are drawn.
type Options struct {
	Draws    int    // of the bootstrap; 0 is 10,000
	Seed     uint64 // of them
	Clusters []int  // of each example, which document it belongs to, counted from 0; nil: each is one of its own
}

// usualDraws are those where nobody says how many.
const usualDraws = 10_000

func (o Options) draws() int {
	if o.Draws > 0 {
		return o.Draws
	}
	return usualDraws
}

// Estimate is a value with what is known of it.
type Estimate struct {
	Value     float64
	StdErr    float64 // over examples, or clusters of them; that of a ratio where examples have sizes
	Low, High float64 // the interval of Level: percentiles of the bootstrap (Efron, Tibshirani 1993, §13.3)
	Above     float64 // share of the draws in which it is above 0, those at 0 counting half
	N         int     // examples, or clusters
}

// Mean estimates Σvalue/Σsize over examples; sizes may be nil, where each counts once. Clusters are resampled whole.
func Mean(values, sizes []float64, o Options) (Estimate, error) {
	x, s, err := clustered(values, sizes, o.Clusters)
	if err != nil {
		return Estimate{}, err
	}
	e := ratio(x, s)
	draws := bootstrap(x, s, o)
	slices.Sort(draws)
	e.Low, e.High = Quantile(draws, (1-Level)/2), Quantile(draws, (1+Level)/2)
	for _, d := range draws {
		switch {
		case d > 0:
			e.Above++
		case d == 0:
			e.Above += 0.5
		}
	}
	e.Above /= float64(len(draws))
	return e, nil
}

// Normal is Mean by the normal distribution instead of a bootstrap: quicker, and of thousands of examples hardly another interval.
func Normal(values, sizes []float64, clusters []int) (Estimate, error) {
	x, s, err := clustered(values, sizes, clusters)
	if err != nil {
		return Estimate{}, err
	}
	e := ratio(x, s)
	half := distuv.UnitNormal.Quantile((1+Level)/2) * e.StdErr
	e.Low, e.High, e.Above = e.Value-half, e.Value+half, 0.5
	if e.StdErr > 0 {
		e.Above = distuv.UnitNormal.CDF(e.Value / e.StdErr)
	} else if e.Value != 0 {
		e.Above = 0
		if e.Value > 0 {
			e.Above = 1
		}
	}
	return e, nil
}

// ratio is Σx/Σs with its standard error.
func ratio(x, s []float64) Estimate {
	sum, total := 0.0, 0.0
	for i := range x {
		sum, total = sum+x[i], total+s[i]
	}
	n := float64(len(x))
	e := Estimate{Value: sum / total, N: len(x)}
	squares := 0.0
	for i := range x {
		d := x[i] - e.Value*s[i]
		squares += d * d
	}
	e.StdErr = math.Sqrt(squares/(n-1)/n) / (total / n)
	return e
}

// clustered sums values and sizes over the examples of each cluster. Something that is not finite is an error: a mean over it has no
// interval.
func clustered(values, sizes []float64, clusters []int) (x, s []float64, err error) {
	if len(values) < 2 {
		return nil, nil, fmt.Errorf("%d examples: no interval is had of fewer than two", len(values))
	}
	if sizes != nil && len(sizes) != len(values) || clusters != nil && len(clusters) != len(values) {
		return nil, nil, fmt.Errorf("%d values, %d sizes, clusters of %d", len(values), len(sizes), len(clusters))
	}
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, nil, errors.New("some of the values are not finite")
		}
	}
	x, s = values, sizes
	if s == nil {
		s = make([]float64, len(values))
		for i := range s {
			s[i] = 1
		}
	}
	if clusters != nil {
		n := slices.Max(clusters) + 1
		cx, cs := make([]float64, n), make([]float64, n)
		for i, c := range clusters {
			if c < 0 || c >= len(values) {
				return nil, nil, fmt.Errorf("example %d belongs to cluster %d of at most %d", i, c, len(values))
			}
			cx[c] += x[i]
			cs[c] += s[i]
		}
		x, s = cx, cs
		if n < 2 {
			return nil, nil, errors.New("all examples belong to one cluster: there is no interval")
		}
	}
	return x, s, nil
}

// stream draws numbers: wyrand, whose state is a counter.
type stream uint64

// of is the stream of a draw.
func of(seed uint64, draw int) stream {
	// Two rounds of a mixer set the streams apart.
	x := seed ^ 0x9e3779b97f4a7c15*uint64(draw+1)
	for range 2 {
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		x ^= x >> 31
	}
	return stream(x)
}

func (s *stream) next() uint64 {
	*s += 0xa0761d6478bd642f
	hi, lo := bits.Mul64(uint64(*s), uint64(*s)^0xe7037ed1a0b428db)
	return hi ^ lo
}

// two draws two places below n < 2³². That some are likelier by n/2³² is far below what an interval shows.
func (s *stream) two(n uint64) (int, int) {
	r := s.next()
	return int(r >> 32 * n >> 32), int(r & (1<<32 - 1) * n >> 32)
}

// bootstrap is the ratio Σx/Σs of each draw of as many places with replacement.
func bootstrap(x, s []float64, o Options) []float64 {
	out := make([]float64, o.draws())
	n := uint64(len(x))
	equal := !slices.ContainsFunc(s, func(v float64) bool { return v != s[0] })
	each(len(out), func(draw int) {
		r := of(o.Seed, draw)
		sum, total := 0.0, 0.0
		for i := 0; i+1 < len(x); i += 2 {
			a, b := r.two(n)
			sum += x[a] + x[b]
			if !equal {
				total += s[a] + s[b]
			}
		}
		if len(x)%2 == 1 {
			a, _ := r.two(n)
			sum, total = sum+x[a], total+s[a]
		}
		if equal {
			total = s[0] * float64(len(x))
		}
		out[draw] = sum / total
	})
	return out
}

// each calls f for every number below n, on all cores.
func each(n int, f func(int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	all.Wait()
}

// Quantile is that of sorted values, between two of which it lies on the line; NaN of none.
func Quantile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// Resample calls f for each of some draws, with how often each of n examples is in it, clusters whole. f may keep nothing of counts,
// and is called on all cores at once.
func Resample(n int, o Options, f func(draw int, counts []float32)) error {
	m := n
	if o.Clusters != nil {
		if len(o.Clusters) != n {
			return fmt.Errorf("clusters of %d examples, there are %d", len(o.Clusters), n)
		}
		m = slices.Max(o.Clusters) + 1
	}
	if m < 2 {
		return fmt.Errorf("%d examples: nothing can be resampled", m)
	}
	pool := sync.Pool{New: func() any { return new([2][]float32) }}
	each(o.draws(), func(draw int) {
		kept := pool.Get().(*[2][]float32)
		defer pool.Put(kept)
		for i, size := range []int{m, n} {
			if len(kept[i]) != size {
				kept[i] = make([]float32, size)
			}
		}
		drawn := kept[0]
		clear(drawn)
		r := of(o.Seed, draw)
		for i := 0; i < m; i += 2 {
			a, b := r.two(uint64(m))
			if drawn[a]++; i+1 < m {
				drawn[b]++
			}
		}
		counts := drawn
		if o.Clusters != nil {
			counts = kept[1]
			for i, c := range o.Clusters {
				counts[i] = drawn[c]
			}
		}
		f(draw, counts)
	})
	return nil
}

// OverRuns estimates the mean over runs from one value of each: the interval is Student's t with one degree of freedom less than
// there are runs, which of two or three is wide. StdErr is over runs; Above is by the same distribution. Of one run it is NaN.
func OverRuns(values []float64) Estimate {
	n := float64(len(values))
	e := Estimate{N: len(values), StdErr: math.NaN(), Low: math.NaN(), High: math.NaN(), Above: math.NaN()}
	for _, v := range values {
		e.Value += v / n
	}
	if len(values) < 2 {
		return e
	}
	squares := 0.0
	for _, v := range values {
		squares += (v - e.Value) * (v - e.Value)
	}
	e.StdErr = math.Sqrt(squares / (n - 1) / n)
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: n - 1}
	half := t.Quantile((1+Level)/2) * e.StdErr
	e.Low, e.High = e.Value-half, e.Value+half
	switch {
	case e.StdErr > 0:
		e.Above = t.CDF(e.Value / e.StdErr)
	case e.Value > 0:
		e.Above = 1
	case e.Value == 0:
		e.Above = 0.5
	default:
		e.Above = 0
	}
	return e
}

// Unknown is a value of which nothing else is known.
func Unknown(value float64) Estimate {
	nan := math.NaN()
	return Estimate{Value: value, StdErr: nan, Low: nan, High: nan, Above: nan}
}
