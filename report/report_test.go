package report

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// hostile is text that would be markup, or end a script, if it were not escaped.
const hostile = `</script><script>document.title="owned"</script><img src=x onerror='document.title="owned"'>"'&`

// swept is a table with what each example gave: baseline, two means of the latest k, and a scheme whose name is hostile.
func swept(t *testing.T, dir string) (*results.Table, *examples.Store) {
	t.Helper()
	kept, err := examples.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	table := &results.Table{Provenance: `{"software":"test","runs":[{"run":` + quote(hostile) + `}]}`, Metrics: []metric.Metric{metric.Loss, metric.Top1, {Name: hostile, Label: hostile}}}
	rng := rand.New(rand.NewPCG(1, 2))
	base := make([]float64, 400)
	for i := range base {
		base[i] = rng.ExpFloat64()
	}
	n := byte(0)
	for _, s := range []struct {
		scheme string
		k      int32
		gain   float64
	}{{"last", 0, 0}, {"lawa:k=2", 2, 0.2}, {"lawa:k=4", 4, 0.3}, {hostile, 0, -0.1}} {
		for epoch := 1; epoch <= 8; epoch++ {
			if int(s.k) > epoch {
				continue
			}
			n++
			key := hex.EncodeToString(append(make([]byte, 31), n))
			loss, hits := make([]float64, len(base)), make([]float64, len(base))
			for i := range loss {
				loss[i] = base[i] * (1 + 1/float64(epoch) - s.gain + 0.2*rng.NormFloat64())
				if loss[i] < 1.2 {
					hits[i] = 100
				}
			}
			set := examples.Set{examples.Of("loss", loss, nil), examples.Of("top1", hits, nil)}
			if err := kept.Put(key, set); err != nil {
				t.Fatal(err)
			}
			for _, m := range set {
				mean, stderr, count := m.Mean()
				table.Rows = append(table.Rows, results.Row{Run: hostile, Seed: new(int64(1)), Folder: hostile, Config: `{"training":{"lr":1}}`, Scheme: s.scheme, K: s.k, Epoch: float64(epoch), Step: new(int64(10 * epoch)),
					Policy: "copy", Split: "val", Metric: m.Name, Value: mean, StdErr: stderr, N: count, Key: key})
			}
			table.Rows = append(table.Rows, results.Row{Run: hostile, Seed: new(int64(1)), Folder: hostile, Config: `{"training":{"lr":1}}`, Scheme: s.scheme, K: s.k, Epoch: float64(epoch), Step: new(int64(10 * epoch)),
				Policy: "copy", Split: "val", Metric: hostile, Value: 1 / float64(epoch), StdErr: math.NaN(), N: 1, Key: key})
		}
	}
	return table, kept
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func written(t *testing.T) (html []byte, table *results.Table, path string) {
	t.Helper()
	table, kept := swept(t, t.TempDir())
	defer kept.Close()
	var b bytes.Buffer
	if err := Write(&b, Source{Table: table, Kept: kept, Version: "test", Question: analysis.Question{Draws: 200}}); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), table, path
}

// Whatever stands in a sweep is text; nothing is loaded; the answers are there without JavaScript.
func TestPage(t *testing.T) {
	html, _, _ := written(t)
	text := string(html)
	for _, forbidden := range []string{`<script>document`, `<img src=x`, `src="http`, `href="http`, "@import"} {
		if strings.Contains(text, forbidden) {
			t.Errorf("the page holds %q", forbidden)
		}
	}
	for _, wanted := range []string{"Which is best?", "k = 4", "95 % interval", "Where does averaging hurt?", "How much sooner?", "How steady?", "<noscript>", `class="heat"`, "Schemes compared", "data:image/svg&#43;xml;base64,", "default-src 'none'"} {
		if !strings.Contains(text, wanted) {
			t.Errorf("the page lacks %q", wanted)
		}
	}
	if len(html) > 1<<20 {
		t.Errorf("%d bytes", len(html))
	}
	_, data, ok := strings.Cut(text, `<script type="application/json" id="data">`)
	data, _, _ = strings.Cut(data, "</script>")
	var d pageData
	if err := json.Unmarshal([]byte(data), &d); !ok || err != nil || len(d.Panels) != 1 || len(d.Panels[0].Curves) != 4 || d.Panels[0].Curves[3].Scheme != hostile {
		t.Errorf("the data: %v, %.300s", err, data)
	}
}

