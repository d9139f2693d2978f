package averaging

import (
	"math"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

var logspacedKind = Kind{
	Name:     "logspaced",
	About:    "mean of k checkpoints at log-spaced ages, from the newest to the first of the run",
	Examples: []string{"logspaced:k=6"},
	Options:  windowOptions,
	Parse:    func(s *spec.Spec) Scheme { return Logspaced{parseWindow(s, "logspaced:k=6")} },
}

// Logspaced is the mean of k checkpoints at log-spaced ages: with n checkpoints up to the endpoint, the
// ages n^(j/(k−1)) − 1 for j = 0, …, k−1, which lead from the newest (0) to the first (n−1), rounded to
// whole checkpoints and, where two would be the same, to the next older one. k = 1 is the newest.
type Logspaced struct{ Window }

// Spec implements Scheme.
func (l Logspaced) Spec() string { return "logspaced:" + l.text() }

// Coefficients implements Scheme.
func (l Logspaced) Coefficients(_ []Point, endpoint int) (Coefficients, error) {
	k := len(l.indices(endpoint))
	if k == 0 {
		return Coefficients{}, nil
	}
	indices := make([]int, k)
	n, previous := float64(endpoint+1), -1
	for j := range k {
		age := 0
		if j > 0 {
			age = int(math.RoundToEven(math.Pow(n, float64(j)/float64(k-1)) - 1))
		}
		// Older than the one before, and young enough to leave room for the rest.
		age = min(max(age, previous+1), endpoint-(k-1-j))
		indices[k-1-j] = endpoint - age
		previous = age
	}
	return mean(indices), nil
}
