package plots

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot/cmpimg"
	"gonum.org/v1/plot/vg"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/results"
)

var update = flag.Bool("update", false, "write testdata/figures anew")

// table is a run whose baseline is noisy and whose averages are smoother and later, for several seeds.
func table(runs int) *results.Table {
	t := &results.Table{}
	for run := range runs {
		noise := func(e, salt float64) float64 { return math.Sin(e*12.9898+salt*78.233+float64(run)*3) * 0.5 }
		add := func(scheme, policy string, k int32, epoch, accuracy float64) {
			row := results.Row{Run: "run", Seed: new(int64(run + 1)), Folder: fmt.Sprint("s", run+1, "/run"), Config: `{"lr":0.1}`, Devices: new(int64(8)), Scheme: scheme, K: k,
				Epoch: epoch, Step: new(int64(500 * epoch)), Policy: policy, Split: "val", Seconds: new(1560 * epoch), StdErr: 0.4, N: 10000}
			row.Metric, row.Value = "top1", accuracy
			t.Rows = append(t.Rows, row)
			row.Metric, row.Value, row.StdErr = "loss", (100-accuracy)/25, 0.015
			t.Rows = append(t.Rows, row)
		}
		for e := 1.0; e <= 30; e++ {
			add("last", "copy", 1, e, 76-40*math.Exp(-e/6)-3*math.Exp(-e/15)*(1+noise(e, 1)))
			for _, k := range []int32{1, 2, 6, 10} {
				if e >= float64(k) {
					lag := float64(k-1) / 2
					add(fmt.Sprintf("lawa:k=%d", k), "recompute", k, e, 76-40*math.Exp(-(e-lag)/6)-0.4*math.Exp(-e/15)*(1+noise(e, float64(k))))
				}
			}
		}
	}
	return t
}

// with adds rows to a table: those of it that change keeps, changed.
func with(t *results.Table, change func(*results.Row) bool) *results.Table {
	for _, r := range slices.Clone(t.Rows) {
		if change(&r) {
			t.Rows = append(t.Rows, r)
		}
	}
	return t
}

// copied is the averages under policy copy, which are worse.
func copied(r *results.Row) bool {
	r.Policy, r.Value = "copy", r.Value-map[string]float64{"top1": 1, "loss": -0.04}[r.Metric]
	return r.Scheme != "last"
}

// slower is runs of another learning rate.
func slower(r *results.Row) bool {
	r.Folder, r.Config, r.Value = "slow/"+r.Folder, `{"lr":0.05}`, r.Value-map[string]float64{"top1": 2, "loss": -0.08}[r.Metric]
	return true
}

// others are schemes of other kinds.
func others(r *results.Row) bool {
	other := map[string]string{"lawa:k=1": "ema:decay=0.9", "lawa:k=2": "swa:start=10", "lawa:k=10": "wma:k=6"}[r.Scheme]
	r.Scheme, r.Value = other, r.Value+map[string]float64{"top1": 0.5, "loss": -0.02}[r.Metric]
	return other != ""
}

// Figures look as they did when somebody last looked at them; go test ./plots -update draws them anew.
func TestGolden(t *testing.T) {
	type drawn struct {
		figure string
		table  *results.Table
		o      Options
	}
	figures := map[string]drawn{
		"k-sensitivity-policies": {"k-sensitivity", with(table(1), copied), Options{Choice: analysis.Choice{Policies: []string{"copy", "recompute"}}, X: "step"}},
		"k-sensitivity-groups":   {"k-sensitivity", with(table(3), slower), Options{X: "device-hours"}},
		"k-sensitivity-few":      {"k-sensitivity", table(3), Options{Choice: analysis.Choice{Schemes: []string{"lawa:k=2", "lawa:k=6"}}, Spread: Range}},
		"early-phase-schemes":    {"early-phase", with(table(1), others), Options{}},
		"early-phase-groups":     {"early-phase", with(table(2), slower), Options{Choice: analysis.Choice{Schemes: []string{"lawa:k=6"}}}},
		"speedup-policies":       {"speedup", with(table(1), copied), Options{Choice: analysis.Choice{Policies: []string{"copy", "recompute"}, Schemes: []string{"lawa:k=6"}}, X: "seconds"}},
		"speedup-panels":         {"speedup", with(with(table(3), copied), slower), Options{Choice: analysis.Choice{Policies: []string{"copy", "recompute"}}}},
	}
	for _, name := range Names() {
		figures[name] = drawn{name, tableOf(name, 1), optionsOf(name, Options{})}
		figures[name+"-seeds"] = drawn{name, tableOf(name, 3), optionsOf(name, Options{})}
	}
	figures["metrics-grey"] = drawn{"metrics", recipes(3), Options{Style: Grey, LR: true, Choice: analysis.Choice{Split: "val"}}}
	figures["optimizers-slides"] = drawn{"optimizers", recipes(3), Options{Style: Slides, LR: true, Title: "SGD and Lookahead", XLabel: "Passes over the data"}}
	figures["speedup-lr"] = drawn{"speedup", recipes(1), Options{LR: true, Width: 140 * vg.Millimeter}}
	figures["early-phase-lr"] = drawn{"early-phase", recipes(1), Options{LR: true, Style: Grey, Choice: analysis.Choice{Runs: []string{"sgd/run"}}}}
	for name, f := range figures {
		d, err := New(f.figure, f.table, f.o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := d.raster(150)
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("..", "testdata", "figures", name+".png")
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := cmpimg.EqualApprox("png", got, want, 0.3); err != nil || !same {
			t.Errorf("%s is not the picture in %s (%v)", name, golden, err)
		}
	}
}

func TestSameBytesInEveryFormat(t *testing.T) {
	for _, name := range Names() {
		for _, format := range Formats {
			var first []byte
			for range 3 {
				d, err := New(name, tableOf(name, 2), optionsOf(name, Options{}))
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(t.TempDir(), "f"+format)
				if err := d.Save(path); err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = b
				}
				if !bytes.Equal(first, b) {
					t.Errorf("%s%s has other bytes each time", name, format)
				}
				if c, err := os.ReadFile(strings.TrimSuffix(path, format) + ".csv"); err != nil || !bytes.HasPrefix(c, []byte("scheme,policy,epoch,")) {
					t.Errorf("%s: its CSV is %.30q, %v", name, c, err)
				}
			}
		}
	}
}

