package paired

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// The 95 % interval holds the true mean in 93 to 97 % of 1,000 simulations: of skewed values, of ratios with sizes that go with the
// values, of values in clusters that are alike within, and over few runs.
func TestCoverage(t *testing.T) {
	const simulations = 1000
	for name, simulate := range map[string]func(rng *rand.Rand) (Estimate, float64, error){
		"skewed": func(rng *rand.Rand) (Estimate, float64, error) {
			x := make([]float64, 400)
			for i := range x {
				x[i] = rng.ExpFloat64() * float64(1-2*rng.IntN(2)) * (1 + rng.ExpFloat64())
			}
			e, err := Mean(x, nil, Options{Draws: 1000, Seed: rng.Uint64()})
			return e, 0, err
		},
		"hits": func(rng *rand.Rand) (Estimate, float64, error) {
			x := make([]float64, 500)
			for i := range x {
				if r := rng.Float64(); r < 0.06 {
					x[i] = 100
				} else if r < 0.09 {
					x[i] = -100
				}
			}
			e, err := Mean(x, nil, Options{Draws: 1000, Seed: rng.Uint64()})
			return e, 3, err
		},
		"ratio": func(rng *rand.Rand) (Estimate, float64, error) {
			x, s := make([]float64, 300), make([]float64, 300)
			for i := range x {
				s[i] = 1 + float64(rng.IntN(40))
				x[i] = s[i]*2 + rng.NormFloat64()*s[i]
			}
			e, err := Mean(x, s, Options{Draws: 1000, Seed: rng.Uint64()})
			return e, 2, err
		},
		"clusters": func(rng *rand.Rand) (Estimate, float64, error) {
			x, c := make([]float64, 800), make([]int, 800)
			own := 0.0
			for i := range x {
				if i%4 == 0 {
					own = rng.NormFloat64()
				}
				c[i], x[i] = i/4, 1+own+0.3*rng.NormFloat64()
			}
			e, err := Mean(x, nil, Options{Draws: 1000, Seed: rng.Uint64(), Clusters: c})
			return e, 1, err
		},
		"three runs": func(rng *rand.Rand) (Estimate, float64, error) {
			return OverRuns([]float64{5 + rng.NormFloat64(), 5 + rng.NormFloat64(), 5 + rng.NormFloat64()}), 5, nil
		},
	} {
		rng := rand.New(rand.NewPCG(1, 2))
		held := 0
		for range simulations {
			e, truth, err := simulate(rng)
			if err != nil {
				t.Fatal(name, err)
			}
			if e.Low <= truth && truth <= e.High {
				held++
			}
		}
		if share := float64(held) / simulations; share < 0.93 || share > 0.97 {
			t.Errorf("%s: the interval held the true value in %.1f %% of %d simulations", name, 100*share, simulations)
		}
	}
}

// Clusters that are taken for single examples give an interval that is too narrow: what they are for.
func TestClustersWiden(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	x, c := make([]float64, 1000), make([]int, 1000)
	for i := range x {
		if c[i] = i / 10; i%10 == 0 {
			x[i] = rng.NormFloat64()
		} else {
			x[i] = x[i-1]
		}
	}
	alone, err := Mean(x, nil, Options{Draws: 2000})
	if err != nil {
		t.Fatal(err)
	}
	together, err := Mean(x, nil, Options{Draws: 2000, Clusters: c})
	if err != nil {
		t.Fatal(err)
	}
	if ratio := together.StdErr / alone.StdErr; math.Abs(ratio-math.Sqrt(10)) > 0.05 || (together.High-together.Low)/(alone.High-alone.Low) < 2.8 {
		t.Errorf("%+v beside %+v", together, alone)
	}
}

// The bootstrap's spread is the standard error, its numbers do not depend on the cores, and each example is as likely as any.
func TestBootstrap(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	x, s := make([]float64, 1001), make([]float64, 1001)
	for i := range x {
		s[i] = float64(1 + rng.IntN(9))
		x[i] = s[i] * rng.NormFloat64()
	}
	for _, sizes := range [][]float64{nil, s} {
		e, err := Mean(x, sizes, Options{Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		if half := (e.High - e.Low) / 2; math.Abs(half/(1.96*e.StdErr)-1) > 0.05 {
			t.Errorf("%+v: half of the interval is %v", e, half)
		}
		before := runtime.GOMAXPROCS(1)
		again, err := Mean(x, sizes, Options{Seed: 7})
		runtime.GOMAXPROCS(before)
		if err != nil || again != e {
			t.Errorf("%+v on one core, %+v on several", again, e)
		}
		if other, _ := Mean(x, sizes, Options{Seed: 8}); other.Low == e.Low {
			t.Error("another seed draws the same")
		}
	}
	drawn := make([]float64, 1001)
	err := Resample(1001, Options{Draws: 2000}, func(_ int, counts []float32) {
		total := float32(0)
		for _, c := range counts {
			total += c
		}
		if total != 1001 {
			t.Errorf("%v examples in a draw", total)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	if err := Resample(1001, Options{Draws: 2000}, func(_ int, counts []float32) {
		for i, c := range counts {
			drawn[i] += float64(c) / 2000
		}
	}); err != nil {
		t.Fatal(err)
	}
	if low, high := slices.Min(drawn), slices.Max(drawn); low < 0.88 || high > 1.12 { // five standard deviations of 1/√2000
		t.Errorf("an example is drawn %v to %v times", low, high)
	}
}

func TestOverRuns(t *testing.T) {
	e := OverRuns([]float64{1, 2, 3})
	// t with two degrees of freedom: 4.3027 at 97.5 %.
	if e.Value != 2 || math.Abs(e.StdErr-1/math.Sqrt(3)) > 1e-12 || math.Abs(e.High-2-4.302653*e.StdErr) > 1e-5 || e.Above < 0.95 {
		t.Errorf("%+v", e)
	}
	if one := OverRuns([]float64{4}); one.Value != 4 || !math.IsNaN(one.Low) || !math.IsNaN(one.StdErr) {
		t.Errorf("%+v", one)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		values, sizes []float64
		clusters      []int
	}{{[]float64{1}, nil, nil}, {[]float64{1, math.NaN()}, nil, nil}, {[]float64{1, 2}, []float64{1}, nil}, {[]float64{1, 2}, nil, []int{0, 0}}, {[]float64{1, 2}, nil, []int{0, 7}}} {
		if e, err := Mean(c.values, c.sizes, Options{Clusters: c.clusters}); err == nil {
			t.Errorf("%v: %+v", c, e)
		}
	}
}

// 10,000 draws of 50,000 examples.
func BenchmarkMean(b *testing.B) {
	x := make([]float64, 50_000)
	for i := range x {
		x[i] = float64(i % 7)
	}
	for b.Loop() {
		if _, err := Mean(x, nil, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
