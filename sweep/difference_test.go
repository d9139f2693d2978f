package sweep

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/lawa-replay/lawa-replay/results"
)

// Rows have their differences from the checkpoint itself, with the interval that the examples' own differences give; a later table takes
// them over.
func TestDifferences(t *testing.T) {
	g := newGuessing(400)
	p := guessed(t, g)
	store := storeAt(t, filepath.Join(t.TempDir(), "store"))
	defer store.Close()
	if _, err := Run(t.Context(), p, g, store, Options{}); err != nil {
		t.Fatal(err)
	}
	table := func() *results.Table {
		out, err := Table(p, nil, store)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	first := table()
	Differences(first, nil, Stores{store})
	seen := 0
	for i, r := range first.Rows {
		if r.Scheme == "last" {
			if r.Difference != nil || r.DifferenceLow != nil {
				t.Fatalf("the baseline differs from itself: %+v", r)
			}
			continue
		}
		seen++
		base := baselines(first)[rowAtOf(&first.Rows[i])]
		a, err1 := Stores{store}.examples(r.Key)
		b, err2 := Stores{store}.examples(base.Key)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		x, _ := a.Find(r.Metric)
		y, _ := b.Find(r.Metric)
		n, sum, squares := float64(len(x.Values)), 0.0, 0.0
		for j := range x.Values {
			d := float64(x.Values[j]) - float64(y.Values[j])
			sum, squares = sum+d, squares+d*d
		}
		mean := sum / n
		half := 1.96 * math.Sqrt((squares/n-mean*mean)/(n-1))
		if math.Abs(*r.Difference-mean) > 1e-5 || math.Abs(*r.DifferenceLow-(mean-half)) > 1e-3*half+1e-5 || math.Abs(*r.DifferenceHigh-(mean+half)) > 1e-3*half+1e-5 {
			t.Errorf("%s at epoch %v, %s: %v (%v to %v), expected %v ± %v", r.Scheme, r.Epoch, r.Metric, *r.Difference, *r.DifferenceLow, *r.DifferenceHigh, mean, half)
		}
	}
	if seen == 0 {
		t.Fatal("no scheme is compared")
	}
	again := table()
	Differences(again, first, nil) // no store: nothing can be computed
	for i, r := range again.Rows {
		if was := first.Rows[i]; (r.DifferenceLow == nil) != (was.DifferenceLow == nil) || r.DifferenceLow != nil && *r.DifferenceLow != *was.DifferenceLow {
			t.Errorf("%+v, before %+v", r, was)
		}
	}
}
