// Package averaging turns schemes into coefficients and coefficients into averaged weights.
//
// It believes that a scheme is a pure function of the checkpoints up to the endpoint, that two schemes
// with the same coefficients are the same average, and that an average is summed in float64 and rounded
// once, to the checkpoint's own type: θ = Σ wᵢθᵢ / Σw, from the newest checkpoint to the oldest, so that
// the bits depend on nothing but the checkpoints and the scheme.
package averaging

import (
	"fmt"
	"math"
	"slices"

	"lawa-replay/internal/spec"
)

// Point is what a scheme may know of a checkpoint.
type Point struct {
	Epoch   float64 // epochs completed
	Step    int64   // optimizer steps completed
	Metrics map[string]float64
}

// Coefficients says how much of which checkpoint enters an average: Weights[i]/Norm of checkpoint
// Indices[i]. Indices rise; none is beyond the endpoint.
type Coefficients struct {
	Indices []int
	Weights []float64
	Norm    float64
}

// None says that the scheme has no average at this endpoint, as LAWA has none before its k-th checkpoint.
func (c Coefficients) None() bool { return len(c.Indices) == 0 }

// Newest is the index of the newest checkpoint in the average: the one whose integer tensors it takes.
func (c Coefficients) Newest() int { return c.Indices[len(c.Indices)-1] }

// Values returns the coefficients themselves, Weights/Norm.
func (c Coefficients) Values() []float64 {
	out := make([]float64, len(c.Weights))
	for i, w := range c.Weights {
		out[i] = w / c.Norm
	}
	return out
}

// key is equal for equal averages.
func (c Coefficients) key() string {
	b := make([]byte, 0, 24*len(c.Indices))
	for i, v := range c.Values() {
		b = fmt.Appendf(b, "%d:%x;", c.Indices[i], math.Float64bits(v))
	}
	return string(b)
}

// Scheme is an averaging rule.
type Scheme interface {
	// Spec is the canonical text that Parse reads, such as lawa:k=6.
	Spec() string
	// K is the number of checkpoints averaged where the scheme fixes one, else 0.
	K() int
	// Coefficients returns those of the average at points[endpoint], or none before it is defined.
	Coefficients(points []Point, endpoint int) (Coefficients, error)
}

// parsers has a line for each scheme.
var parsers = map[string]func(*spec.Spec) Scheme{
	"last": func(*spec.Spec) Scheme { return Last{} },
	"lawa": parseLAWA,
}

// Parse reads a scheme's spec.
func Parse(text string) (Scheme, error) {
	s, err := spec.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("scheme %w", err)
	}
	parse, ok := parsers[s.Name]
	if !ok {
		var names []string
		for name := range parsers {
			names = append(names, name)
		}
		slices.Sort(names)
		return nil, spec.Unknown("scheme", s.Name, names)
	}
	scheme := parse(s)
	if err := s.Done(); err != nil {
		return nil, fmt.Errorf("scheme %w", err)
	}
	return scheme, nil
}

// uniform gives equal weight to the n points up to and including endpoint.
func uniform(endpoint, n int) Coefficients {
	c := Coefficients{Norm: float64(n)}
	for i := endpoint - n + 1; i <= endpoint; i++ {
		c.Indices = append(c.Indices, i)
		c.Weights = append(c.Weights, 1)
	}
	return c
}
