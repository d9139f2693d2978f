package analysis

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/analysis/paired"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// evaluated is a table of losses, with what each example gave.
type evaluated struct {
	documents []float32 // that the examples of what is added belong to
	t         *testing.T
	table     *results.Table
	kept      *examples.Store
	n         int
}

func newEvaluated(t *testing.T) *evaluated {
	t.Helper()
	kept, err := examples.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	return &evaluated{nil, t, &results.Table{}, kept, 0}
}

// add adds an evaluation of one metric.
func (e *evaluated) add(run string, seed int64, scheme, split string, epoch float64, values []float64) {
	e.t.Helper()
	e.n++
	key := hex.EncodeToString(append(make([]byte, 30), byte(e.n>>8), byte(e.n)))
	m := examples.Of("loss", values, nil)
	if err := e.kept.Put(key, examples.Set{m}.In(e.documents)); err != nil {
		e.t.Fatal(err)
	}
	mean, stderr, n := m.Mean()
	k := int32(0)
	if strings.HasPrefix(scheme, "lawa:k=") {
		_, _ = fmt.Sscanf(scheme, "lawa:k=%d", &k)
	}
	e.table.Rows = append(e.table.Rows, results.Row{Run: run, Seed: &seed, Folder: fmt.Sprint(run, seed), Config: `{"training":{"run":"` + run + `"}}`, Devices: new(int64(4)), Scheme: scheme, K: k, Epoch: epoch, Step: new(int64(100 * epoch)),
		Seconds: new(26 * 60 * epoch), Policy: "copy", Split: split, Metric: "loss", Value: mean, StdErr: stderr, N: n, Key: key})
}

// noisy are losses around a mean: much that examples have in common, and a little that each evaluation has alone.
func noisy(common []float64, mean, sd float64, rng *rand.Rand) []float64 {
	out := make([]float64, len(common))
	for i := range out {
		out[i] = mean + common[i] + sd*rng.NormFloat64()
	}
	return out
}

func common(n int, rng *rand.Rand) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = rng.NormFloat64()
	}
	return out
}

// Against the baseline each scheme's difference has an interval that pairing makes far narrower than two independent errors; levels
// are reached when they are; what is saved is known; what is never reached is never.
func TestAsk(t *testing.T) {
	e, rng := newEvaluated(t), rand.New(rand.NewPCG(1, 2))
	c := common(500, rng)
	for epoch := 1.0; epoch <= 10; epoch++ {
		e.add("a", 1, "last", "val", epoch, noisy(c, 10/epoch, 0.05, rng))
		if epoch >= 2 {
			e.add("a", 1, "lawa:k=2", "val", epoch, noisy(c, 10/(epoch+2.3), 0.05, rng)) // two epochs ahead
		}
		if epoch >= 3 {
			e.add("a", 1, "lawa:k=3", "val", epoch, noisy(c, 10/epoch+1, 0.05, rng)) // worse
		}
	}
	a, err := Ask(e.table, Choice{}, Question{}, e.kept)
	if err != nil {
		t.Fatal(err)
	}
	p := a.Panels[0]
	ahead, worse := p.Schemes[0], p.Schemes[1]
	if d := ahead.At; d == nil || d.A.Epoch != 10 || math.Abs(d.Examples.Value-(10/12.3-1)) > 0.02 || d.Examples.High > -0.1 || d.Better != 1 || !d.Distinct() {
		t.Errorf("%+v", d)
	} else if alone := d.A.Minus(d.B).StdErr; d.Examples.StdErr > alone/5 {
		t.Errorf("paired %v, as if on other examples %v", d.Examples.StdErr, alone)
	}
	if ahead.Reached.First == nil || ahead.Reached.First.Epoch != 8 || ahead.Reached.Stays.Epoch != 8 || ahead.Time.Longest.Value != 2 || ahead.Time.Longest.Low < 1 || ahead.Time.Longest.High > 3 || ahead.Worse != 0 || ahead.Compared != 9 {
		t.Errorf("%+v, %+v", ahead.Reached, ahead.Time.Longest)
	}
	if worse.Reached.First != nil || worse.Worse != 8 || worse.Time.Longest.Value > 0 || worse.At.Better != 0 {
		t.Errorf("%+v", worse)
	}
	if math.Abs(p.Noise-ahead.Noise) < 1e-9 || p.Endpoints != 10 || ahead.Endpoints != 9 {
		t.Errorf("noise %v over %d, %v over %d", p.Noise, p.Endpoints, ahead.Noise, ahead.Endpoints)
	}
	var back map[string]any
	if text, err := json.Marshal(a); err != nil || json.Unmarshal(text, &back) != nil || !strings.Contains(string(text), `"probability_better":1`) {
		t.Errorf("%v, %s", err, text)
	}
	// A target, in device-hours: 26 minutes an epoch on four devices.
	target := 10.0 / 5
	if a, err = Ask(e.table, Choice{}, Question{Target: &target, X: "device-hours"}, nil); err != nil {
		t.Fatal(err)
	}
	s := a.Panels[0].Schemes[0]
	if s.At == nil || !math.IsNaN(s.At.Examples.Low) || math.Abs(a.Axis.X(*s.Reached.First)-3*26*4/60.0) > 1 || math.Abs(s.Time.Longest.Value-2*26*4/60.0) > 1e-9 {
		t.Errorf("%+v", s)
	}
	if _, err := Ask(e.table, Choice{}, Question{Reference: "b"}, e.kept); err == nil || !strings.Contains(err.Error(), `no run "b"`) {
		t.Error(err)
	}
}

