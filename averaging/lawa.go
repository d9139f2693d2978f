package averaging

import (
	"fmt"

	"lawa-replay/internal/spec"
)

// LAWA is the uniform mean of the latest k checkpoints, θ_E = (1/k) Σ_{i=E−k+1}^{E} θ_i (Kaddour 2022,
// arXiv 2209.14981, Algorithm 1). Before the k-th checkpoint there is no average. The published code
// averages one checkpoint more than its k says; here lawa:k=6 is six checkpoints.
type LAWA struct{ Window int }

func parseLAWA(s *spec.Spec) Scheme {
	s.Require("k", "lawa:k=6")
	return LAWA{s.Int("k", 1, 1)}
}

// Spec implements Scheme.
func (l LAWA) Spec() string { return fmt.Sprintf("lawa:k=%d", l.Window) }

// K implements Scheme.
func (l LAWA) K() int { return l.Window }

// Coefficients implements Scheme.
func (l LAWA) Coefficients(points []Point, endpoint int) (Coefficients, error) {
	if l.Window > len(points) {
		return Coefficients{}, fmt.Errorf("%s: the trajectory has %d checkpoints only", l.Spec(), len(points))
	}
	if endpoint+1 < l.Window {
		return Coefficients{}, nil
	}
	return uniform(endpoint, l.Window), nil
}
