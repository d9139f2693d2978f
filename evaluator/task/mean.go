package task

import (
	"math"

	"github.com/lawa-replay/lawa-replay/results/metric"
)

// mean is the mean over n examples, with the standard error s/√n, where s² = Σ(x−mean)²/(n−1).
func mean(m metric.Metric, n int, x func(int) float64) Value {
	sum := 0.0
	for i := range n {
		sum += x(i)
	}
	middle := sum / float64(n)
	squares := 0.0
	for i := range n {
		d := x(i) - middle
		squares += d * d
	}
	return Value{m.Name, middle, math.Sqrt(squares / float64(n-1) / float64(n)), int64(n)}
}

// ratio is Σx/Σsize: a mean over tokens. Tokens of one example depend on each other, so the standard error is that
// of a ratio over examples: √(Σ(xᵢ−m·sizeᵢ)²/(n−1)/n) / mean size (Cochran, Sampling Techniques, §2.11).
func ratio(m metric.Metric, x, size []float64) Value {
	sum, total := 0.0, 0.0
	for i := range x {
		sum += x[i]
		total += size[i]
	}
	middle := sum / total
	squares := 0.0
	for i := range x {
		d := x[i] - middle*size[i]
		squares += d * d
	}
	n := float64(len(x))
	return Value{m.Name, middle, math.Sqrt(squares/(n-1)/n) / (total / n), int64(total)}
}