// Examples that belong to one document are drawn together: each thrice, they say no more than once, to the last bit; and a document is in
// one half whole.
func TestDocuments(t *testing.T) {
	const n = 60
	thrice := func(x []float64) (out []float64) {
		for _, v := range x {
			out = append(out, v, v, v)
		}
		return out
	}
	one, many := newEvaluated(t), newEvaluated(t)
	for i := range 3 * n {
		many.documents = append(many.documents, float32(7+2*(i/3)))
	}
	rng := rand.New(rand.NewPCG(5, 5))
	c := common(n, rng)
	for epoch := 1.0; epoch <= 6; epoch++ {
		for _, scheme := range []string{"last", "lawa:k=2"} {
			x := noisy(c, 5/epoch, 0.3, rng)
			if scheme == "lawa:k=2" {
				x = noisy(c, 5/(epoch+1), 0.3, rng)
			}
			one.add("a", 1, scheme, "val", epoch, x)
			many.add("a", 1, scheme, "val", epoch, thrice(x))
		}
	}
	answers := func(e *evaluated) Answer {
		a, err := Ask(e.table, Choice{}, Question{Draws: 500}, e.kept)
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Contains(fmt.Sprint(a.Notes), "the 180 examples belong to 60 documents"); said != (e == many) {
			t.Errorf("notes %v", a.Notes)
		}
		return a.Panels[0].Schemes[0]
	}
	a, b := answers(one), answers(many)
	close := func(x, y float64) bool { return math.Abs(x-y) < 1e-6 }
	if !close(a.At.Examples.Low, b.At.Examples.Low) || !close(a.At.Examples.High, b.At.Examples.High) || b.At.Examples.N != n {
		t.Errorf("%+v, each thrice %+v", a.At.Examples, b.At.Examples)
	}
	if !close(a.Time.Longest.Low, b.Time.Longest.Low) || !close(a.Time.Longest.High, b.Time.Longest.High) {
		t.Errorf("%+v, each thrice %+v", a.Time.Longest, b.Time.Longest)
	}
	m := examples.Metric{Documents: many.documents}
	clusters, documents := m.Clusters()
	sides := map[int]int{}
	for side, half := range halves(3*n, clusters, documents, 1) {
		for _, i := range half {
			if was, ok := sides[clusters[i]]; ok && was != side {
				t.Fatalf("document %d is in both halves", clusters[i])
			}
			sides[clusters[i]] = side
		}
	}
	if len(sides) != n {
		t.Errorf("%d documents in halves, expected %d", len(sides), n)
	}
	seed := uint64(3)
	if _, err := PickBest(many.table, Choice{}, Selecting{Half: &seed, Draws: 100}, many.kept); err != nil {
		t.Error(err)
	}
}

// The paper's arithmetic: 40 epochs of 26 minutes on 4 GPUs are 69 hours of them.
func TestPaperSaves69Hours(t *testing.T) {
	e := newEvaluated(t)
	for epoch := 1.0; epoch <= 90; epoch++ {
		e.add("a", 1, "last", "val", epoch, []float64{100 - epoch, 100 - epoch})
	}
	e.add("a", 1, "lawa:k=6", "val", 50, []float64{10, 10})
	a, err := Ask(e.table, Choice{}, Question{X: "device-hours"}, e.kept)
	if err != nil {
		t.Fatal(err)
	}
	if s := a.Panels[0].Schemes[0].Time.Longest; math.Abs(s.Value-69.33) > 0.01 {
		t.Errorf("%+v", s)
	}
}

// Averages of one run beside the checkpoints of another, at equal steps.
func TestReference(t *testing.T) {
	e, rng := newEvaluated(t), rand.New(rand.NewPCG(3, 4))
	c := common(300, rng)
	for epoch := 1.0; epoch <= 5; epoch++ {
		e.add("constant", 1, "last", "val", epoch, noisy(c, 3, 0.05, rng))
		e.add("constant", 1, "lawa:k=2", "val", epoch, noisy(c, 2, 0.05, rng))
		e.add("annealed", 1, "last", "val", epoch, noisy(c, 2.5, 0.05, rng))
	}
	a, err := Ask(e.table, Choice{}, Question{Reference: "annealed", X: "step"}, e.kept)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Panels) != 1 || a.Reference != "annealed" {
		t.Fatalf("%d panels against %s", len(a.Panels), a.Reference)
	}
	if d := a.Panels[0].Schemes[0].At; d == nil || math.Abs(d.Examples.Value+0.5) > 0.02 || d.B.Step != 500 {
		t.Errorf("%+v", d)
	}
}

