package averaging

import (
	"fmt"
	"math"
	"slices"
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

// NewPlan asks every scheme for its coefficients at every endpoint. Requests with equal coefficients
// share an average; a scheme without an average at an endpoint leaves no request. Missing checkpoints
// inside a window are an error unless allowGaps.
func NewPlan(points []Point, schemes []Scheme, endpoints []int, allowGaps bool) (*Plan, error) {
	p := &Plan{}
	index := map[string]int{}
	for _, endpoint := range slices.Sorted(slices.Values(endpoints)) {
		for _, scheme := range schemes {
			c, err := scheme.Coefficients(points, endpoint)
			if err != nil {
				return nil, err
			}
			if c.None() {
				continue
			}
			if !allowGaps {
				if err := gap(points, c); err != nil {
					return nil, fmt.Errorf("%s at epoch %g: %w", scheme.Spec(), points[endpoint].Epoch, err)
				}
			}
			key := c.key()
			average, known := index[key]
			if !known {
				average = len(p.Averages)
				index[key] = average
				p.Averages = append(p.Averages, c)
			}
			p.Requests = append(p.Requests, Request{scheme, endpoint, average})
		}
	}
	return p, nil
}

// gap finds neighbours in a window of successive checkpoints that lie further apart than the trajectory's
// checkpoints do.
func gap(points []Point, c Coefficients) error {
	spacing := math.Inf(1)
	for i := 1; i < len(points); i++ {
		spacing = min(spacing, points[i].Epoch-points[i-1].Epoch)
	}
	for _, i := range c.Indices[1:] {
		if d := points[i].Epoch - points[i-1].Epoch; d > 1.5*spacing {
			return fmt.Errorf("no checkpoint between epochs %g and %g, though they stand %g apart elsewhere (--allow-gaps if that is meant)", points[i-1].Epoch, points[i].Epoch, spacing)
		}
	}
	return nil
}
