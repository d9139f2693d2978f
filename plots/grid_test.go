package plots

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/results"
)

// tableOf is one that a figure can be drawn from: those that compare recipes or coefficients need more than others.
func tableOf(figure string, runs int) *results.Table {
	if figure == "bn-policies" {
		return with(table(runs), copied)
	}
	switch figure {
	case "metrics", "optimizers", "coefficients", "compare":
		return recipes(runs)
	}
	return table(runs)
}

// optionsOf are what a figure cannot be drawn without.
func optionsOf(figure string, o Options) Options {
	if figure == "compare" {
		o.Reference = "lookahead/run"
	}
	return o
}

// recipes is runs by SGD and by Lookahead, all in folders of one name, with top-5 and a training split, averages by
// exponential coefficients, and the learning rates of a warm-up and a decay to epoch 25.
func recipes(runs int) *results.Table {
	t := table(runs)
	for i := range t.Rows {
		r := &t.Rows[i]
		r.Config, r.Folder = `{"lr":0.1,"momentum":0.9,"nesterov":false,"weight_decay":0.0005}`, "sgd/run"
		r.LR = new(0.1 * min(r.Epoch/3, max(0, min(1, (25-r.Epoch)/15))))
	}
	t = with(t, func(r *results.Row) bool {
		r.Config, r.Folder = `{"lr":0.1,"optimizer":"lookahead:k=5,alpha=0.8,optimizer=sgd,momentum=0.9,weight-decay=0.0005"}`, "lookahead/run"
		r.Value -= map[string]float64{"top1": 2, "loss": -0.08}[r.Metric]
		return true
	})
	for i, scheme := range []string{"exp:alpha=0.5,k=10", "exp-code:decay=0.9,k=10"} {
		d := 0.4 - 0.2*float64(i)
		t = with(t, func(r *results.Row) bool {
			was := r.Scheme
			r.Scheme, r.Value = scheme, r.Value+map[string]float64{"top1": d, "loss": -d / 25}[r.Metric]
			return was == "lawa:k=10"
		})
	}
	t = with(t, func(r *results.Row) bool {
		was := r.Metric
		r.Metric, r.Value = "top5", 100-(100-r.Value)/4
		return was == "top1"
	})
	return with(t, func(r *results.Row) bool {
		r.Split, r.N = "train-1000", 1000
		r.Value += map[string]float64{"top1": r.Epoch / 3, "top5": r.Epoch / 12, "loss": -r.Epoch / 75}[r.Metric]
		return true
	})
}

// A figure says what the results lack, and draws the rest.
func TestGridsNameWhatIsMissing(t *testing.T) {
	d, err := New("metrics", table(1), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"left out: top-5", "no split of examples that were trained on", "of the 3 means of the latest k this is lawa:k=6"} {
		if !strings.Contains(fmt.Sprint(d.Notes), want) {
			t.Errorf("notes %q lack %q", d.Notes, want)
		}
	}
	// Each number of the CSV says of what it is.
	split, metric := len(d.Rows[0])-1, len(d.Rows[0])-2
	if d.Rows[0][split] != "split" || d.Rows[0][metric] != "metric" || d.Rows[0][3] != "value" {
		t.Errorf("CSV begins with %q", d.Rows[0])
	}
	seen := map[string]int{}
	for _, row := range d.Rows[1:] {
		seen[row[0]+" "+row[metric]+" "+row[split]]++
	}
	if len(seen) != 4 || seen["last loss val"] != 30 || seen["lawa:k=6 top1 val"] != 25 {
		t.Errorf("CSV of %v", seen)
	}
	// The averages of one recipe alone were evaluated on the training split, and the other has no baseline there.
	half := recipes(1)
	var kept []results.Row
	for _, r := range half.Rows {
		if r.Split == "val" || !strings.Contains(r.Config, "lookahead") {
			kept = append(kept, r)
		}
	}
	half.Rows = kept
	if d, err = New("optimizers", half, Options{}); err != nil || !strings.Contains(fmt.Sprint(d.Notes), "no top1 of the baseline on the split train-1000") {
		t.Errorf("notes %q, %v", d.Notes, err)
	}
	if _, err := New("optimizers", table(3), Options{}); err == nil || !strings.Contains(err.Error(), "one recipe only") {
		t.Errorf("one recipe compared with itself: %v", err)
	}
	if _, err := New("coefficients", table(3), Options{}); err == nil || !strings.Contains(err.Error(), "beside an average of the same k") {
		t.Errorf("nothing beside uniform coefficients: %v", err)
	}
}

