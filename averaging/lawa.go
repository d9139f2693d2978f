package averaging

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

var lawaKind = Kind{
	Name:     "lawa",
	About:    "mean of the newest k checkpoints",
	Source:   "Kaddour 2022, arXiv 2209.14981, Algorithm 1",
	Examples: []string{"lawa:k=6", "lawa:k=6,stride=2", "lawa:k=6,partial=true"},
	Options:  append(windowOptions, spec.Option{Name: "stride", Default: "1", About: "2 takes every second of them"}),
	Parse: func(s *spec.Spec) Scheme {
		return LAWA{parseWindow(s, "lawa:k=6"), s.Int("stride", 1, 1)}
	},
}

// LAWA is the mean of the latest k checkpoints, θ_E = (1/k) Σ_{i=E−k+1}^{E} θ_i (Kaddour 2022, arXiv
// 2209.14981, Algorithm 1), or of every Stride-th of them: E, E−s, …, E−(k−1)s. Before the k-th checkpoint
// there is no average, unless the window may be partial. The published code averages one checkpoint more
// than its k says; here lawa:k=6 is six checkpoints.
type LAWA struct {
	Window
	Stride int
}

// Spec implements Scheme.
func (l LAWA) Spec() string {
	text := fmt.Sprintf("lawa:k=%d", l.Size)
	if l.Stride > 1 {
		text += fmt.Sprintf(",stride=%d", l.Stride)
	}
	if l.Partial {
		text += ",partial=true"
	}
	return text
}

// Coefficients implements Scheme.
func (l LAWA) Coefficients(_ []Point, endpoint int) (Coefficients, error) {
	return mean(l.strided(endpoint, l.Stride)), nil
}
