package averaging

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// points are n checkpoints, an epoch and ten steps apart, with a loss that falls and comes back.
func points(n int) []Point {
	out := make([]Point, n)
	for i := range out {
		x := float64(i) / float64(n)
		out[i] = Point{Epoch: float64(i + 1), Step: int64(i+1) * 10, Metrics: map[string]float64{"val/loss": (x-0.6)*(x-0.6) + 0.01*math.Sin(float64(7*i)), "val/top1": 50 + 10*math.Sin(float64(3*i))}}
	}
	return out
}

func schemes(t *testing.T, texts ...string) []Scheme {
	t.Helper()
	out, err := ParseAll(texts)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"last": "last", "lawa:k=6": "lawa:k=6", " lawa: k=12": "lawa:k=12", "lawa:k=6,stride=1": "lawa:k=6", "lawa:stride=2,k=6": "lawa:k=6,stride=2", "lawa:partial=true,k=3": "lawa:k=3,partial=true",
		"swa:start=60": "swa:start=60", "swa:start=0.5,every=2": "swa:start=0.5,every=2", "ema:decay=0.90": "ema:decay=0.9", "ema:half-life=3,per=checkpoint": "ema:half-life=3",
		"ema:debias=true,decay=.999,per=step": "ema:decay=0.999,per=step,debias=true", "exp:alpha=0.9": "exp:alpha=0.9", "exp:alpha=0.9,k=10": "exp:alpha=0.9,k=10", "exp-code:k=10,decay=0.9": "exp-code:decay=0.9,k=10",
		"wma:k=6": "wma:k=6", "logspaced:k=6": "logspaced:k=6", "power:sigma=0.1": "power:sigma=0.1", "decay:k=10,shape=1-sqrt": "decay:shape=1-sqrt,k=10", "best:n=5,by=val/loss": "best:n=5,by=val/loss", "best:by=val/x,n=5,order=highest": "best:n=5,by=val/x,order=highest",
	} {
		s, err := Parse(text)
		if err != nil || s.Spec() != want {
			t.Errorf("%q: %v, %v", text, s, err)
			continue
		}
		if again, err := Parse(s.Spec()); err != nil || again != s {
			t.Errorf("%q is not read back: %v, %v", s.Spec(), again, err)
		}
	}
	for text, want := range map[string]string{
		"lawa": "k is missing", "lawa:k=0": "at least 1", "lawa:k=-2": "at least 1", "lava:k=6": "did you mean lawa?", "last:k=1": "takes no parameters", "lawa:n=6": "k is missing", "lawa:k=6,s=2": "unknown parameter s", "": "want name",
		"lawa:k=6,strid=2": "did you mean stride?", "lawa:6": `"6" is not key=value`, "swa": "start is missing", "swa:start=-1": "from 0", "ema": "decay is missing", "ema:decay=1": "between 0 and 1", "ema:decay=0": "between 0 and 1", "ema:decay=0.9,half-life=3": "give one",
		"ema:half-life=0": "above 0", "ema:decay=0.9,per=day": "one of checkpoint, step, epoch", "exp:decay=0.9": "alpha is missing", "exp:alpha=0.5,partial=true": "goes with k", "exp-code:k=3": "decay is missing", "wma": "k is missing",
		"power:sigma=0.3": "from 0.001 to 0.2886", "decay:k=3": "shape is missing", "decay:shape=sqrt,k=3": "one of 1-sqrt, linear, cosine", "best:n=5": "by is missing", "best:by=val/loss": "n is missing", "weights": "the file is missing", "weights:none.csv": "no such file",
	} {
		if s, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, expected … %s …", text, s, err, want)
		}
	}
	if s := schemes(t, "ema:decay=0.5..0.95/0.05", "lawa:k=1..3", "lawa:k=2"); len(s) != 13 || s[9].Spec() != "ema:decay=0.95" || s[12].Spec() != "lawa:k=3" {
		t.Errorf("ranges: %v", s)
	}
	for text, want := range map[string]string{"lawa:k=6..2": "empty", "lawa:k=1..20000": "more than 10000", "ema:decay=0.001..0.999/0.001,half-life=1..100": "more than 10000", "lawa:k=1..9/0": "step must be above 0", "ema:decay=0.5..1/0.1": "between 0 and 1"} {
		if s, err := ParseAll([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, expected … %s …", text, s, err, want)
		}
	}
}

