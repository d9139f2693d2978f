package schedule

import (
	"math"
	"testing"
)

func TestKinds(t *testing.T) {
	for _, k := range Kinds() {
		if err := k.Check(); err != nil {
			t.Error(err)
		}
		for _, text := range k.Examples {
			s, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := Parse(s.Spec()); err != nil || again != s {
				t.Errorf("%s read again is %v, %v", s.Spec(), again, err)
			}
		}
	}
	for _, text := range []string{"cosin", "step:gamma=2", "step:every=0", "cosine:period=2", "one-cycle:div=0.5", "polynomial:power=0", ""} {
		if s, err := Parse(text); err == nil {
			t.Errorf("%q: %v", text, s)
		}
	}
}

func TestRates(t *testing.T) {
	check := func(what string, r Rates, want map[int64]float64) {
		t.Helper()
		r.Epochs, r.StepsPerEpoch = 10, 10
		if err := r.Check(); err != nil {
			t.Error(err)
		}
		for step, want := range want {
			if got := r.At(step); math.Abs(got-want) > 1e-12 {
				t.Errorf("%s at step %d: %g, expected %g", what, step, got, want)
			}
		}
	}
	cosine := Rates{Peak: 0.1, Schedule: Cosine{}}
	check("cosine", cosine, map[int64]float64{0: 0.1, 50: 0.05, 25: 0.05 * (1 + math.Sqrt2/2), 99: 0.05 * (1 + math.Cos(0.99*math.Pi))})
	cosine.Warmup = 2
	check("warm-up and cosine", cosine, map[int64]float64{0: 0.005, 9: 0.05, 19: 0.1, 20: 0.1, 60: 0.05})
	check("steps", Rates{Peak: 1, Schedule: Step{3, 0.5}}, map[int64]float64{0: 1, 29: 1, 30: 0.5, 89: 0.25, 90: 0.125})
	check("constant", Rates{Peak: 1, Schedule: Constant{}}, map[int64]float64{0: 1, 77: 1})
	short := Rates{Peak: 0.1, Warmup: 2, Decay: 6, Schedule: Cosine{End: 0.5}}
	check("a decay shorter than the run", short, map[int64]float64{0: 0.005, 20: 0.1, 40: 0.075, 60: 0.05, 99: 0.05})
	check("a decay longer than the run", Rates{Peak: 1, Decay: 20, Schedule: Polynomial{Power: 1}}, map[int64]float64{0: 1, 50: 0.75, 99: 1 - 99.0/200})
	check("powers", Rates{Peak: 1, Schedule: Polynomial{Power: 2, End: 0.2}}, map[int64]float64{0: 1, 50: 0.2 + 0.8*0.25})
	// torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=0.1, total_steps=100, cycle_momentum=False), and anneal_strategy="linear".
	check("one cycle", Rates{Peak: 0.1, Schedule: OneCycle{0.3, 25, 1e4, false}}, map[int64]float64{0: 0.004, 10: 0.02951639484641008, 29: 0.1, 30: 0.09994965352845243, 64: 0.0500002, 99: 4e-7})
	check("one cycle, linear", Rates{Peak: 0.1, Schedule: OneCycle{0.3, 25, 1e4, true}}, map[int64]float64{10: 0.037103448275862067, 64: 0.0500002})
	for what, r := range map[string]Rates{"no rate": {}, "no number": {Peak: math.NaN()}, "warm-up": {Peak: 1, Warmup: 10}, "negative": {Peak: 1, Warmup: -1},
		"nothing to decay in": {Peak: 1, Warmup: 3, Decay: 3, Schedule: Cosine{}}, "a decay of nothing": {Peak: 1, Decay: -1}, "no end": {Peak: 1, Decay: 5, Schedule: Constant{}}} {
		if r.Epochs = 10; r.Check() == nil {
			t.Errorf("%s: %+v passed", what, r)
		}
	}
}