// In a browser the slider chooses schemes, the values that it shows are the table's, boxes and axes work, and tables sort.
func TestBrowser(t *testing.T) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
		}
	}
	if path == "" {
		t.Skip("there is no Chromium here")
	}
	_, table, page := written(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox)...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1000, 900), chromedp.Navigate((&url.URL{Scheme: "file", Path: page}).String())); err != nil {
		t.Fatal(err)
	}
	ask := func(js string) string {
		t.Helper()
		v, err := chromedp.Run(ctx, chromedp.Evaluate[string](js))
		if err != nil {
			t.Fatalf("%s: %v", js, err)
		}
		return v
	}
	if title := ask("document.title"); !strings.HasPrefix(title, "What averaging gives: </script>") {
		t.Errorf("the title is %q", title)
	}
	value := func(scheme, name string, epoch float64) float64 {
		for _, r := range table.Rows {
			if r.Scheme == scheme && r.Metric == name && r.Epoch == epoch {
				return r.Value
			}
		}
		return math.NaN()
	}
	for i, scheme := range []string{"lawa:k=2", "lawa:k=4", hostile} {
		ask(fmt.Sprintf(`(() => { const k = document.getElementById("k"); k.value = %d; k.dispatchEvent(new Event("input")); return "" })()`, i))
		for _, name := range []string{"top1", "loss"} {
			ask(fmt.Sprintf(`(() => { const m = document.getElementById("metric"); m.value = [...m.options].findIndex((o) => o.textContent === %q); m.dispatchEvent(new Event("change")); return "" })()`, metric.Of(name).Label))
			for epoch := 4.0; epoch <= 8; epoch++ {
				var have struct{ Baseline, Chosen float64 }
				if err := json.Unmarshal([]byte(ask(fmt.Sprintf("JSON.stringify(report.values(%g))", epoch))), &have); err != nil {
					t.Fatal(err)
				}
				if want := value(scheme, name, epoch); math.Abs(have.Chosen-want) > 1e-6*math.Abs(want) {
					t.Errorf("%s of scheme %d at epoch %g: the page shows %v, the table has %v", name, i, epoch, have.Chosen, want)
				}
				if want := value("last", name, epoch); math.Abs(have.Baseline-want) > 1e-6*math.Abs(want) {
					t.Errorf("%s of the baseline at epoch %g: the page shows %v, the table has %v", name, epoch, have.Baseline, want)
				}
			}
		}
	}
	for js, want := range map[string]string{
		`String(document.querySelectorAll("#chart canvas").length)`: "1",
		`(() => { const a = document.getElementById("axis"); a.value = 1; a.dispatchEvent(new Event("change")); return document.getElementById("readout").textContent.slice(0, 7) })()`:              "step 80",
		`(() => { document.querySelector("#shown input").click(); return String(report.state.shown[0]) })()`:                                                                                         "false",
		`(() => { const t = document.querySelector("table.sortable"); const b = t.querySelectorAll("thead button")[3]; b.click(); return t.tBodies[0].rows[0].cells[0].textContent.slice(0, 9) })()`: "</script>",
		`decodeURIComponent(document.getElementById("csv").href).split("\n")[0].slice(-36)`:                                                                                                          "epoch,step,value,difference,low,high",
		`document.title.slice(0, 4)`: "What",
	} {
		if have := ask(js); have != want {
			t.Errorf("%s is %q, expected %q", js, have, want)
		}
	}
}