func TestPNGSaysItsResolution(t *testing.T) {
	d, err := New("speedup", table(1), Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.png()
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte("pHYs"))
	if at < 0 || binary.BigEndian.Uint32(b[at+4:]) != 11811 || b[at+12] != 1 {
		t.Error("no 300 dpi in it")
	}
	if w := binary.BigEndian.Uint32(b[16:]); w != 975 {
		t.Errorf("%d pixels wide, expected 3.25 in × 300", w)
	}
}

// The arrow's claim is computed, not drawn by eye.
func TestSpeedupSaysWhatItSaves(t *testing.T) {
	d, err := New("speedup", table(1), Options{Choice: analysis.Choice{Schemes: []string{"lawa:k=6"}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Notes) == 0 || !strings.Contains(d.Notes[0].Text, "lawa:k=6 at epoch") || !strings.Contains(d.Notes[0].Text, "3 epochs, 78.0 min, 10.4 device-hours sooner") {
		t.Errorf("notes %q", d.Notes)
	}
	if last := d.Notes[len(d.Notes)-1].Text; last != "new statistics alone, without averaging (k = 1), save 6 epochs" {
		t.Errorf("what new statistics alone save: %q", last)
	}
	// Chosen on the data that are reported it says so; on others it says which, and keeps to that choice.
	d, err = New("speedup", table(1), Options{})
	if err != nil || !strings.Contains(d.Notes[0].Text, "the one of 3 that saves most here: choice and report share their data") {
		t.Errorf("notes %q, %v", d.Notes, err)
	}
	other := with(table(1), func(r *results.Row) bool {
		if r.Split = "train"; r.Scheme == "lawa:k=10" {
			r.Value += map[string]float64{"top1": 5, "loss": -0.2}[r.Metric]
		}
		return true
	})
	d, err = New("speedup", other, Options{Choice: analysis.Choice{Split: "val"}, ChooseOn: "train"})
	if err != nil || d.Rows[len(d.Rows)-1][0] != "lawa:k=10" || !strings.Contains(d.Notes[0].Text, "saves most on train, which it is not reported on") {
		t.Errorf("notes %q, %v", d.Notes, err)
	}
	if _, err := New("speedup", other, Options{Choice: analysis.Choice{Schemes: []string{"lawa:k=6"}}, ChooseOn: "train"}); err == nil {
		t.Error("chose between one scheme")
	}
}

// Of all schemes in the results, the k-sensitivity shows those that have a k to be sensitive to, unless
// others are asked for.
// compare draws averages of one recipe beside the checkpoints of the run that is named, at equal steps, and says where that one ends.
func TestCompare(t *testing.T) {
	mixed := with(table(1), slower)
	d, err := New("compare", mixed, Options{Reference: "slow/s1/run"})
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]map[string]int{}
	for _, row := range d.Rows[1:] {
		group := row[len(row)-1]
		if of[group] == nil {
			of[group] = map[string]int{}
		}
		of[group][row[0]]++
	}
	if len(of) != 2 || of["lr 0.05"]["last"] != 30 || len(of["lr 0.05"]) != 1 || of["lr 0.1"]["last"] != 30 || of["lr 0.1"]["lawa:k=6"] != 25 || of["lr 0.1"]["lawa:k=1"] != 0 {
		t.Errorf("%v", of)
	}
	if svg, err := d.SVG(); err != nil || !strings.Contains(string(svg), "Step") || !strings.Contains(string(svg), "the end of ") {
		t.Errorf("%v", err)
	}
	for o, want := range map[string]string{"": "the run that others are compared with is not named; there are", "nobody": `no run "nobody" in these results`} {
		if _, err := New("compare", mixed, Options{Reference: o}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %s", err, want)
		}
	}
	if _, err := New("compare", table(1), Options{Reference: "run"}); err == nil || !strings.Contains(err.Error(), "there is no run beside run") {
		t.Error(err)
	}
}

func TestKSensitivityIsOfLAWA(t *testing.T) {
	mixed := table(1)
	for _, r := range table(1).Rows {
		if r.Scheme == "lawa:k=6" {
			for _, scheme := range []string{"wma:k=6", "lawa:k=6,stride=2", "best:n=6,by=val/loss"} {
				r.Scheme = scheme
				mixed.Rows = append(mixed.Rows, r)
			}
		}
	}
	drawn := func(o Options) map[string]bool {
		d, err := New("k-sensitivity", mixed, o)
		if err != nil {
			t.Fatal(err)
		}
		schemes := map[string]bool{}
		for _, row := range d.Rows[1:] {
			schemes[row[0]] = true
		}
		return schemes
	}
	if got := drawn(Options{}); len(got) != 5 || got["wma:k=6"] {
		t.Errorf("by default: %v", got)
	}
	if got := drawn(Options{Choice: analysis.Choice{Schemes: []string{"wma:k=6"}}}); len(got) != 2 || !got["wma:k=6"] {
		t.Errorf("asked for: %v", got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	ten, five := 10.0, 5.0
	for name, o := range map[string]Options{
		"metric": {Choice: analysis.Choice{Metric: "top2"}}, "split": {Choice: analysis.Choice{Split: "test"}},
		"policy": {Choice: analysis.Choice{Policies: []string{"recomptue"}}}, "scheme": {Choice: analysis.Choice{Schemes: []string{"lawa:k=7"}}},
		"run": {Choice: analysis.Choice{Runs: []string{"other"}}}, "axis": {X: "steps"}, "spread": {Spread: "sem"},
		"style": {Style: "gray"}, "narrow": {Width: vg.Inch}, "wide": {Width: 100 * vg.Inch}, "title": {Title: "a\nb"},
		"epochs": {Choice: analysis.Choice{From: 100, To: 200}}, "y": {YMin: &ten, YMax: &five},
	} {
		for _, figure := range Names() {
			if figure == "early-phase" && name == "epochs" {
				o.From, o.To = 100, 200
			}
			if _, err := New(figure, tableOf(figure, 1), o); err == nil {
				t.Errorf("%s with a wrong %s was drawn", figure, name)
			}
		}
	}
	if _, err := New("speed-up", table(1), Options{}); err == nil || !strings.Contains(err.Error(), "did you mean speedup?") {
		t.Errorf("error %v", err)
	}
	nan := table(1)
	for i := range nan.Rows {
		nan.Rows[i].Value = math.NaN()
	}
	only := &results.Table{Rows: table(1).Rows[:2]}
	for _, figure := range Names() {
		if _, err := New(figure, nan, Options{}); err == nil {
			t.Errorf("%s of nothing but NaN was drawn", figure)
		}
		if _, err := New(figure, only, Options{}); err == nil {
			t.Errorf("%s without averages was drawn", figure)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		want   string
	}{{1, 20, "5 10 15 20"}, {94.8, 98.7, "95 96 97 98"}, {-0.25, 0.05, "−0.25 −0.20 −0.15 −0.10 −0.05 0.00 0.05"}, {-0.27, 0.05, "−0.2 −0.1 0.0"}, {0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"}, {0, 90, "0 20 40 60 80"}} {
		var got []string
		for _, tick := range (ticks{n: 6}).Ticks(c.lo, c.hi) {
			if tick.Label != "" {
				got = append(got, tick.Label)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%g to %g: %v, expected %s", c.lo, c.hi, got, c.want)
		}
	}
	var got []string
	for _, tick := range (ticks{n: 7, least: 1}).Ticks(1, 4) {
		if tick.Label != "" {
			got = append(got, tick.Label)
		}
	}
	if strings.Join(got, " ") != "1 2 3 4" {
		t.Errorf("epochs 1 to 4: %v", got)
	}
}

// A band that leaves the figure is cut at its edge, not bent towards it.
func TestBandsAreCut(t *testing.T) {
	got := clip([]reach{{0, 2, 6}, {4, 0, 2}}, 0, 4)
	// At x = 2 the upper edge comes in.
	if want := []reach{{0, 2, 4}, {2, 1, 4}, {4, 0, 2}}; !slices.Equal(got, want) {
		t.Errorf("%v, expected %v", got, want)
	}
	if got := clip([]reach{{0, 5, 6}, {4, 1, 2}}, 0, 4); !slices.Equal(got, []reach{{0, 4, 4}, {1, 4, 4}, {2, 3, 4}, {4, 1, 2}}) {
		t.Errorf("%v", got)
	}
}
