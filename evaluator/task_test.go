package evaluator

import (
	"math"
	"testing"
)

func TestScore(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		logits []float32
		label  int
		loss   float64
		rank   int32
	}{
		{[]float32{0, 0}, 0, math.Ln2, 0},
		{[]float32{0, 0}, 1, math.Ln2, 1}, // a tie goes to the lower class, as argmax has it
		{[]float32{1, 2, 3}, 2, math.Log(math.Exp(-2) + math.Exp(-1) + 1), 0},
		{[]float32{1, 2, 3}, 0, 2 + math.Log(math.Exp(-2)+math.Exp(-1)+1), 2},
		{[]float32{1000, -1000}, 1, 2000, 1},
		{[]float32{-3e38, 3e38}, 1, 0, 0},
	} {
		loss, rank := score(c.logits, c.label)
		if math.Abs(loss-c.loss) > 1e-12*max(1, c.loss) || rank != c.rank {
			t.Errorf("%v, class %d: %v, %d, expected %v, %d", c.logits, c.label, loss, rank, c.loss, c.rank)
		}
	}
	for _, logits := range [][]float32{{nan, 0, 0}, {0, nan, 0}, {inf, 0, 0}} {
		if loss, rank := score(logits, 0); loss == loss || rank != 3 {
			t.Errorf("%v: %v, %d, expected NaN, 3", logits, loss, rank)
		}
	}
}

func TestValues(t *testing.T) {
	c := &scores{truth: &truth{task: Classification, n: 4}, loss: []float64{1, 2, 3, 4}, rank: []int32{0, 0, 3, 7}, top5: true}
	want := []Value{
		{Metric: "loss", Value: 2.5, StdErr: trajectoryNumber(math.Sqrt(5.0 / 3 / 4)), N: 4},
		{Metric: "top1", Value: 50, StdErr: trajectoryNumber(math.Sqrt(4 * 2500.0 / 3 / 4)), N: 4},
		{Metric: "top5", Value: 75, StdErr: trajectoryNumber(math.Sqrt((3*625.0 + 5625) / 3 / 4)), N: 4},
	}
	got := c.metrics()
	if len(got) != 3 {
		t.Fatalf("%v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, expected %+v", got[i], want[i])
		}
	}
	c.top5 = false
	if got := c.metrics(); len(got) != 2 {
		t.Errorf("top5 of 5 classes: %v", got)
	}
}
