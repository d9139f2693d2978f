package torch

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
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

// near says whether two float64 losses differ by rounding alone.
func near(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-13*max(1, math.Abs(b))
}

// scored are outputs and labels that are scored, and what is expected.
func scored(t *testing.T, logits []float32, labels []int64, classes int) {
	t.Helper()
	rows := len(labels)
	err := Worker(1, false, func() error {
		y, err := From(CPU, logits, int64(rows), int64(classes))
		if err != nil {
			return err
		}
		defer y.Free()
		l, err := From(CPU, labels, int64(rows))
		if err != nil {
			return err
		}
		defer l.Free()
		for name, score := range map[string]func([]float64, *Tensor, *Tensor) error{
			"loops":      func(out []float64, y, l *Tensor) error { return ScoreClasses(out, y, l) },
			"operations": scoreByOperations,
		} {
			out := make([]float64, 2*rows)
			if err := score(out, y, l); err != nil {
				return err
			}
			for i, label := range labels {
				row := logits[i*classes : (i+1)*classes]
				have, rank := out[2*i], out[2*i+1]
				switch {
				case label == Ignored:
					if rank != RankIgnored {
						t.Errorf("%s: an ignored label has the rank %v", name, rank)
					}
				case label < 0 || label >= int64(classes):
					if rank != RankNoClass {
						t.Errorf("%s: the label %d has the rank %v", name, label, rank)
					}
				default:
					if want, wantRank := reference(row, int(label)); !near(have, want) || rank != float64(wantRank) {
						t.Errorf("%s: %.10v…, class %d: %v, %v, expected %v, %v", name, row[:min(10, classes)], label, have, rank, want, wantRank)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Scores are those of a plain loop over float64, for few classes and many, whichever way they are computed.
func TestScores(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		logits []float32
		label  int64
	}{
		{[]float32{0, 0}, 0}, {[]float32{0, 0}, 1}, {[]float32{1, 2, 3}, 2}, {[]float32{1, 2, 3}, 0}, {[]float32{1000, -1000}, 1}, {[]float32{-3e38, 3e38}, 1},
		{[]float32{nan, 0, 0}, 0}, {[]float32{0, nan, 0}, 0}, {[]float32{0, 0, nan}, 2}, {[]float32{inf, 0, 0}, 0}, {[]float32{inf, 0, 0}, 1}, {[]float32{-inf, 0, 0}, 0}, {[]float32{-inf, -inf}, 1},
		{[]float32{1, 2}, 2}, {[]float32{1, 2}, -1}, {[]float32{1, 2}, Ignored}, {[]float32{7}, 0},
	} {
		scored(t, c.logits, []int64{c.label}, len(c.logits))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][2]int{{250, 10}, {33, 7}, {40, 1000}, {3, 50257}, {1, 1 << 15}} {
		logits, labels := make([]float32, shape[0]*shape[1]), make([]int64, shape[0])
		for i := range logits {
			logits[i] = float32(rng.NormFloat64() * 3)
			if rng.IntN(3) == 0 {
				logits[i] = float32(rng.IntN(5)) // ties
			}
		}
		for i := range labels {
			labels[i] = int64(rng.IntN(shape[1]))
		}
		scored(t, logits, labels, shape[1])
	}
}

// The labels that are scored, and where: all that are not ignored, or those of the next places.
func TestScored(t *testing.T) {
	for _, c := range []struct {
		labels, mask []int64
		next         bool
		places, want []float64
	}{
		{[]int64{2, 0, 1, 1, Ignored, 2}, nil, false, []float64{0, 1, 2, 3, 5}, []float64{2, 0, 1, 1, 2}},
		{[]int64{2, 0, 1, 1, Ignored, 2}, nil, true, []float64{0, 1, 4}, []float64{0, 1, 2}},
		{[]int64{2, 0, 1, 1, 0, 2}, []int64{1, 1, 0, 0, 1, 1}, true, []float64{0, 3, 4}, []float64{0, 0, 2}},
		{[]int64{Ignored, Ignored, Ignored, 3, Ignored, Ignored}, nil, true, nil, nil},
	} {
		var s Scope
		l, err := From(CPU, c.labels, 2, 3)
		if err != nil {
			t.Fatal(err)
		}
		var mask *Tensor
		if c.mask != nil {
			if mask, err = From(CPU, c.mask, 2, 3); err != nil {
				t.Fatal(err)
			}
			s.Own(mask)
		}
		places, scored := s.Scored(l, mask, c.next)
		at, err := places.Values()
		own, err2 := scored.Values()
		if errors.Join(s.Err(), err, err2) != nil || !slices.Equal(at, c.places) || !slices.Equal(own, c.want) {
			t.Errorf("%v, next %v: %v of %v, %v", c.labels, c.next, own, at, errors.Join(s.Err(), err, err2))
		}
		s.Close()
		l.Free()
	}
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
					if err := ScoreClasses(out, y, l); err != nil {
						b.Error(err)
						return err
					}
				}
				return nil
			})
		})
	}
}