// The examples that help texts show are read, and every kind has one.
func TestKinds(t *testing.T) {
	for _, k := range Kinds() {
		if err := k.Check(); err != nil {
			t.Error(err)
		}
		for _, text := range k.Examples {
			if s, err := Parse(text); k.Name != "weights" && (err != nil || s.Spec() != text) {
				t.Errorf("%s: %v, %v", text, s, err)
			}
		}
	}
}

// online computes an average from checkpoint to checkpoint, as a training loop would: it gets them one by
// one, oldest first, and returns the average, or nil.
type online func(p Point, theta []float64) []float64

func mix(a float64, x []float64, b float64, y []float64) []float64 {
	out := make([]float64, len(y))
	for i := range out {
		if x != nil {
			out[i] = a * x[i]
		}
		out[i] += b * y[i]
	}
	return out
}

// memory keeps the newest n checkpoints.
func memory(n int, f func(window [][]float64) []float64) online {
	var window [][]float64
	return func(_ Point, theta []float64) []float64 {
		window = append(window, theta)
		window = window[max(0, len(window)-n):]
		return f(window)
	}
}

// full is f where the window holds n.
func full(n int, f func(window [][]float64) []float64) online {
	return memory(n, func(w [][]float64) []float64 {
		if len(w) < n {
			return nil
		}
		return f(w)
	})
}

// lerp is m ← βm + (1−β)θ from a copy of the first.
func lerp(beta func(before, now Point) float64) online {
	var m []float64
	var before Point
	return func(p Point, theta []float64) []float64 {
		if m == nil {
			m = theta
		} else {
			b := beta(before, p)
			m = mix(b, m, 1-b, theta)
		}
		before = p
		return m
	}
}

func fold(beta float64, window [][]float64) []float64 {
	m := window[0]
	for _, theta := range window[1:] {
		m = mix(beta, m, 1-beta, theta)
	}
	return m
}

// emulate replays the updates of a window, scaled by a learning rate that decays over it.
func emulate(d func(x float64) float64) func([][]float64) []float64 {
	return func(w [][]float64) []float64 {
		m := w[0]
		for i := 1; i < len(w); i++ {
			m = mix(1, m, d(float64(i)/float64(len(w))), mix(-1, w[i-1], 1, w[i]))
		}
		return m
	}
}

