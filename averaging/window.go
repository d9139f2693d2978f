package averaging

import (
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// Window is the newest Size checkpoints. Before there are as many there is no window, or, where Partial,
// the checkpoints that there are.
type Window struct {
	Size    int
	Partial bool
}

// windowOptions are what parseWindow takes.
var windowOptions = []spec.Option{
	{Name: "k", About: "how many checkpoints"},
	{Name: "partial", Default: "false", About: "true averages those that there are before the k-th checkpoint"},
}

// parseWindow reads k and partial.
func parseWindow(s *spec.Spec, example string) Window {
	s.Require("k", example)
	return Window{s.Int("k", 1, 1), s.Bool("partial", false)}
}

// text is the window's part of a spec.
func (w Window) text() string {
	if w.Partial {
		return fmt.Sprintf("k=%d,partial=true", w.Size)
	}
	return fmt.Sprintf("k=%d", w.Size)
}

// K implements Scheme for those that hold a Window.
func (w Window) K() int { return w.Size }

// indices are the window's checkpoints, oldest first.
func (w Window) indices(endpoint int) []int { return w.strided(endpoint, 1) }

// strided takes every stride-th checkpoint, the endpoint's among them.
func (w Window) strided(endpoint, stride int) []int {
	n := min(w.Size, endpoint/stride+1)
	if n < w.Size && !w.Partial {
		return nil
	}
	out := make([]int, n)
	for i := range out {
		out[i] = endpoint - (n-1-i)*stride
	}
	return out
}

// upTo are all checkpoints from first to the endpoint.
func upTo(first, endpoint int) []int {
	if first > endpoint {
		return nil
	}
	return Window{Size: endpoint - first + 1}.indices(endpoint)
}

// recurrent gives the coefficients of the recurrence θ̄ᵢ = βᵢ·θ̄ᵢ₋₁ + (1−βᵢ)·θᵢ after the last of the
// indices, betas[i] being that of indices[i]; with betas[0] = 0 it starts with a copy. Solved, checkpoint
// i has (1−βᵢ)·βᵢ₊₁·…·βₙ of the sum of all.
//
// The weights are (1−βᵢ)/(β₁·…·βᵢ), the same for every later endpoint, but for a power of two when they
// have grown by 2⁴⁰⁰: so a running sum over the checkpoints gives the average of each endpoint. When the
// power changes, weights that fell below 2⁻²⁰⁰ of the newest are left out.
func recurrent(indices []int, betas []float64) Coefficients {
	n := len(indices)
	mantissas, exponents := make([]float64, n), make([]int, n)
	first, m, e := 0, 1.0, 0
	for i, beta := range betas {
		switch {
		case i == 0:
		case beta == 0:
			first, m, e = i, 1, 0 // what was before is forgotten
		default:
			var shift int
			m, shift = math.Frexp(m / beta)
			e += shift
		}
		mantissas[i], exponents[i] = m*(1-beta), e
	}
	base := e / 400 * 400
	for exponents[first] < base-200 {
		first++
	}
	return weighted(indices[first:], func(i int) float64 {
		return math.Ldexp(mantissas[first+i], exponents[first+i]-base)
	})
}

// constant is the same decay for n checkpoints, starting with a copy.
func constant(beta float64, n int) []float64 {
	out := make([]float64, n)
	for i := 1; i < n; i++ {
		out[i] = beta
	}
	return out
}
