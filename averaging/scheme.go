// Package averaging turns schemes into coefficients and coefficients into averaged weights.
//
// It believes that a scheme is a pure function of the checkpoints up to the endpoint, that two schemes
// with the same coefficients are the same average, and that an average is summed in float64 and rounded
// once, to the checkpoint's own type: θ = Σ wᵢθᵢ / Σw, in an order that the coefficients alone decide
// (see Coefficients), so that the bits depend on nothing but the checkpoints and the scheme.
package averaging

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Point is what a scheme may know of a checkpoint.
type Point struct {
	Epoch   float64 // epochs completed
	Step    int64   // optimizer steps completed; -1 where they are not known
	Metrics map[string]float64
}

// Points is what schemes may know of a trajectory.
func Points(t *trajectory.Trajectory) []Point {
	out := make([]Point, len(t.Checkpoints))
	for i, c := range t.Checkpoints {
		metrics := map[string]float64{}
		for name, v := range c.Metrics {
			metrics[name] = float64(v)
		}
		out[i] = Point{Epoch: c.Epoch, Step: -1, Metrics: metrics}
		if step := t.Step(i); step != nil {
			out[i].Step = *step
		}
	}
	return out
}

// Coefficients says how much of which checkpoint enters an average: Weights[i]/Norm of checkpoint
// Indices[i]. Indices rise; none is beyond the endpoint.
//
// A mean (equal weights) of at most 16 checkpoints is summed from the newest checkpoint to the oldest:
// nested windows then share one sum. All others are summed from the oldest to the newest, as a running
// sum over the history is.
type Coefficients struct {
	Indices []int
	Weights []float64
	Norm    float64
	// Gaps says that a missing checkpoint does not change what the coefficients mean: they follow the
	// steps, or name their checkpoints.
	Gaps bool
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

// newestFirst says in which order the average is summed.
func (c Coefficients) newestFirst() bool {
	return len(c.Weights) <= 16 && !slices.ContainsFunc(c.Weights, func(w float64) bool { return w != 1 })
}

// key is equal for equal averages.
func (c Coefficients) key() [sha256.Size]byte {
	b := make([]byte, 0, 16*len(c.Indices)+8)
	for i, w := range c.Weights {
		b = binary.LittleEndian.AppendUint64(b, uint64(c.Indices[i]))
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(w))
	}
	return sha256.Sum256(binary.LittleEndian.AppendUint64(b, math.Float64bits(c.Norm)))
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

// Kind describes the schemes of one name, and reads them.
type Kind = spec.Kind[Scheme]

// Kinds lists all schemes, the baseline first.
func Kinds() []Kind {
	return []Kind{lastKind, lawaKind, swaKind, emaKind, expKind, expCodeKind, wmaKind, logspacedKind, powerKind, decayKind, bestKind, weightsKind}
}

// Parse reads the spec of one scheme.
func Parse(text string) (Scheme, error) { return spec.Choose("scheme", text, Kinds()) }

// ParseAll reads specs whose parameters may be ranges, such as ema:decay=0.5..0.95/0.05, and leaves out
// what stands there twice. More than spec.MaxExpansion schemes are an error.
func ParseAll(texts []string) ([]Scheme, error) {
	var out []Scheme
	seen := map[string]bool{}
	for _, text := range texts {
		expanded, err := spec.Expand(text)
		if err != nil {
			return nil, fmt.Errorf("scheme %w", err)
		}
		for _, text := range expanded {
			scheme, err := Parse(text)
			if err != nil {
				return nil, err
			}
			if !seen[scheme.Spec()] {
				seen[scheme.Spec()] = true
				out = append(out, scheme)
			}
		}
		if len(out) > spec.MaxExpansion {
			return nil, fmt.Errorf("more than %d schemes", spec.MaxExpansion)
		}
	}
	return out, nil
}

// mean gives equal weight to each of the checkpoints.
func mean(indices []int) Coefficients {
	c := Coefficients{Indices: indices, Weights: make([]float64, len(indices)), Norm: float64(len(indices))}
	for i := range c.Weights {
		c.Weights[i] = 1
	}
	return c
}

// weighted gives the i-th checkpoint the weight w(i), and none where that is 0.
func weighted(indices []int, w func(i int) float64) Coefficients {
	c := Coefficients{Indices: make([]int, 0, len(indices)), Weights: make([]float64, 0, len(indices))}
	for i, index := range indices {
		if v := w(i); v != 0 {
			c.Indices, c.Weights = append(c.Indices, index), append(c.Weights, v)
			c.Norm += v
		}
	}
	switch len(c.Indices) {
	case 0:
		return Coefficients{}
	case 1:
		return mean(c.Indices)
	}
	return c
}
