package analysis

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

func curve(values ...float64) *Curve {
	c := &Curve{Scheme: "x", Group: &Group{Runs: make([]results.Run, 1)}}
	for i, v := range values {
		if !math.IsInf(v, -1) { // -Inf: no value at this epoch
			c.Points = append(c.Points, Point{Epoch: float64(i + 1), Value: v, Low: v, High: v, Values: []float64{v}, Seconds: 10 * float64(i+1), DeviceHours: math.NaN()})
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

// What is saved is written without the remains of binary fractions, and with as much of its cost as is known.
func TestSooner(t *testing.T) {
	nan := math.NaN()
	at := func(epoch, seconds, hours float64) Point {
		return Point{Epoch: epoch, Seconds: seconds, DeviceHours: hours}
	}
	for want, s := range map[string]Saving{
		"0.6 epochs sooner":                               {at(1.2, nan, nan), at(1.8, nan, nan)},
		"1 epoch, 10.0 s sooner":                          {at(1, 10, nan), at(2, 20, nan)},
		"2 epochs, 10.0 s on 1 device sooner":             {at(1, 10, 10./3600), at(3, 20, 20./3600)},
		"30 epochs, 13.0 h, 104 device-hours sooner":      {at(10, 0, 0), at(40, 46800, 8*13)},
		"0.3333 epochs, 0.0 s, 1e-05 device-hours sooner": {at(1, 10, 0), at(1.3333333, 10.01, 1e-5)},
	} {
		if got := s.Sooner(); got != want {
			t.Errorf("%q, expected %q", got, want)
		}
	}
}

func TestHurt(t *testing.T) {
	losses, worst := Hurt(curve(10, 20, 30), curve(9, 25, 27), metric.Of("top1"))
	if len(losses) != 2 || losses[0].Epoch != 1 || losses[1].Epoch != 3 || worst.Value != -3 || worst.Epoch != 3 {
		t.Errorf("%v, %v", losses, worst)
	}
	if losses, _ := Hurt(curve(1, 2), curve(1, 1.5), metric.Of("loss")); losses != nil {
		t.Errorf("a lower loss hurts at %v", losses)
	}
}

// row is a value of the baseline, unless changed.
func row(run string, epoch, value float64, change ...func(*results.Row)) results.Row {
	r := results.Row{Run: run, Folder: run, Scheme: "last", Policy: "copy", Epoch: epoch, Split: "val", Metric: "top1", Value: value, StdErr: 0.5, N: 100, Seconds: new(epoch * 3600), Devices: new(int64(8))}
	for _, f := range change {
		f(&r)
	}
	return r
}

func lawa(r *results.Row) { r.Scheme, r.K, r.Policy = "lawa:k=2", 2, "recompute" }

// at sets a row's learning rate.
func at(lr float64) func(*results.Row) { return func(r *results.Row) { r.LR = &lr } }

func TestCurvesOverRuns(t *testing.T) {
	table := &results.Table{Rows: []results.Row{row("a", 1, 1, at(0.1)), row("a", 2, 5), row("b", 1+1e-9, 3, at(0.3), func(r *results.Row) { r.Seconds = new(3600.0) }), row("b", 3, 0), row("a", 1, 2, lawa), row("b", 1, 2, lawa)}}
	s, err := Select(table, Choice{}, "top1")
	if err != nil {
		t.Fatal(err)
	}
	want := []Point{{Epoch: 1, Step: math.NaN(), LR: 0.2, Seconds: 3600, DeviceHours: 8, Value: 2, Low: 1, High: 3, SD: math.Sqrt2, StdErr: 0.5, N: 100, Values: []float64{1, 3}, Keys: []string{"", ""}}}
	got := s.Panels[0].Baseline
	if len(s.Panels) != 1 || got.Runs() != 2 || len(got.Points) != 1 || !math.IsNaN(got.Points[0].Step) || !math.IsNaN(got.Points[0].Tokens) {
		t.Fatalf("%+v", got)
	}
	got.Points[0].Step, got.Points[0].Tokens, want[0].Step = 0, 0, 0
	if !reflect.DeepEqual(got.Points, want) {
		t.Errorf("%+v", got.Points)
	}
	if got.Left != 2 || !strings.Contains(fmt.Sprint(s.Notes), "2 epochs are left out") {
		t.Errorf("%d epochs left out, notes %q", got.Left, s.Notes)
	}
}

// Runs of one name are told apart by their folders; runs that were trained otherwise are no seeds of one another.
func TestRunsAndGroups(t *testing.T) {
	of := func(folder string, seed int64, config string) func(*results.Row) {
		return func(r *results.Row) { r.Run, r.Folder, r.Seed, r.Config = "run", folder, &seed, config }
	}
	const slow, fast, imported = `{"lr":0.05,"model":"m"}`, `{"lr":0.1,"model":"m"}`, `{"model":"m","training":null}`
	for name, c := range map[string]struct {
		runs   []func(*results.Row)
		groups []string // names
		sizes  []int
		note   string
	}{
		"seeds":          {[]func(*results.Row){of("s1/run", 1, fast), of("s2/run", 2, fast)}, []string{""}, []int{2}, ""},
		"equal seeds":    {[]func(*results.Row){of("s1/run", 1, fast), of("s2/run", 1, fast)}, []string{""}, []int{2}, "s1/run and s2/run are both of seed 1"},
		"learning rates": {[]func(*results.Row){of("s1/run", 1, fast), of("s2/run", 2, fast), of("s3/run", 1, slow)}, []string{"lr 0.1", "lr 0.05"}, []int{2, 1}, "not trained alike"},
		"imported":       {[]func(*results.Row){of("s1/run", 1, imported), of("s2/run", 2, imported)}, []string{""}, []int{2}, "is not recorded"},
		"imported among": {[]func(*results.Row){of("s1/run", 1, fast), of("s2/run", 2, imported)}, []string{"settings recorded", "settings not recorded"}, []int{1, 1}, "not trained alike"},
		"an old table":   {[]func(*results.Row){of("s1/run", 1, ""), of("s2/run", 2, "")}, []string{""}, []int{2}, "older version"},
	} {
		table := &results.Table{}
		for i, f := range c.runs {
			table.Rows = append(table.Rows, row("", 1, float64(i), f), row("", 1, 5, lawa, f))
		}
		s, err := Select(table, Choice{}, "top1")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		var sizes []int
		for _, p := range s.Panels {
			names, sizes = append(names, p.Group.Name), append(sizes, p.Baseline.Runs())
		}
		if !slices.Equal(names, c.groups) || !slices.Equal(sizes, c.sizes) {
			t.Errorf("%s: groups %q of %v", name, names, sizes)
		}
		if notes := fmt.Sprint(s.Notes); (c.note == "") != (len(s.Notes) == 0) || !strings.Contains(notes, c.note) {
			t.Errorf("%s: notes %q", name, notes)
		}
		// Each by its folder, and by its name with the seed.
		one, err := Select(table, Choice{Runs: []string{"s2/run"}}, "top1")
		if err != nil || one.Panels[0].Baseline.Points[0].Value != 1 || len(one.Panels) != 1 {
			t.Errorf("%s: s2/run: %v", name, err)
		}
		if _, err := Select(table, Choice{Runs: []string{"s4/run"}}, "top1"); err == nil || !strings.Contains(err.Error(), "which hold") {
			t.Errorf("%s: an unknown run: %v", name, err)
		}
	}
}

// What nobody chose is said, and of several policies it is recompute, of several splits val.
func TestSelectSaysWhatItTakes(t *testing.T) {
	table := &results.Table{}
	for _, split := range []string{"train", "val"} {
		on := func(r *results.Row) { r.Split = split }
		table.Rows = append(table.Rows, row("a", 1, 1, on))
		for _, policy := range []string{"copy", "recompute:samples=5"} {
			table.Rows = append(table.Rows, row("a", 1, 2, lawa, on, func(r *results.Row) { r.Policy = policy }))
		}
	}
	s, err := Select(table, Choice{}, "top1")
	if err != nil || s.Split != "val" || !slices.Equal(s.Policies, []string{"recompute:samples=5"}) || len(s.Notes) != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = Select(table, Choice{Split: "train", Policies: []string{"copy", "recompute"}}, "top1")
	if err != nil || s.Split != "train" || len(s.Panels) != 2 || len(s.Notes) != 0 || s.Title(s.Panels[1]) != "statistics recomputed from 5 examples" {
		t.Errorf("%+v, %v", s, err)
	}
}

// A worker's loss is what that program says it is.
func TestWorkersLoss(t *testing.T) {
	loss := func(r *results.Row) { r.Metric = "loss" }
	table := &results.Table{Rows: []results.Row{row("a", 1, 1, loss), row("a", 1, 2, lawa, loss)}}
	for provenance, want := range map[string]string{`{"task":"classification"}`: "cross-entropy", `{"worker":"python eval.py"}`: "loss"} {
		table.Provenance = provenance
		if s, err := Select(table, Choice{}, "loss"); err != nil || s.Metric.Label != want {
			t.Errorf("%s: %v", provenance, err)
		}
	}
}

// Of a metric whose name does not say which way is better it is said what is taken, and the choice decides.
func TestWhichWayIsBetter(t *testing.T) {
	size := func(r *results.Row) { r.Metric = "size" }
	table := &results.Table{Rows: []results.Row{row("a", 1, 1, size), row("a", 1, 2, lawa, size)}}
	for better, want := range map[string]struct {
		higher bool
		notes  int
	}{"": {false, 1}, "higher": {true, 0}, "lower": {false, 0}} {
		if s, err := Select(table, Choice{Metric: "size", Better: better}, "top1"); err != nil || s.Metric.HigherBetter != want.higher || len(s.Notes) != want.notes {
			t.Errorf("%q: %+v, %v", better, s, err)
		}
	}
	if _, err := Select(table, Choice{Better: "hihger"}, "top1"); err == nil {
		t.Error("hihger was taken")
	}
}

// Of a scheme that the results have with other numbers none is suggested; of a misspelt one the nearest is.
func TestUnknownScheme(t *testing.T) {
	table := &results.Table{Rows: []results.Row{row("a", 1, 1), row("a", 1, 2, lawa)}}
	for name, want := range map[string]string{"lawa:k=99": "no scheme lawa:k=99 in these results, which hold lawa:k=2", "lwaa:k=2": "did you mean lawa:k=2?"} {
		if _, err := Select(table, Choice{Schemes: []string{name}}, "top1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Seconds that fall along a run are no time spent, and no axis or saving is made of what is not known.
func TestUnknownTime(t *testing.T) {
	falling := func(r *results.Row) { r.Seconds = new(10 - r.Epoch) }
	table := &results.Table{Rows: []results.Row{row("a", 1, 1, falling), row("a", 2, 2, falling), row("a", 1, 2, lawa, falling), row("a", 2, 2, lawa, falling)}}
	s, err := Select(table, Choice{}, "top1")
	if err != nil {
		t.Fatal(err)
	}
	saving, ok, _ := Saved(s.Panels[0].Baseline, s.Panels[0].Curves[0], s.Metric)
	if !ok || saving.Sooner() != "1 epoch sooner" || len(s.Notes) != 1 {
		t.Errorf("%v, %q, notes %q", ok, saving.Sooner(), s.Notes)
	}
	for _, name := range []string{"seconds", "device-hours", "step"} {
		if _, err := AxisOf(name, s.Panels[0].All()); err == nil || !strings.Contains(err.Error(), "not known") {
			t.Errorf("--x %s: %v", name, err)
		}
	}
	if _, err := AxisOf("hours", nil); err == nil {
		t.Error("an unknown axis was found")
	}
}

// Differences below their standard error are marked.
func TestSummaryMarksSmallDifferences(t *testing.T) {
	table := &results.Table{Rows: []results.Row{row("a", 1, 90), row("a", 2, 92), row("a", 3, 94), row("a", 2, 93.9, lawa), row("a", 3, 93.7, lawa)}}
	s, err := Summarize(table, Choice{})
	if err != nil {
		t.Fatal(err)
	}
	l := s.Schemes[1]
	if len(s.Schemes) != 2 || !s.Schemes[0].Baseline || l.Label != "k = 2" {
		t.Fatalf("%+v", s.Schemes)
	}
	// 93.9 at epoch 2 is the baseline's at epoch 3, and 1.9 above its own at epoch 2: more than √½.
	if g := l.Saved; g == nil || g.Epochs != 1 || *g.Seconds != 3600 || *g.DeviceHours != 8 || g.Small {
		t.Errorf("saved %+v", l.Saved)
	}
	if b := l.Best[0]; !b.Small || math.Abs(*b.Difference+0.1) > 1e-9 || math.Abs(*b.StdErr-math.Sqrt(0.5)) > 1e-9 {
		t.Errorf("best %+v", b)
	}
	if len(l.Hurt) != 1 || l.Hurt[0].Epoch != 3 || !l.Worst.Small {
		t.Errorf("hurt %+v", l.Hurt)
	}
}

func TestLabels(t *testing.T) {
	specs := []string{"lawa:k=6", "lawa:k=6,stride=2", "swa:start=10", "swa:start=10,every=3", "ema:decay=0.9", "ema:half-life=3,per=epoch,debias=true", "exp:alpha=0.9",
		"exp-code:decay=0.9,k=10", "wma:k=6,partial=true", "logspaced:k=6", "power:sigma=0.1", "decay:shape=1-sqrt,k=10", "best:n=5,by=val/loss", "weights:x/mine.csv,normalize=true", "mine"}
	var all []*Curve
	for _, s := range specs {
		all = append(all, &Curve{Scheme: s})
	}
	want := []string{"LAWA, k = 6", "LAWA, k = 6, every 2nd", "SWA from epoch 10", "SWA from epoch 10, every 3rd", "EMA, decay 0.9", "EMA, half-life 3, per epoch, debiased", "exponential, α 0.9",
		"exponential (code), decay 0.9, k = 10", "linear weights, k = 6, partial", "log-spaced, k = 6", "power function, σ 0.1", "1-sqrt decay, k = 10", "best 5 by val/loss", "weights of mine.csv, normalized", "mine"}
	if got := Labels(all); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := Labels([]*Curve{{Scheme: "lawa:k=1", Policy: "recompute"}, {Scheme: "lawa:k=6", Policy: "recompute"}}); !slices.Equal(got, []string{"k = 1, new statistics", "k = 6"}) {
		t.Errorf("%q", got)
	}
}

func TestDuration(t *testing.T) {
	for s, want := range map[float64]string{4.04: "4.0 s", 150: "2.5 min", 62400: "17.3 h"} {
		if got := Duration(s); got != want {
			t.Errorf("%g s: %s, expected %s", s, got, want)
		}
	}
}
