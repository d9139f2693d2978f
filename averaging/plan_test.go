package averaging

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestPlanMergesEqualAverages(t *testing.T) {
	plan, err := NewPlan(points(5), schemes(t, "last", "lawa:k=1", "lawa:k=2"), []int{4, 0, 1}, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Averages) != 5 || len(plan.Requests) != 8 {
		t.Errorf("%d averages for %d requests", len(plan.Averages), len(plan.Requests))
	}
	// The same coefficients from other rules: swa:start=1 at epoch n is lawa:k=n, a linear decay is the
	// mean, exp and exp-code are an EMA, and SWA stands still between two of its checkpoints.
	for _, c := range []struct {
		schemes  []string
		averages int
	}{
		{[]string{"swa:start=1", "lawa:k=20,partial=true"}, 20},
		{[]string{"decay:shape=linear,k=4", "lawa:k=4"}, 17},
		{[]string{"exp-code:decay=0.75", "exp:alpha=0.25", "ema:decay=0.75"}, 20},
		{[]string{"swa:start=1,every=4"}, 5},
		{[]string{"power:sigma=0.1", "last"}, 39},
	} {
		plan, err := NewPlan(points(20), schemes(t, c.schemes...), upTo(0, 19), false)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Averages) != c.averages {
			t.Errorf("%v: %d averages", c.schemes, len(plan.Averages))
		}
		for i, a := range plan.Averages {
			if i > 0 && a.Newest() < plan.Averages[i-1].Newest() {
				t.Error("the averages are not in the order of their newest checkpoints")
			}
		}
		for _, r := range plan.Requests {
			want, _ := r.Scheme.Coefficients(points(20), r.Endpoint)
			if got := plan.Averages[r.Average]; got.key() != want.key() {
				t.Fatalf("%s at %d has average %+v", r.Scheme.Spec(), r.Endpoint, got)
			}
		}
	}
}

func TestPlanNamesWhatCannotBe(t *testing.T) {
	withoutSeven := slices.Delete(points(10), 6, 7)
	for _, c := range []struct {
		points   []Point
		scheme   string
		endpoint int
		want     string // "" where it can
	}{
		{withoutSeven, "lawa:k=3", 7, "lawa:k=3 at epoch 9: no checkpoint between epochs 6 and 8"},
		{withoutSeven, "lawa:k=3", 5, ""}, // a window beside the gap
		{withoutSeven, "ema:decay=0.9", 8, "between epochs 6 and 8"},
		{withoutSeven, "ema:decay=0.99,per=step", 8, ""}, // follows the steps
		{withoutSeven, "power:sigma=0.1", 8, ""},
		{withoutSeven, "swa:start=2", 8, "between epochs 6 and 8"},
		{withoutSeven, "lawa:k=2,stride=3", 7, "between epochs 6 and 8"},
		{withoutSeven, "best:n=3,by=val/loss", 8, ""},
		{points(10), "lawa:k=11", 9, "lawa:k=11 has no average anywhere in the trajectory, which has 10 checkpoints, up to epoch 10"},
		{points(10), "swa:start=8", 5, "swa:start=8 has no average up to epoch 6: its first is that of epoch 8"},
		{points(10), "best:n=3,by=val/los", 5, `unknown metric in the training log "val/los"; did you mean val/loss?`},
		{[]Point{{Epoch: 1, Step: 1}}, "best:n=1,by=val/loss", 0, "the training log holds no metrics"},
		{[]Point{{Epoch: 1, Step: 1, Metrics: map[string]float64{"val/x": 1}}}, "best:n=1,by=val/x", 0, "add order=highest or order=lowest"},
	} {
		_, err := NewPlan(c.points, schemes(t, c.scheme), []int{c.endpoint}, false)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, expected … %s …", c.scheme, err, c.want)
		}
		if err != nil && !errors.As(err, &RequestError{}) {
			t.Errorf("%v is no RequestError", err)
		}
	}
	// A short last interval is no measure of the others; neither are a few short ones at the start.
	at := func(epochs ...float64) (out []Point) {
		for i, e := range epochs {
			out = append(out, Point{Epoch: e, Step: int64(i + 1)})
		}
		return out
	}
	for name, c := range map[string]struct {
		points []Point
		gap    bool
	}{
		"short last":           {at(0.6, 1.2, 1.8, 2.4, 3, 3.2), false},
		"short last of two":    {at(3, 6, 7), false},
		"dense at the start":   {at(0.1, 0.2, 1, 2, 3, 4, 5), false},
		"one is missing":       {at(1, 2, 4, 5), true},
		"the last but one":     {at(1, 2, 3, 5), true},
		"missing, short last":  {at(1, 2, 4, 5, 5.2), true},
		"every second missing": {at(1, 2, 4, 5, 7), true},
	} {
		_, err := NewPlan(c.points, schemes(t, "lawa:k=5,partial=true"), []int{len(c.points) - 1}, false)
		if (err != nil) != c.gap {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewPlan(withoutSeven, schemes(t, "lawa:k=3"), []int{7}, true); err != nil {
		t.Errorf("gaps allowed: %v", err)
	}
}