// recurrences writes out, for each scheme, how a training loop computes it.
func recurrences() map[string]online {
	mean := func(w [][]float64) []float64 {
		var m []float64
		for _, theta := range w {
			m = mix(1, m, 1/float64(len(w)), theta)
		}
		return m
	}
	sliding := func(k int) online { // m ← m + (θ − θ₋ₖ)/k
		var m []float64
		var window [][]float64
		return func(_ Point, theta []float64) []float64 {
			m = mix(1, m, 1/float64(k), theta)
			window = append(window, theta)
			if len(window) > k {
				m = mix(1, m, -1/float64(k), window[0])
				window = window[1:]
			}
			if len(window) < k {
				return nil
			}
			return m
		}
	}
	swa := func(start float64, every int) online { // m ← m + (θ − m)/n
		var m []float64
		n, wait := 0.0, 0
		return func(p Point, theta []float64) []float64 {
			if p.Epoch < start {
				return nil
			}
			if wait == 0 {
				n++
				m = mix(1-1/n, m, 1/n, theta)
			}
			wait = (wait + 1) % every
			return m
		}
	}
	debiased := func(beta func(before, now Point) float64) online { // m ← βm + (1−β)θ from 0, over 1 − Πβ
		var m []float64
		product := 1.0
		var before Point
		return func(p Point, theta []float64) []float64 {
			b := beta(before, p)
			before = p
			product *= b
			m = mix(b, m, 1-b, theta)
			return mix(0, nil, 1/(1-product), m)
		}
	}
	wma := func(k int) online { // the textbook recurrence with a total and a numerator
		var total, numerator []float64
		var window [][]float64
		return func(_ Point, theta []float64) []float64 {
			numerator = mix(1, numerator, float64(min(k, len(window)+1)), theta)
			if len(window) == k {
				numerator = mix(1, numerator, -1, total)
				total = mix(1, total, -1, window[0])
				window = window[1:]
			}
			total = mix(1, total, 1, theta)
			window = append(window, theta)
			if len(window) < k {
				return nil
			}
			return mix(0, nil, 2/float64(k*(k+1)), numerator)
		}
	}
	gamma := 6.94 // sigma 0.1; refined below by Newton's method on EDM2's cubic
	for range 50 {
		t := 1 / (0.1 * 0.1)
		gamma -= (gamma*gamma*gamma + 7*gamma*gamma + (16-t)*gamma + 12 - t) / (3*gamma*gamma + 14*gamma + 16 - t)
	}
	per := func(beta float64) func(before, now Point) float64 {
		return func(before, now Point) float64 { return math.Pow(beta, float64(now.Step-before.Step)) }
	}
	same := func(beta float64) func(before, now Point) float64 {
		return func(_, _ Point) float64 { return beta }
	}
	best := func(n int, key string, sign float64) online {
		type entry struct {
			v     float64
			theta []float64
		}
		var kept []entry // best first
		return func(p Point, theta []float64) []float64 {
			v := sign * p.Metrics[key]
			at := slices.IndexFunc(kept, func(e entry) bool { return v >= e.v })
			if at < 0 {
				at = len(kept)
			}
			kept = slices.Insert(kept, at, entry{v, theta})
			kept = kept[:min(n, len(kept))]
			if len(kept) < n {
				return nil
			}
			var w [][]float64
			for _, e := range kept {
				w = append(w, e.theta)
			}
			return mean(w)
		}
	}
	return map[string]online{
		"last":                                 memory(1, mean),
		"lawa:k=1":                             sliding(1),
		"lawa:k=6":                             sliding(6),
		"lawa:k=20":                            sliding(20),
		"lawa:k=5,partial=true":                memory(5, mean),
		"lawa:k=3,stride=4":                    full(9, func(w [][]float64) []float64 { return mean([][]float64{w[0], w[4], w[8]}) }),
		"swa:start=1":                          swa(1, 1),
		"swa:start=7":                          swa(7, 1),
		"swa:start=5,every=3":                  swa(5, 3),
		"ema:decay=0.9":                        lerp(same(0.9)),
		"ema:half-life=3":                      lerp(same(math.Pow(0.5, 1.0/3))),
		"ema:half-life=2,per=epoch":            lerp(same(math.Pow(0.5, 1.0/2))),
		"ema:decay=0.99,per=step":              lerp(per(0.99)),
		"ema:decay=0.2,per=step":               lerp(per(0.2)), // forgets by 2⁻²³ a checkpoint
		"ema:decay=0.9,debias=true":            debiased(same(0.9)),
		"ema:decay=0.999,per=step,debias=true": debiased(per(0.999)),
		"exp:alpha=0.9":                        lerp(same(1 - 0.9)),
		"exp:alpha=0.9,k=10":                   full(10, func(w [][]float64) []float64 { return fold(1-0.9, w) }),
		"exp-code:decay=0.9":                   lerp(same(0.9)),
		"exp-code:decay=0.9,k=10":              full(10, func(w [][]float64) []float64 { return fold(0.9, w) }),
		"wma:k=1":                              wma(1),
		"wma:k=6":                              wma(6),
		"power:sigma=0.1":                      lerp(func(before, now Point) float64 { return math.Pow(float64(before.Step)/float64(now.Step), gamma+1) }),
		"decay:shape=linear,k=10":              full(10, emulate(func(x float64) float64 { return 1 - x })),
		"decay:shape=1-sqrt,k=10":              full(10, emulate(func(x float64) float64 { return 1 - math.Sqrt(x) })),
		"decay:shape=cosine,k=7":               full(7, emulate(func(x float64) float64 { return (1 + math.Cos(math.Pi*x)) / 2 })),
		"decay:shape=cosine,k=7,partial=true":  memory(7, emulate(func(x float64) float64 { return (1 + math.Cos(math.Pi*x)) / 2 })),
		"best:n=5,by=val/loss":                 best(5, "val/loss", -1),
		"best:n=2,by=val/top1":                 best(2, "val/top1", 1),
		"best:n=3,by=val/loss,order=highest":   best(3, "val/loss", 1),
		"logspaced:k=1":                        memory(1, mean),
		"logspaced:k=4": memory(1000, func(w [][]float64) []float64 {
			n := float64(len(w))
			if n < 4 {
				return nil
			}
			a1, a2 := math.RoundToEven(math.Cbrt(n)-1), math.RoundToEven(math.Cbrt(n*n)-1)
			a1 = min(max(a1, 1), n-3)
			a2 = min(max(a2, a1+1), n-2)
			at := func(age float64) []float64 { return w[len(w)-1-int(age)] }
			return mean([][]float64{at(0), at(a1), at(a2), at(n - 1)})
		}),
	}
}