// Runs in folders of one name are told apart by recipe and seed: a curve is a mean over the seeds of one recipe.
func TestSeedsAndRecipesInGrids(t *testing.T) {
	for _, name := range []string{"metrics", "optimizers", "coefficients"} {
		d, err := New(name, recipes(3), Options{})
		if err != nil {
			t.Fatal(err)
		}
		column := func(row []string, name string) string {
			for i, title := range d.Rows[0] {
				if title == name {
					return row[i]
				}
			}
			return ""
		}
		runs := map[string]bool{}
		for _, row := range d.Rows[1:] {
			runs[column(row, "runs of")+" "+column(row, "runs")] = true
			if _, err := strconv.ParseFloat(column(row, "standard deviation"), 64); err != nil {
				t.Fatalf("%s: %q has no standard deviation", name, row)
			}
		}
		if len(runs) != 2 || !runs["SGD 3"] || !runs["Lookahead 3"] {
			t.Errorf("%s: runs %v", name, runs)
		}
	}
}

// What would stand at several axes is an error, unless one metric and split are named.
func TestLabelsOfGrids(t *testing.T) {
	one := 1.0
	for name, o := range map[string]Options{"label": {YLabel: "Accuracy"}, "range": {YMin: &one}} {
		if _, err := New("metrics", recipes(1), o); err == nil {
			t.Errorf("%s of several axes", name)
		}
		o.Metric, o.Split = "top1", "val"
		if _, err := New("metrics", recipes(1), o); err != nil {
			t.Errorf("%s of one axis: %v", name, err)
		}
	}
	if _, err := New("metrics", with(recipes(1), copied), Options{Choice: analysis.Choice{Policies: []string{"copy", "recompute"}}}); err == nil {
		t.Error("two policies in one panel")
	}
}

// The grey style has no colours in it.
func TestGreyIsGrey(t *testing.T) {
	for _, name := range Names() {
		d, err := New(name, tableOf(name, 3), optionsOf(name, Options{Style: Grey}))
		if err != nil {
			t.Fatal(err)
		}
		b, err := d.png()
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		coloured := 0
		for y := range img.Bounds().Max.Y {
			for x := range img.Bounds().Max.X {
				if c := img.(*image.RGBA).RGBAAt(x, y); c.R != c.G || c.G != c.B {
					coloured++
				}
			}
		}
		if coloured > 0 {
			t.Errorf("%s: %d dots with a colour", name, coloured)
		}
	}
}

// A figure for slides is as large in every format, and none is higher than a slide.
func TestSlidesFit(t *testing.T) {
	for _, name := range Names() {
		of := recipes(2)
		if name == "bn-policies" {
			of = with(of, copied)
		}
		d, err := New(name, of, optionsOf(name, Options{Style: Slides, LR: true}))
		if err != nil {
			t.Fatal(err)
		}
		w, h := d.size()
		if h.Points() > 7.51*72 || w.Points() > 13.34*72 {
			t.Errorf("%s: %g in x %g in", name, w.Points()/72, h.Points()/72)
		}
		if name != "speedup" { // pictures of this size take their time
			continue
		}
		picture, err := d.png()
		if err != nil {
			t.Fatal(err)
		}
		c, err := png.DecodeConfig(bytes.NewReader(picture))
		if err != nil || math.Abs(float64(c.Width)-w.Points()/72*dpi) > 0.002*float64(c.Width) { // whole dots to the inch
			t.Errorf("%s: %d dots wide, expected %g; %v", name, c.Width, w.Points()/72*dpi, err)
		}
		pdf, err := d.pdf()
		if err != nil {
			t.Fatal(err)
		}
		box := regexp.MustCompile(`/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]`).FindSubmatch(pdf)
		if box == nil {
			t.Fatalf("%s: no size in its PDF", name)
		}
		if v, _ := strconv.ParseFloat(string(box[1]), 64); math.Abs(v-w.Points()) > 0.1 {
			t.Errorf("%s: its PDF is %g pt wide, expected %g", name, v, w.Points())
		}
	}
}

// A strip says where the rate rises and falls; without rates it is an error that names the runs.
func TestStripOfTheLearningRate(t *testing.T) {
	if _, err := New("speedup", table(1), Options{LR: true}); err == nil || !strings.Contains(err.Error(), "learning rate is not known of every checkpoint of run") {
		t.Errorf("%v", err)
	}
	d, err := New("speedup", recipes(1), Options{LR: true})
	if err != nil {
		t.Fatal(err)
	}
	svg, err := d.svg()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{">warm-up<", ">decay<", "warm-up to epoch 3, decay from epoch 10 to 25"} {
		if !bytes.Contains(svg, []byte(want)) && !strings.Contains(texts(svg), want) {
			t.Errorf("the figure does not say %q", want)
		}
	}
}

// texts are those of an SVG, one behind the other.
func texts(svg []byte) string {
	var out []string
	for _, m := range regexp.MustCompile(`<text[^>]*>([^<]*)</text>`).FindAllSubmatch(svg, -1) {
		out = append(out, string(m[1]))
	}
	return strings.Join(out, " ")
}
