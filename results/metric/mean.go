package metric

import (
	"fmt"
	"math"
)

// Mean is the mean over examples of values, one for each, with its standard error, and over how many it is. Without sizes that
// is the mean itself, with the error s/√n, where s² = Σ(x−mean)²/(n−1). With sizes a value is a sum over as many things, the
// tokens of a text: the mean is Σvalue/Σsize, over Σsize of them; those of one example depend on each other, so the error is
// that of a ratio over examples, √(Σ(xᵢ−mean·sizeᵢ)²/(n−1)/n) / mean size (Cochran, Sampling Techniques, §2.11). Sums are of
// float64. Of one example the error is NaN; of none so is the mean.
func Mean[T float32 | float64](values, sizes []T) (mean, stderr float64, n int64) {
	size := func(i int) float64 {
		if sizes == nil {
			return 1
		}
		return float64(sizes[i])
	}
	sum, total := 0.0, 0.0
	for i, v := range values {
		sum += float64(v)
		total += size(i)
	}
	mean = sum / total
	squares := 0.0
	for i, v := range values {
		d := float64(v) - mean*size(i)
		squares += d * d
	}
	count := float64(len(values))
	return mean, math.Sqrt(squares/(count-1)/count) / (total / count), int64(total)
}

// CheckSizes says what is wrong with sizes of values: another number of them, or one that is no size.
func CheckSizes[T float32 | float64](values, sizes []T) error {
	if sizes == nil {
		return nil
	}
	if len(sizes) != len(values) {
		return fmt.Errorf("%d values and %d sizes", len(values), len(sizes))
	}
	for i, s := range sizes {
		if !(s >= 0) || math.IsInf(float64(s), 0) {
			return fmt.Errorf("size %d is %v", i, s)
		}
	}
	return nil
}
