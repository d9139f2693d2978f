package averaging

import "github.com/lawa-replay/lawa-replay/internal/spec"

var lastKind = Kind{
	Name:     "last",
	About:    "the checkpoint itself: the baseline",
	Examples: []string{"last"},
	Parse:    func(*spec.Spec) Scheme { return Last{} },
}

// Last is the baseline: the checkpoint itself. It is the same average as lawa:k=1.
type Last struct{}

// Spec implements Scheme.
func (Last) Spec() string { return "last" }

// K implements Scheme.
func (Last) K() int { return 1 }

// Coefficients implements Scheme.
func (Last) Coefficients(_ []Point, endpoint int) (Coefficients, error) {
	return mean([]int{endpoint}), nil
}