// Of several seeds the interval is over runs, and the time that one baseline saves against another stands beside.
func TestSeveralRuns(t *testing.T) {
	e, rng := newEvaluated(t), rand.New(rand.NewPCG(5, 6))
	c := common(300, rng)
	for seed, luck := range []float64{-0.3, 0, 0.3} {
		for epoch := 1.0; epoch <= 4; epoch++ {
			e.add("a", int64(seed), "last", "val", epoch, noisy(c, 5/epoch, 0.01, rng))
			e.add("a", int64(seed), "lawa:k=2", "val", epoch, noisy(c, 5/epoch-0.2+luck, 0.01, rng))
		}
	}
	a, err := Ask(e.table, Choice{}, Question{}, e.kept)
	if err != nil {
		t.Fatal(err)
	}
	d := a.Panels[0].Schemes[0].At
	if d.Examples.Low > -0.19 || d.Examples.High > -0.15 || d.Runs.Low > -0.5 || d.Runs.High < 0.1 || d.Distinct() || a.Panels[0].Null == nil {
		t.Errorf("%+v", d)
	}
}

// What was chosen among equals looks better than it is, and is reported as what it is; the halves follow from the seed.
func TestPickBest(t *testing.T) {
	e, rng := newEvaluated(t), rand.New(rand.NewPCG(7, 8))
	c := common(400, rng)
	for epoch := 1.0; epoch <= 8; epoch++ {
		for _, scheme := range []string{"last", "lawa:k=1", "lawa:k=2", "lawa:k=3"} {
			e.add("a", 1, scheme, "val", epoch, noisy(c, 2, 1, rng))
		}
	}
	e.add("a", 1, "lawa:k=9", "other", 1, c) // a scheme that one split lacks
	e.add("a", 1, "last", "other", 1, c)
	optimism, first := 0.0, ""
	for seed := range uint64(20) {
		p, err := PickBest(e.table, Choice{Split: "val"}, Selecting{Half: &seed, Draws: 200}, e.kept)
		if err != nil {
			t.Fatal(err)
		}
		of := p.Panels[0]
		optimism += of.Chosen.Optimism(p.Metric) / 20
		if first == "" {
			again, err := PickBest(e.table, Choice{Split: "val"}, Selecting{Half: &seed, Draws: 200}, e.kept)
			one, _ := json.Marshal(p)
			two, _ := json.Marshal(again)
			if first = string(one); err != nil || first != string(two) {
				t.Errorf("%v: another choice by the same seed", err)
			}
		}
		for i, r := range of.Ranking[1:] {
			if r.Than == nil || p.Metric.Better(r.Selected, of.Ranking[i].Selected) {
				t.Errorf("place %d: %+v", i+1, r)
			}
		}
		if len(of.Endpoint) != 8 || len(of.Schedule.Epochs) != 8 {
			t.Errorf("%+v", of.Schedule)
		}
	}
	// The best of 32 means with a standard error of 1/√200 is expected about two of those better than the mean.
	if optimism < 0.08 || optimism > 0.25 {
		t.Errorf("an optimism of %v", optimism)
	}
	for want, how := range map[string]Selecting{
		"chosen on one split and reported on another":  {},
		"the split val to select on is that to report": {Select: "val", Report: "val"},
		"unknown split": {Select: "val", Report: "tset"},
	} {
		if _, err := PickBest(e.table, Choice{}, how, e.kept); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %s", err, want)
		}
	}
}

// An evaluation of which nothing is kept has no interval, and says why; sizes that differ are other examples.
func TestWithoutExamples(t *testing.T) {
	e, rng := newEvaluated(t), rand.New(rand.NewPCG(9, 10))
	c := common(100, rng)
	for epoch := 1.0; epoch <= 3; epoch++ {
		e.add("a", 1, "last", "val", epoch, noisy(c, 2, 1, rng))
		e.add("a", 1, "lawa:k=2", "val", epoch, noisy(c[:50], 2, 1, rng))
		e.add("a", 1, "lawa:k=3", "val", epoch, noisy(c, 2, 1, rng))
		e.table.Rows[len(e.table.Rows)-1].Key = "nobody"
	}
	a, err := Ask(e.table, Choice{}, Question{}, e.kept)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"not evaluated on the same examples", "what each example gave is not kept of evaluation nobody"} {
		s := a.Panels[0].Schemes[i]
		if !strings.Contains(s.Why, want) || s.At == nil || !math.IsNaN(s.At.Examples.Low) || !math.IsNaN(s.At.Better) {
			t.Errorf("%+v, expected %s", s, want)
		}
	}
	seed := uint64(1)
	if _, err := PickBest(e.table, Choice{}, Selecting{Half: &seed}, e.kept); !errors.Is(err, errOthers) {
		t.Error(err)
	}
	if _, err := ExamplesOf(e.kept, metric.Perplexity); err == nil {
		t.Error("the perplexity is no mean")
	}
	if _, err := paired.Normal([]float64{1}, nil, nil); err == nil {
		t.Error("one example has no interval")
	}
}
