package torch

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// reference is the cross-entropy and the rank of a label, one row at a time.
func reference(logits []float32, label int) (loss float64, rank int) {
	top := math.Inf(-1)
	for _, v := range logits {
		top = max(top, float64(v)) // NaN wins
	}
	sum, own := 0.0, logits[label]
	for c, v := range logits {
		sum += math.Exp(float64(v) - top)
		if v > own || v == own && c < label {
			rank++
		}
	}
	loss = top + math.Log(sum) - float64(own)
	if math.IsNaN(loss) {
		rank = len(logits)
	}
	return loss, rank
}

func BenchmarkScore(b *testing.B) {
	for _, shape := range [][2]int{{250, 10}, {250, 100}, {64, 50257}} {
		rng := rand.New(rand.NewPCG(1, 2))
		rows, classes := shape[0], shape[1]
		logits, labels := make([]float32, rows*classes), make([]int64, rows)
		for i := range logits {
			logits[i] = float32(rng.NormFloat64() * 3)
		}
		for i := range labels {
			labels[i] = int64(rng.IntN(classes))
		}
		y, _ := From(CPU, logits, int64(rows), int64(classes))
		l, _ := From(CPU, labels, int64(rows))
		defer y.Free()
		defer l.Free()
		b.Run(fmt.Sprintf("%d×%d", rows, classes), func(b *testing.B) {
			Worker(1, false, func() error {
				out := make([]float64, 2*rows)
				for b.Loop() {
					if err := ScoreClasses(out, y, l, false); err != nil {
						b.Error(err)
						return err
					}
				}
				return nil
			})
		})
		b.Run(fmt.Sprintf("%d×%d old", rows, classes), func(b *testing.B) {
			Worker(1, false, func() error {
				for b.Loop() {
					out := make([]float32, rows*classes)
					Read(out, y, 0)
					for i := range rows {
						reference(out[i*classes:(i+1)*classes], int(labels[i]))
					}
				}
				return nil
			})
		})
	}
}
