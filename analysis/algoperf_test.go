package analysis

import (
	"math"
	"testing"
)

// Scores and speed-ups are those that are worked out by hand, of ties and of what never gets there too.
func TestAlgoPerf(t *testing.T) {
	at := func(epoch float64) Reach {
		if epoch == 0 {
			return Reach{}
		}
		return Reach{First: &Point{Epoch: epoch}}
	}
	panel := func(baseline, two, four, six float64) AnswersOf {
		p := AnswersOf{Reached: at(baseline)}
		p.Policy = "copy"
		for label, epoch := range map[string]float64{"k = 2": two, "k = 4": four, "k = 6": six} {
			p.Schemes = append(p.Schemes, Answer{Label: label, Reached: at(epoch)})
		}
		return p
	}
	// On the first workload k = 2 and k = 4 tie at 10, the baseline takes 20, k = 6 never gets there; on the second k = 4 is the fastest, k = 2 takes five
	// times as long.
	a := &Answers{Axis: Axes()[0], Panels: []AnswersOf{panel(20, 10, 10, 0), panel(8, 20, 4, 4)}}
	all := a.AlgoPerf()
	if len(all) != 1 || all[0].Workloads != 2 || len(all[0].Schemes) != 4 || all[0].Schemes[0].Label != "k = 4" {
		t.Fatalf("%+v", all)
	}
	for _, r := range all[0].Schemes {
		want := map[string]Ranked{
			"k = 4":    {"k = 4", 2, 1, 2},                              // √(20/10 · 8/4)
			"k = 2":    {"k = 2", math.Sqrt(20. / 10 * 8 / 20), 0.5, 2}, // the fastest on one, not within four times on the other
			"baseline": {"baseline", 1, ((4-2)/3. + (4-2)/3.) / 2, 2},   // twice the fastest on both
			"k = 6":    {"k = 6", math.NaN(), 0.5, 1},
		}[r.Label]
		if r.Reached != want.Reached || math.Abs(r.Score-want.Score) > 1e-12 || math.Abs(r.SpeedUp-want.SpeedUp) > 1e-12 || math.IsNaN(r.SpeedUp) != math.IsNaN(want.SpeedUp) {
			t.Errorf("%+v, expected %+v", r, want)
		}
	}
}
