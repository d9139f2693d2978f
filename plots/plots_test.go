package plots

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/plot/cmpimg"

	"lawa-replay/evaluator/results"
)

var update = flag.Bool("update", false, "write testdata/figures anew")

// table is a run whose baseline is noisy and whose averages are smoother and later, for several seeds.
func table(runs int) *results.Table {
	t := &results.Table{}
	for run := range runs {
		noise := func(e, salt float64) float64 { return math.Sin(e*12.9898+salt*78.233+float64(run)*3) * 0.5 }
		add := func(scheme, policy string, k int32, epoch, accuracy float64) {
			row := results.Row{Run: fmt.Sprint("run", run), Scheme: scheme, K: k, Epoch: epoch, Policy: policy, Split: "val", Seconds: new(1560 * epoch), N: 10000}
			row.Metric, row.Value = "top1", accuracy
			t.Rows = append(t.Rows, row)
			row.Metric, row.Value = "loss", (100-accuracy)/25
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

// Figures look as they did when somebody last looked at them; go test ./plots -update draws them anew.
func TestGolden(t *testing.T) {
	for _, name := range Names() {
		for runs, suffix := range map[int]string{1: "", 3: "-seeds"} {
			d, err := New(name, table(runs), Options{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := d.png()
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("..", "testdata", "figures", name+suffix+".png")
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
}

func TestSameBytesInEveryFormat(t *testing.T) {
	for _, name := range Names() {
		for _, format := range Formats {
			var first []byte
			for range 3 {
				d, err := New(name, table(2), Options{})
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
	d, err := New("speedup", table(1), Options{Schemes: []string{"lawa:k=6"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Notes) == 0 || !strings.Contains(d.Notes[0], "lawa:k=6 at epoch") || !strings.Contains(d.Notes[0], "h sooner") && !strings.Contains(d.Notes[0], "min sooner") {
		t.Errorf("notes %q", d.Notes)
	}
}

// Of all schemes in the results, the k-sensitivity shows those that have a k to be sensitive to, unless
// others are asked for.
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
	if got := drawn(Options{Schemes: []string{"wma:k=6"}}); len(got) != 2 || !got["wma:k=6"] {
		t.Errorf("asked for: %v", got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	ten, five := 10.0, 5.0
	for name, o := range map[string]Options{
		"metric": {Metric: "top2"}, "split": {Split: "test"}, "policy": {Policy: "recomptue"}, "scheme": {Schemes: []string{"lawa:k=7"}},
		"epochs": {From: 100, To: 200}, "y": {YMin: &ten, YMax: &five},
	} {
		for _, figure := range Names() {
			if figure == "early-phase" && name == "epochs" {
				o.From, o.To = 100, 200
			}
			if _, err := New(figure, table(1), o); err == nil {
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
		for _, tick := range (ticks{6}).Ticks(c.lo, c.hi) {
			if tick.Label != "" {
				got = append(got, tick.Label)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%g to %g: %v, expected %s", c.lo, c.hi, got, c.want)
		}
	}
}
