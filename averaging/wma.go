package averaging

import "github.com/lawa-replay/lawa-replay/internal/spec"

var wmaKind = Kind{
	Name:     "wma",
	About:    "weighted mean of the newest k checkpoints, the weights growing linearly towards the newest",
	Source:   "Li et al. 2025 (PMA), arXiv 2505.12082",
	Examples: []string{"wma:k=6"},
	Options:  windowOptions,
	Parse:    func(s *spec.Spec) Scheme { return WMA{parseWindow(s, "wma:k=6")} },
}

// WMA is the weighted mean of the newest k checkpoints with weights 1, 2, …, k from the oldest to the
// newest (the WMA of pre-trained model averaging, Li et al. 2025, arXiv 2505.12082).
type WMA struct{ Window }

// Spec implements Scheme.
func (w WMA) Spec() string { return "wma:" + w.text() }

// Coefficients implements Scheme.
func (w WMA) Coefficients(_ []Point, endpoint int) (Coefficients, error) {
	return weighted(w.indices(endpoint), func(i int) float64 { return float64(i + 1) }), nil
}
