// Package report writes a sweep as one page of HTML that needs nothing else: answers first, in sentences with intervals, then curves to
// play with, tables and figures, and where all of it comes from.
//
// It believes that a page is read by people who were not there: that a loss stands there as plainly as a gain, that a choice is
// reported on other data than it was made on, and that what a run is called, or a worker answers, is text and never markup. The page
// loads nothing, and says so to the browser.
package report

import (
	"bytes"
	"embed"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/plots"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

//go:embed assets
var assets embed.FS

// Source is what a page is made of.
type Source struct {
	Table    *results.Table
	Kept     *examples.Store // what each example gave; nil: then there are no intervals
	Choice   analysis.Choice
	Question analysis.Question
	Title    string // "" is one made of the runs
	Version  string // of the program
	Running  string // said on top where the sweep is not finished
}

// cell of a table; what has a number is sorted by it.
type cell struct {
	Text   string
	Value  float64
	Sorted bool
}

type table struct {
	Heading, Caption string
	Header           []string
	Rows             [][]cell
}

type figure struct {
	Name, Caption string
	Source, CSV   template.URL
}

type fact struct{ Name, Value string }

// page is what the template shows.
type page struct {
	Title, Subtitle, Version, Running string
	Answers                           []answersOf
	Heat                              []heat
	Tables                            []table
	Figures                           []figure
	Basis, Notes                      []string
	Provenance                        []fact
	Data                              *pageData
	CSS                               template.CSS
	UPlot, JS                         template.JS
}

// Write writes the page.
func Write(w io.Writer, s Source) error {
	a, err := analysis.Ask(s.Table, s.Choice, s.Question, s.Kept)
	if err != nil {
		return err
	}
	p := page{Title: s.Title, Version: s.Version, Running: s.Running, Basis: a.Basis}
	if text := a.BillText(); text != "" {
		p.Basis = append(slices.Clone(p.Basis), text)
	}
	runs := s.Table.Runs()
	if p.Title == "" {
		p.Title = "What averaging gives: " + results.RunList(runs)
	}
	p.Subtitle = fmt.Sprintf("%s on split %s; %d evaluations", capital(a.Metric.Heading()), a.Split, keys(s.Table))
	if p.Data, err = dataOf(s.Table, s.Choice, a, s.Kept); err != nil {
		return err
	}
	pick, selected, notes := picked(s, a)
	for _, n := range append(slices.Clone(a.Notes), notes...) {
		if !slices.Contains(p.Notes, n.Text) {
			p.Notes = append(p.Notes, n.Text)
		}
	}
	for i, panel := range a.Panels {
		var of *analysis.PickOf
		if pick != nil && i < len(pick.Panels) {
			of = &pick.Panels[i]
			for _, best := range of.Ranking { // the best average, where a checkpoint itself is better than any
				at := slices.IndexFunc(panel.Curves, func(c *analysis.Curve) bool { return c.Scheme == best.Scheme })
				if best.Label != "baseline" && at >= 0 {
					p.Data.Panels[i].Chosen = at
					break
				}
			}
		}
		p.Answers = append(p.Answers, sentences(a, panel, of, selected))
		if h, ok := heatOf(a.Metric, a.Metric.Name+"|"+a.Split, panel, p.Data.Panels[i]); ok {
			p.Heat = append(p.Heat, h)
		}
		p.Tables = append(p.Tables, compared(a, panel))
		if of != nil {
			p.Tables = append(p.Tables, ranked(a.Metric, *of, selected))
		}
		p.Tables = append(p.Tables, valuesOf(a, panel))
	}
	p.Figures = figures(s)
	p.Provenance = provenance(s.Table)
	read := func(name string) string {
		data, err2 := assets.ReadFile("assets/" + name)
		err = errors.Join(err, err2)
		return string(data)
	}
	p.CSS, p.UPlot, p.JS = template.CSS(read("uplot.css")+read("page.css")), template.JS(read("uplot.js")), template.JS(read("page.js")) //nolint:gosec // the program's own
	t, err2 := template.New("page").Parse(read("page.html"))
	if err = errors.Join(err, err2); err != nil {
		return err
	}
	return t.Execute(w, p)
}

// keys counts the evaluations of a table.
func keys(t *results.Table) int {
	seen := map[string]bool{}
	for _, r := range t.Rows {
		seen[r.Key] = true
	}
	return len(seen)
}

// picked chooses on one half of the split and reports on the other; nil where what each example gave is not known.
func picked(s Source, a *analysis.Answers) (*analysis.Pick, string, []analysis.Note) {
	if s.Kept == nil || a.Reference != "" {
		return nil, "", nil
	}
	seed := s.Question.Seed
	o := s.Choice
	o.Split, o.Metric = a.Split, a.Metric.Name
	p, err := analysis.PickBest(s.Table, o, analysis.Selecting{Half: &seed, Draws: s.Question.Draws}, s.Kept)
	if err != nil {
		return nil, "", []analysis.Note{{Text: "no scheme is chosen on one half and reported on the other: " + err.Error()}}
	}
	return p, "one half of the examples", nil
}

func word(text string) cell { return cell{Text: text} }

func numeric(text string, v float64) cell { return cell{text, v, !math.IsNaN(v) && !math.IsInf(v, 0)} }

func span(s analysis.Span, a analysis.Axis) cell {
	if math.IsNaN(s.Value) {
		return word("–")
	}
	text := short(s.Value)
	if !math.IsNaN(s.Low) {
		text += fmt.Sprintf(" (%s to %s)", short(s.Low), short(s.High))
	}
	return numeric(text, s.Value)
}

func short(v float64) string { return fmt.Sprintf("%.4g", math.Round(v*1e6)/1e6) }

func titled(heading, title string) string {
	if title == "" {
		return heading
	}
	return heading + ": " + title
}

// compared is the table of the answers.
func compared(a *analysis.Answers, p analysis.AnswersOf) table {
	m := a.Metric
	t := table{Heading: titled("Schemes compared", p.Title), Header: []string{"scheme", "at epoch", m.Heading(), "difference", "95 % low", "95 % high", "likely better", "noise", "reaches " + m.Text(p.Level), "stays from", "longest saved", "worse at", "of"}}
	against := "the checkpoint itself"
	switch {
	case a.Against:
		against = a.Reference
	case a.Reference != "":
		against = "the checkpoint of " + a.Reference
	}
	t.Caption = fmt.Sprintf("Difference from %s, with its interval: a paired bootstrap over the examples of one run, Student's t over several. Noise: standard deviation over the last %d endpoints; that of what is compared with is %s. Saved: along %s.", against, p.Endpoints, m2(m, p.Noise), a.Axis.Name)
	for _, s := range p.Schemes {
		row := []cell{word(s.Label)}
		if d := s.At; d != nil {
			i := d.Interval()
			known := func(v float64, text string) cell {
				if math.IsNaN(v) {
					return word("–")
				}
				return numeric(text, v)
			}
			diff := d.A.Value - d.B.Value
			row = append(row, numeric(trajectory.EpochName(d.A.Epoch), d.A.Epoch), numeric(m.Text(d.A.Value), d.A.Value), numeric(m.Signed(diff), diff),
				known(i.Low, m.Signed(i.Low)), known(i.High, m.Signed(i.High)), known(d.Better, fmt.Sprintf("%.1f %%", 100*d.Better)))
		} else {
			for range 6 {
				row = append(row, word("–"))
			}
		}
		noise := word("–")
		if !math.IsNaN(s.Noise) {
			noise = numeric(m.Text(s.Noise), s.Noise)
		}
		place := func(p *analysis.Point) cell {
			if p == nil {
				return word("never")
			}
			return numeric(short(a.Axis.X(*p)), a.Axis.X(*p))
		}
		row = append(row, noise, place(s.Reached.First), place(s.Reached.Stays), span(s.Time.Longest, a.Axis), numeric(fmt.Sprint(s.Worse), float64(s.Worse)), numeric(fmt.Sprint(s.Compared), float64(s.Compared)))
		t.Rows = append(t.Rows, row)
	}
	return t
}

// ranked is the table of what was chosen.
func ranked(m metric.Metric, p analysis.PickOf, selected string) table {
	t := table{Heading: titled("The best, chosen on one half and reported on the other", p.Title), Header: []string{"scheme", "epoch", "where chosen", "where reported", "optimism", "from the first", "95 % low", "95 % high", ""},
		Caption: "By the value where it was chosen (" + selected + "). ≈: where it is reported it cannot be told from the first."}
	for i, c := range p.Ranking {
		row := []cell{word(c.Label), numeric(trajectory.EpochName(c.Epoch), c.Epoch), numeric(m.Text(c.Selected), c.Selected), numeric(m.Text(c.Reported), c.Reported), numeric(m.Signed(c.Optimism(m)), c.Optimism(m))}
		if c.Than != nil {
			alike := ""
			if c.Alike {
				alike = "≈"
			}
			for _, v := range []float64{c.Than.Value, c.Than.Low, c.Than.High} {
				row = append(row, numeric(m.Signed(v), v))
			}
			row = append(row, word(alike))
		} else {
			text := "–"
			if i == 0 {
				text = ""
			}
			row = append(row, word(text), word(text), word(text), word(""))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// mostColumns bounds the schemes of the table of values.
const mostColumns = 24

// valuesOf is the table of all values, by endpoint.
func valuesOf(a *analysis.Answers, p analysis.AnswersOf) table {
	m := a.Metric
	curves := p.All()
	left := 0
	if len(curves) > mostColumns {
		left = len(curves) - mostColumns
		curves = curves[:mostColumns]
	}
	labels := analysis.Labels(p.All())
	t := table{Heading: titled("All values", p.Title), Caption: capital(m.Heading()) + " by epoch."}
	if left > 0 {
		t.Caption += fmt.Sprintf(" %d more schemes are in the data of the curves.", left)
	}
	t.Header = []string{"epoch"}
	for i := range curves {
		name := labels[i]
		if i == 0 {
			name = "checkpoint"
		}
		t.Header = append(t.Header, name)
	}
	for _, b := range p.Baseline.Points {
		row := []cell{word(trajectory.EpochName(b.Epoch))}
		for _, c := range curves {
			if q, ok := c.At(b.Epoch); ok {
				row = append(row, numeric(m.Text(q.Value), q.Value))
			} else {
				row = append(row, word(""))
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// figures are those that there is data for, as pictures that cannot run anything.
func figures(s Source) []figure {
	var out []figure
	for _, kind := range plots.Kinds() {
		d, err := plots.New(kind.Name, s.Table, plots.Options{Choice: s.Choice, X: s.Question.X, Kept: s.Kept})
		if err != nil {
			continue // there are no data for it
		}
		svg, err := d.SVG()
		if err != nil {
			continue
		}
		var text bytes.Buffer
		if err := csv.NewWriter(&text).WriteAll(d.Rows); err != nil {
			continue
		}
		uri := func(kind string, data []byte) template.URL {
			return template.URL("data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data)) //nolint:gosec // base64 is no markup
		}
		out = append(out, figure{kind.Name, capital(kind.About) + ".", uri("image/svg+xml", svg), uri("text/csv", text.Bytes())})
	}
	return out
}

// provenance is what a table says of where it comes from.
func provenance(t *results.Table) []fact {
	var m map[string]any
	if json.Unmarshal([]byte(t.Provenance), &m) != nil {
		return nil
	}
	var out []fact
	for _, name := range slices.Sorted(maps.Keys(m)) {
		var text string
		switch v := m[name].(type) {
		case string:
			text = v
		default:
			b, err := json.Marshal(v)
			if err != nil {
				continue
			}
			text = string(b)
		}
		out = append(out, fact{strings.ReplaceAll(name, "_", " "), text})
	}
	return out
}
