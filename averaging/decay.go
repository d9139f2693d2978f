package averaging

import (
	"math"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

var decayKind = Kind{
	Name:     "decay",
	About:    "weights over the newest k checkpoints that emulate a decay of the learning rate",
	Source:   "Tian et al. 2025 (WSM), arXiv 2507.17634",
	Examples: []string{"decay:shape=1-sqrt,k=10", "decay:shape=cosine,k=10"},
	Options:  append([]spec.Option{{Name: "shape", About: "1-sqrt, linear (which is the mean) or cosine"}}, windowOptions...),
	Parse: func(s *spec.Spec) Scheme {
		s.Require("shape", "decay:shape=1-sqrt,k=10")
		return Decay{s.Choice("shape", "linear", "1-sqrt", "linear", "cosine"), parseWindow(s, "decay:shape=1-sqrt,k=10")}
	},
}

// Decay gives the newest k checkpoints the weights that emulate a learning rate which decays over them
// (WSM, Tian et al. 2025, arXiv 2507.17634): an average is its oldest checkpoint plus the updates since,
// each scaled by the weight of all checkpoints that hold it. For the i-th update to be scaled by d(i/k),
// the j-th checkpoint from the oldest (j = 0, …, k−1) has d(j/k) − d((j+1)/k), with
//
//	1-sqrt  d(x) = 1 − √x
//	linear  d(x) = 1 − x, which is the mean
//	cosine  d(x) = (1 + cos πx)/2
type Decay struct {
	Shape string
	Window
}

// Spec implements Scheme.
func (d Decay) Spec() string { return "decay:shape=" + d.Shape + "," + d.text() }

// Coefficients implements Scheme.
func (d Decay) Coefficients(_ []Point, endpoint int) (Coefficients, error) {
	indices := d.indices(endpoint)
	k := float64(len(indices))
	switch d.Shape {
	case "1-sqrt":
		return weighted(indices, func(j int) float64 { return math.Sqrt(float64(j+1)/k) - math.Sqrt(float64(j)/k) }), nil
	case "cosine":
		// (cos πj/k − cos π(j+1)/k)/2, without the cancellation.
		return weighted(indices, func(j int) float64 {
			return math.Sin(math.Pi*(float64(j)+0.5)/k) * math.Sin(math.Pi/(2*k))
		}), nil
	}
	return mean(indices), nil
}
