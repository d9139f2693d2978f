package analysis

import (
	"math"
	"slices"
	"testing"

	"lawa-replay/evaluator/results"
	"lawa-replay/internal/metric"
)

func curve(values ...float64) *Curve {
	c := &Curve{Scheme: "x", Runs: 1}
	for i, v := range values {
		if !math.IsInf(v, -1) { // -Inf: no value at this epoch
			c.Points = append(c.Points, Point{Epoch: float64(i + 1), Value: v, Low: v, High: v, Seconds: 10 * float64(i+1)})
		}
	}
	return c
}

func TestSaved(t *testing.T) {
	none := math.Inf(-1)
	top1, loss := metric.Of("top1"), metric.Of("loss")
	for name, c := range map[string]struct {
		metric           metric.Metric
		baseline, scheme *Curve
		found            bool
		from, to         float64
		beyond           int
	}{
		"longest":      {top1, curve(10, 50, 60, 70, 80), curve(none, 60, 70, 75, 80), true, 2, 3, 0},
		"lower loss":   {loss, curve(5, 4, 3, 2, 1), curve(none, 2.5, 2, 1.5, 1), true, 2, 4, 0},
		"beyond":       {top1, curve(10, 20, 30), curve(none, 25, 40), true, 2, 3, 1},
		"nothing":      {top1, curve(10, 20, 30), curve(none, 10, 20), false, 0, 0, 0},
		"NaN":          {loss, curve(5, math.NaN(), 3), curve(none, math.NaN(), 4), false, 0, 0, 0},
		"all beyond":   {top1, curve(10, 20), curve(30, 40), false, 0, 0, 2},
		"came earlier": {top1, curve(50, 10, 60), curve(none, 40, 55), false, 0, 0, 0},
	} {
		s, found, beyond := Saved(c.baseline, c.scheme, c.metric)
		if found != c.found || beyond != c.beyond || found && (s.From.Epoch != c.from || s.To.Epoch != c.to || s.Epochs() != c.to-c.from || s.Seconds() != 10*(c.to-c.from)) {
			t.Errorf("%s: %+v, %v, %d beyond", name, s, found, beyond)
		}
	}
}

func TestHurt(t *testing.T) {
	epochs, worst := Hurt(curve(10, 20, 30), curve(9, 25, 27), metric.Of("top1"))
	if !slices.Equal(epochs, []float64{1, 3}) || worst != 3 {
		t.Errorf("%v, %v", epochs, worst)
	}
	if epochs, _ := Hurt(curve(1, 2), curve(1, 1.5), metric.Of("loss")); epochs != nil {
		t.Errorf("a lower loss hurts at %v", epochs)
	}
}

func TestCurvesOverRuns(t *testing.T) {
	row := func(run string, epoch, value float64) results.Row {
		return results.Row{Run: run, Scheme: "last", Policy: "copy", Epoch: epoch, Split: "val", Metric: "loss", Value: value, Seconds: &value}
	}
	table := &results.Table{Rows: []results.Row{row("a", 1, 1), row("a", 2, 5), row("b", 1, 3), row("b", 3, 0)}}
	c := Curves(table, "val", "loss")
	if len(c) != 1 || c[0].Runs != 2 || !slices.Equal(c[0].Points, []Point{{1, 2, 1, 3, 2}}) {
		t.Errorf("%+v", c[0])
	}
}

func TestDuration(t *testing.T) {
	for s, want := range map[float64]string{4.04: "4.0 s", 150: "2.5 min", 62400: "17.3 h"} {
		if got := Duration(s); got != want {
			t.Errorf("%g s: %s, expected %s", s, got, want)
		}
	}
}