// What holds for every scheme: the coefficients sum to 1 within 1e-12, none is beyond the endpoint, and
// the closed form is the recurrence, to 1e-12, on random trajectories with uneven steps.
func TestClosedFormIsTheRecurrence(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n, width = 60, 4
	p := points(n)
	step := int64(0)
	theta := make([][]float64, n)
	for i := range p {
		step += 1 + rng.Int64N(30)
		p[i].Step = step
		for range width {
			theta[i] = append(theta[i], rng.NormFloat64())
		}
	}
	path := filepath.Join(t.TempDir(), "w.csv")
	if err := os.WriteFile(path, []byte("age,weight\n0,0.5\n1, 0.75\n4,-0.25\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	all := recurrences()
	all["weights:"+path] = full(5, func(w [][]float64) []float64 {
		return mix(1, mix(0.5, w[4], 0.75, w[3]), -0.25, w[0])
	})
	covered := map[string]bool{}
	for text, f := range all {
		s, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if s.Spec() != text {
			t.Errorf("%s calls itself %s", text, s.Spec())
		}
		name, _, _ := strings.Cut(text, ":")
		covered[name] = true
		for endpoint := range p {
			c, err := s.Coefficients(p, endpoint)
			if err != nil {
				t.Fatal(err)
			}
			want := f(p[endpoint], theta[endpoint])
			if c.None() || want == nil {
				if !c.None() || want != nil {
					t.Errorf("%s at %d: coefficients %v, the recurrence gives %v", text, endpoint, c, want)
				}
				continue
			}
			sum := 0.0
			got := make([]float64, width)
			for i, v := range c.Values() {
				sum += v
				for j := range got {
					got[j] += v * theta[c.Indices[i]][j]
				}
			}
			if math.Abs(sum-1) > 1e-12 || c.Newest() > endpoint || !slices.IsSorted(c.Indices) {
				t.Errorf("%s at %d: sum %v of %+v", text, endpoint, sum, c)
			}
			for j := range got {
				if math.Abs(got[j]-want[j]) > 1e-12 {
					t.Fatalf("%s at %d: %v, the recurrence gives %v", text, endpoint, got, want)
				}
			}
		}
	}
	for _, k := range Kinds() {
		if !covered[k.Name] {
			t.Errorf("%s has no recurrence in this test", k.Name)
		}
	}
}

// LAWA at E takes E−k+1 … E: k checkpoints, and none before the k-th.
func TestLAWAIsNotOffByOne(t *testing.T) {
	c, _ := LAWA{Window{6, false}, 1}.Coefficients(nil, 9)
	if !slices.Equal(c.Indices, []int{4, 5, 6, 7, 8, 9}) {
		t.Errorf("lawa:k=6 at epoch 10 takes %v", c.Indices)
	}
	if c, err := (LAWA{Window{6, false}, 1}).Coefficients(nil, 4); err != nil || !c.None() {
		t.Errorf("lawa:k=6 at epoch 5: %+v, %v", c, err)
	}
}

// Strong decays over a long run neither overflow nor lose the newest, and the history that is kept stays short.
func TestLongHistories(t *testing.T) {
	p := points(5000)
	for _, text := range []string{"ema:decay=0.9,per=step", "ema:decay=0.000001", "ema:decay=0.99", "power:sigma=0.001", "power:sigma=0.2"} {
		s := schemes(t, text)[0]
		for _, endpoint := range []int{137, 4998, 4999} {
			c, err := s.Coefficients(p, endpoint)
			if err != nil {
				t.Fatal(err)
			}
			sum := 0.0
			for _, v := range c.Values() {
				sum += v
				if !(v >= 0 && v <= 1) {
					t.Fatalf("%s at %d: coefficient %v", text, endpoint, v)
				}
			}
			if math.Abs(sum-1) > 1e-12 || c.Newest() != endpoint {
				t.Errorf("%s at %d: sum %v, newest %d", text, endpoint, sum, c.Newest())
			}
		}
	}
	// 0.9 a step is 2⁻¹·⁵² a checkpoint: 2⁴⁰⁰ is reached after 263, and every endpoint but a few goes on from
	// the sums of the one before.
	s := schemes(t, "ema:decay=0.9,per=step")[0]
	goes := 0
	var last Coefficients
	for endpoint := range 3000 {
		c, _ := s.Coefficients(p, endpoint)
		if endpoint > 0 && continues(last, c) {
			goes++
		}
		if len(c.Indices) > 400 {
			t.Fatalf("%d coefficients at %d", len(c.Indices), endpoint)
		}
		last = c
	}
	if goes < 2980 {
		t.Errorf("%d of 2999 endpoints go on from the one before", goes)
	}
}

func TestWeightsFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "w.csv")
	read := func(text, options string) (Scheme, error) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return Parse("weights:" + path + options)
	}
	p := points(6)
	type result map[int]map[int]float64 // endpoint → index → coefficient
	for text, want := range map[string]result{
		"epoch,weight\n2,0.25\n4,0.75\n":                                           {3: {1: 0.25, 3: 0.75}, 4: {1: 0.25, 3: 0.75}, 5: {1: 0.25, 3: 0.75}},
		"# mine\nendpoint, epoch, weight\n3,3,1\n5,5,0.5\n5,4,0\n5,1,0.5\n":        {2: {2: 1}, 4: {0: 0.5, 4: 0.5}},
		"age,weight\n0,0.3333333333\n1,0.3333333333\n2,0.3333333334\n":             {2: {0: 0.3333333334, 1: 0.3333333333, 2: 0.3333333333}, 3: nil, 4: nil, 5: nil},
		"\ufeffEpoch,Weight\r\n1,0.3333333333\r\n2,0.3333333333\r\n3,0.3333333334": {2: nil, 3: nil, 4: nil, 5: nil},
	} {
		s, err := read(text, "")
		if err != nil {
			t.Fatal(err)
		}
		for endpoint := range p {
			c, err := s.Coefficients(p, endpoint)
			if err != nil {
				t.Fatal(err)
			}
			expected, some := want[endpoint]
			if some == c.None() {
				t.Errorf("%q at %d: %+v", text, endpoint, c)
			}
			for i, v := range c.Values() {
				if expected != nil && math.Abs(v-expected[c.Indices[i]]) > 1e-9 || len(c.Indices) != len(expected) && expected != nil {
					t.Errorf("%q at %d: %+v", text, endpoint, c)
				}
			}
		}
	}
	// Equal weights are the mean, and the same average as LAWA's.
	s, err := read("age,weight\n0,0.333\n1,0.333\n2,0.333\n", ",normalize=true")
	if err != nil {
		t.Fatal(err)
	}
	if plan, err := NewPlan(p, append(schemes(t, "lawa:k=3"), s), []int{2, 3}, false); err != nil || len(plan.Averages) != 2 || len(plan.Requests) != 4 {
		t.Errorf("%v, %v", plan, err)
	}
	for text, want := range map[string]string{
		"": "it is empty", "epoch,weight\n": "holds no weights", "epoch,w\n1,1\n": "the header is", "epoch,weight\n1,0.5\n2,0.4\n": "the weights sum to 0.9, not to 1", "endpoint,epoch,weight\n2,1,0.5\n": "the weights of endpoint 2 sum to 0.5",
		"epoch,weight\n1,x\n": "line 2: weight \"x\" is not a number", "epoch,weight\n1,NaN\n": "not a number", "epoch,weight\n1,0.5\n1,0.5\n": "have epoch 1 twice", "age,weight\n0.5,1\n": "want 0, 1, 2", "age,weight\n-1,1\n": "want 0, 1, 2", "epoch,weight\n1\n": "wrong number of fields",
	} {
		if _, err := read(text, ""); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, expected … %s …", text, err, want)
		}
	}
	if _, err := read("epoch,weight\n1,1\n2,-1\n", ",normalize=true"); err == nil || !strings.Contains(err.Error(), "sum to 0") {
		t.Errorf("weights that sum to 0: %v", err)
	}
	for text, want := range map[string]string{"epoch,weight\n2.5,1\n": "epoch 2.5: the trajectory has no checkpoint", "endpoint,epoch,weight\n9,1,1\n": "endpoint 9: the trajectory has no checkpoint", "endpoint,epoch,weight\n3,4,1\n": "epoch 4 lies beyond it"} {
		s, err := read(text, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewPlan(p, []Scheme{s}, []int{0, 1, 2, 3}, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, expected … %s …", text, err, want)
		}
	}
	if _, err := Parse("weights:" + dir); err == nil {
		t.Error("a folder was read as a file")
	}
}

