package model

import (
	"math"
	"math/rand/v2"
)

// Init fills the values of a new tensor.
type Init func(shape []int64, rng *rand.Rand, values []float32)

// fanIn is how many inputs each output of a weight (out × in × …) sums over.
func fanIn(shape []int64) float64 {
	fan := int64(1)
	for _, s := range shape[1:] {
		fan *= s
	}
	return float64(fan)
}

// HeNormal is He et al. 2015 (arXiv 1502.01852), eq. 10: N(0, 2/fan-in).
func HeNormal(shape []int64, rng *rand.Rand, values []float32) {
	normal(rng, values, math.Sqrt(2/fanIn(shape)))
}

// HeNormalOut is N(0, 2/fan-out), with as many outputs as a kernel's weights for one input have: torchvision's
// kaiming_normal_(mode="fan_out").
func HeNormalOut(shape []int64, rng *rand.Rand, values []float32) {
	normal(rng, values, math.Sqrt(2/(fanIn(shape)/float64(shape[1])*float64(shape[0]))))
}

func normal(rng *rand.Rand, values []float32, std float64) {
	for i := range values {
		values[i] = float32(rng.NormFloat64() * std)
	}
}

// Uniform draws from ±1/√(fan-in), as torch.nn.Linear does.
func Uniform(shape []int64, rng *rand.Rand, values []float32) {
	uniform(rng, values, 1/math.Sqrt(fanIn(shape)))
}

// uniformOf draws from ±1/√(inputs), as torch.nn.Linear does for its biases.
func uniformOf(inputs int) Init {
	return func(_ []int64, rng *rand.Rand, values []float32) { uniform(rng, values, 1/math.Sqrt(float64(inputs))) }
}

func uniform(rng *rand.Rand, values []float32, bound float64) {
	for i := range values {
		values[i] = float32((2*rng.Float64() - 1) * bound)
	}
}

// normalOf draws from N(0, std²).
func normalOf(std float64) Init {
	return func(_ []int64, rng *rand.Rand, values []float32) { normal(rng, values, std) }
}

// Normal draws from N(0, 1), as torch.nn.Embedding does.
func Normal(_ []int64, rng *rand.Rand, values []float32) { normal(rng, values, 1) }

// Ones and Zeros fill with 1 and 0.
func Ones(_ []int64, _ *rand.Rand, values []float32)  { fill(values, 1) }
func Zeros(_ []int64, _ *rand.Rand, values []float32) { fill(values, 0) }

func fill(values []float32, v float32) {
	for i := range values {
		values[i] = v
	}
}
