package averaging

import "slices"

// sharing lets the coefficients of a plan be parts of the same few slices: a thousand endpoints of a history repeat
// each other, and written out they are the square of one. What it gives must not be changed.
type sharing struct {
	rising []int     // 0, 1, 2, …
	ones   []float64 // 1, 1, 1, …
	last   []Coefficients
}

func newSharing(points, schemes int) *sharing {
	s := &sharing{make([]int, points), make([]float64, points), make([]Coefficients, schemes)}
	for i := range points {
		s.rising[i], s.ones[i] = i, 1
	}
	return s
}

// of gives c, the next of a scheme by rising endpoints, in shared memory where it is the one before and something
// more, a mean, or a run of neighbours.
func (s *sharing) of(scheme int, c Coefficients) Coefficients {
	last := s.last[scheme]
	n := len(last.Indices)
	goes := n > 0 && continues(last, c)
	first, count := c.Indices[0], len(c.Indices)
	switch {
	case c.Newest()-first == count-1:
		c.Indices = s.rising[first : first+count : first+count]
	case goes:
		c.Indices = append(last.Indices, c.Indices[n:]...) // nobody else appends to it
	}
	switch {
	case !slices.ContainsFunc(c.Weights, func(w float64) bool { return w != 1 }):
		c.Weights = s.ones[:count:count]
	case goes:
		c.Weights = append(last.Weights, c.Weights[n:]...)
	}
	s.last[scheme] = c
	return c
}