func TestProfile(t *testing.T) {
	p := points(400)
	for text, want := range map[string]Profile{
		"lawa:k=6":      {1, 2.5, 6, 3, 6},
		"last":          {1, 0, 1, 0.5, 1},
		"ema:decay=0.9": {1, 9, 19, math.Log(0.5) / math.Log(0.9), 19},
		// The paper's two conventions: effective counts 1.2 and 5.1.
		"exp:alpha=0.9":           {1, 0.1111, 1.2222, 0.5555, 1},
		"exp-code:decay=0.9,k=10": {1, 5.513, 5.133, 6.59, 8},
	} {
		c, _ := schemes(t, text)[0].Coefficients(p, 399)
		got := NewProfile(c, 399)
		for name, v := range map[string][2]float64{"sum": {got.Sum, want.Sum}, "mean age": {got.MeanAge, want.MeanAge}, "effective count": {got.EffectiveCount, want.EffectiveCount}, "half-life": {got.HalfLife, want.HalfLife}, "nearest k": {float64(got.NearestK), float64(want.NearestK)}} {
			if math.Abs(v[0]-v[1]) > 0.01*math.Abs(v[1])+1e-3 {
				t.Errorf("%s: %s %v, expected %v", text, name, v[0], v[1])
			}
		}
	}
	// Uniform and exponential windows match at β = (k−1)/(k+1).
	for k := 2; k < 40; k++ {
		c, _ := schemes(t, fmt.Sprintf("ema:decay=%.17g", float64(k-1)/float64(k+1)))[0].Coefficients(points(2000), 1999)
		if got := NewProfile(c, 1999); got.NearestK != k {
			t.Errorf("k = %d: %+v", k, got)
		}
	}
}
