package averaging

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"

	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Request is one average that was asked for: a scheme at an endpoint (an index into the points).
type Request struct {
	Scheme   Scheme
	Endpoint int
	Average  int // index into Plan.Averages
}

// Plan is the set of different averages that a sweep needs.
type Plan struct {
	Requests []Request
	Averages []Coefficients // by rising newest checkpoint
}

// Sources are the indices of the checkpoints in the averages, rising.
func (p *Plan) Sources() []int {
	var in []bool
	for _, a := range p.Averages {
		in = append(in, make([]bool, max(0, a.Newest()+1-len(in)))...)
		for _, i := range a.Indices {
			in[i] = true
		}
	}
	var out []int
	for i, is := range in {
		if is {
			out = append(out, i)
		}
	}
	return out
}

// RequestError says that what was asked for cannot be had of this trajectory.
type RequestError struct{ error }

// Unwrap gives the cause.
func (e RequestError) Unwrap() error { return e.error }

// NewPlan asks every scheme for its coefficients at every endpoint. Requests with equal coefficients
// share an average; a scheme without an average at an endpoint leaves no request, but one without any at
// all is an error. So are missing checkpoints inside of a window, unless allowGaps. Errors are
// RequestErrors.
func NewPlan(points []Point, schemes []Scheme, endpoints []int, allowGaps bool) (*Plan, error) {
	p := &Plan{}
	index := map[[sha256.Size]byte]int{}
	gaps := findGaps(points)
	had := make([]bool, len(schemes))
	shared := newSharing(len(points), len(schemes))
	for _, endpoint := range slices.Sorted(slices.Values(endpoints)) {
		for i, scheme := range schemes {
			c, err := scheme.Coefficients(points, endpoint)
			if err != nil {
				return nil, RequestError{err}
			}
			if c.None() {
				continue
			}
			had[i] = true
			if !allowGaps && !c.Gaps {
				if err := gaps.within(points, c); err != nil {
					return nil, RequestError{fmt.Errorf("%s at epoch %s: %w", scheme.Spec(), trajectory.EpochName(points[endpoint].Epoch), err)}
				}
			}
			key := c.key()
			average, known := index[key]
			if !known {
				average = len(p.Averages)
				index[key] = average
				p.Averages = append(p.Averages, shared.of(i, c))
			}
			p.Requests = append(p.Requests, Request{scheme, endpoint, average})
		}
	}
	for i, scheme := range schemes {
		if !had[i] && len(endpoints) > 0 {
			return nil, RequestError{missing(points, scheme, endpoints)}
		}
	}
	// An average may be older than its endpoint (swa:start=10,every=5 at epoch 12 is that of epoch 10).
	order := make([]int, len(p.Averages))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return p.Averages[a].Newest() - p.Averages[b].Newest() })
	averages, place := make([]Coefficients, len(order)), make([]int, len(order))
	for to, from := range order {
		averages[to], place[from] = p.Averages[from], to
	}
	p.Averages = averages
	for i := range p.Requests {
		p.Requests[i].Average = place[p.Requests[i].Average]
	}
	return p, nil
}

// missing says why the scheme has no average at any of the endpoints.
func missing(points []Point, scheme Scheme, endpoints []int) error {
	for i := range points {
		if c, err := scheme.Coefficients(points, i); err == nil && !c.None() {
			return fmt.Errorf("%s has no average up to epoch %s: its first is that of epoch %s", scheme.Spec(), trajectory.EpochName(points[slices.Max(endpoints)].Epoch), trajectory.EpochName(points[i].Epoch))
		}
	}
	return fmt.Errorf("%s has no average anywhere in the trajectory, which has %d checkpoints, up to epoch %s", scheme.Spec(), len(points), trajectory.EpochName(points[len(points)-1].Epoch))
}

// gaps counts, for each checkpoint, the gaps up to it.
type gaps struct {
	count   []int
	spacing float64 // epochs between checkpoints as a rule
}

// findGaps finds neighbours that lie further apart than the trajectory's checkpoints do as a rule: than their
// median distance, without that of the last one where it is short, because a run ends where it ends.
func findGaps(points []Point) gaps {
	g := gaps{make([]int, len(points)), math.Inf(1)}
	var apart []float64
	for i := 1; i < len(points); i++ {
		apart = append(apart, points[i].Epoch-points[i-1].Epoch)
	}
	if n := len(apart); n > 1 && apart[n-1] < apart[n-2] {
		apart = apart[:n-1]
	}
	if n := len(apart); n > 0 {
		slices.Sort(apart)
		g.spacing = apart[(n-1)/2] // of two in the middle the lower: a gap is shown rather than passed over
	}
	for i := 1; i < len(points); i++ {
		g.count[i] = g.count[i-1]
		if points[i].Epoch-points[i-1].Epoch > 1.5*g.spacing {
			g.count[i]++
		}
	}
	return g
}

// within is an error where the coefficients reach over a gap.
func (g gaps) within(points []Point, c Coefficients) error {
	oldest, newest := c.Indices[0], c.Newest()
	if g.count[oldest] == g.count[newest] {
		return nil
	}
	i := oldest + 1
	for g.count[i] == g.count[oldest] {
		i++
	}
	err := fmt.Errorf("no checkpoint between epochs %s and %s, though they stand %s apart as a rule",
		trajectory.EpochName(points[i-1].Epoch), trajectory.EpochName(points[i].Epoch), trajectory.EpochName(g.spacing))
	return hint.With(err, "allow-gaps", "takes what is there, if that is meant")
}
