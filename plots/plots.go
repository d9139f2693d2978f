// Package plots draws the figures, from results alone.
//
// It believes that a figure is evidence: the same table gives the same bytes, the numbers that are drawn
// lie beside it as CSV, and it is fit for a paper as it comes: true to size, readable at column width,
// distinct without colour, its legend outside of the lines.
package plots

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"lawa-replay/analysis"
	"lawa-replay/evaluator/results"
	"lawa-replay/internal/atomicfile"
	"lawa-replay/internal/metric"
	"lawa-replay/internal/spec"
)

// Options choose what a figure shows. Empty fields let the figure choose.
type Options struct {
	Metric     string
	Split      string
	Policy     string
	Schemes    []string // in this order; nil for all
	From, To   float64  // epochs; 0 for all
	YMin, YMax *float64
}

// Drawing is a figure ready to be rendered.
type Drawing struct {
	Width, Height vg.Length
	Draw          func(draw.Canvas)
	Rows          [][]string // of the CSV, with its header
	Notes         []string   // what a reader should know
}

// figures has a line for each figure.
var figures = map[string]struct {
	draw  func(*results.Table, Options) (*Drawing, error)
	about string
}{
	"k-sensitivity": {kSensitivity, "a metric along the epochs for every k (Figure 2 of the paper)"},
	"speedup":       {speedup, "baseline and average, with the longest time saved (Figure 1)"},
	"early-phase":   {earlyPhase, "the first epochs, where averaging can hurt (Figure 4)"},
}

// Names lists the figures.
func Names() []string {
	var out []string
	for name := range figures {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// About says what a figure shows.
func About(name string) string { return figures[name].about }

// New makes the figure of the given name.
func New(name string, table *results.Table, o Options) (*Drawing, error) {
	f, ok := figures[name]
	if !ok {
		return nil, spec.Unknown("figure", name, Names())
	}
	d, err := f.draw(table, o)
	if err != nil {
		return nil, fmt.Errorf("figure %s: %w", name, err)
	}
	return d, nil
}

// Formats lists the formats that Save writes, by their file endings.
var Formats = []string{".png", ".pdf", ".svg"}

// CheckPath says whether Save knows the format that the path's ending names.
func CheckPath(path string) error {
	if !slices.Contains(Formats, filepath.Ext(path)) {
		return fmt.Errorf("%s: the ending says the format, one of %s", path, strings.Join(Formats, ", "))
	}
	return nil
}

// dpi of the PNG files.
const dpi = 300

// Save writes the drawing to path, in the format of its ending, and the CSV beside it.
func (d *Drawing) Save(path string) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	ext := filepath.Ext(path)
	render := map[string]func() ([]byte, error){".png": d.png, ".pdf": d.pdf, ".svg": d.svg}[ext]
	data, err := render()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := atomicfile.WriteBytes(path, data); err != nil {
		return err
	}
	return atomicfile.Write(strings.TrimSuffix(path, ext)+".csv", func(w io.Writer) error {
		c := csv.NewWriter(w)
		return c.WriteAll(d.Rows)
	})
}

func (d *Drawing) png() ([]byte, error) {
	c := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(d.Width, d.Height), vgimg.UseDPI(dpi))}
	d.Draw(draw.New(c))
	var buf bytes.Buffer
	if _, err := c.WriteTo(&buf); err != nil {
		return nil, err
	}
	return withDPI(buf.Bytes(), dpi)
}

func (d *Drawing) svg() ([]byte, error) {
	c := vgsvg.New(d.Width, d.Height)
	d.Draw(draw.New(c))
	var buf bytes.Buffer
	_, err := c.WriteTo(&buf)
	return buf.Bytes(), err
}

func (d *Drawing) pdf() ([]byte, error) {
	c := newPDF(d.Width, d.Height)
	d.Draw(draw.New(c))
	return c.bytes()
}

// chosen is what a figure works on.
type chosen struct {
	metric   metric.Metric
	split    string
	policy   string
	baseline *analysis.Curve
	curves   []*analysis.Curve // without the baseline
}

// choose takes the curves that the options name, or the given defaults.
func choose(table *results.Table, o Options, usual string) (*chosen, error) {
	c := &chosen{split: o.Split, policy: o.Policy}
	known := table.Values(func(r results.Row) string { return r.Metric })
	if o.Metric == "" {
		o.Metric = usual
		if !slices.Contains(known, usual) && len(known) > 0 { // another task's, or a worker's own
			o.Metric = known[0]
			for _, name := range known {
				if metric.Of(name).HigherBetter == metric.Of(usual).HigherBetter {
					o.Metric = name
					break
				}
			}
		}
	}
	if !slices.Contains(known, o.Metric) {
		return nil, spec.Unknown("metric", o.Metric, known)
	}
	c.metric = metric.Of(o.Metric)
	splits := table.Values(func(r results.Row) string { return r.Split })
	if c.split == "" {
		c.split = splits[0]
	} else if !slices.Contains(splits, c.split) {
		return nil, spec.Unknown("split", c.split, splits)
	}
	// The policy of the averages, unless one is named; the baseline keeps its own statistics.
	policies := table.Values(func(r results.Row) string {
		if r.Scheme == "last" {
			return ""
		}
		return r.Policy
	})
	policies = slices.DeleteFunc(policies, func(p string) bool { return p == "" })
	if len(policies) == 0 {
		return nil, fmt.Errorf("the results hold no averages, only the baseline")
	}
	if c.policy == "" {
		c.policy = policies[0]
	} else if !slices.Contains(policies, c.policy) {
		return nil, spec.Unknown("policy", c.policy, policies)
	}
	all := analysis.Curves(table, c.split, o.Metric)
	var err error
	if c.baseline, err = analysis.Baseline(all); err != nil {
		return nil, err
	}
	var names []string
	for _, curve := range all {
		if curve == c.baseline || curve.Policy != c.policy {
			continue
		}
		names = append(names, curve.Scheme)
		if o.Schemes == nil || slices.Contains(o.Schemes, curve.Scheme) {
			c.curves = append(c.curves, curve)
		}
	}
	for _, s := range o.Schemes {
		if !slices.Contains(names, s) {
			return nil, spec.Unknown("scheme in these results", s, names)
		}
	}
	for _, curve := range append([]*analysis.Curve{c.baseline}, c.curves...) {
		if o.To > 0 || o.From > 0 {
			curve.Points = slices.DeleteFunc(curve.Points, func(p analysis.Point) bool {
				return p.Epoch < o.From || o.To > 0 && p.Epoch > o.To
			})
		}
	}
	if len(c.baseline.Points) == 0 {
		return nil, fmt.Errorf("no epochs between %g and %g", o.From, o.To)
	}
	return c, nil
}

// rows are the curves as CSV.
func rows(name string, curves ...*analysis.Curve) [][]string {
	out := [][]string{{"scheme", "policy", "epoch", name, "lowest run", "highest run", "runs", "seconds"}}
	number := func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
	for _, c := range curves {
		for _, p := range c.Points {
			out = append(out, []string{c.Scheme, c.Policy, number(p.Epoch), number(p.Value), number(p.Low), number(p.High), strconv.Itoa(c.Runs), number(p.Seconds)})
		}
	}
	return out
}

// latestK says whether the curve is that of plain means of the latest k. Other schemes fix a number of
// checkpoints too.
func latestK(c *analysis.Curve) bool {
	return strings.HasPrefix(c.Scheme, "lawa:k=") && !strings.Contains(c.Scheme, ",")
}

// label names a scheme in a legend.
func label(c *analysis.Curve) string {
	if c.Scheme == "lawa:k=1" && strings.HasPrefix(c.Policy, "recompute") {
		return "k = 1, new statistics" // what the statistics alone do, without averaging
	}
	if latestK(c) {
		return fmt.Sprintf("k = %d", c.K)
	}
	return c.Scheme
}

// yLabel is the label of a metric's axis.
func (c *chosen) yLabel() string {
	split := map[string]string{"val": "validation", "train": "training"}[c.split]
	if split == "" {
		split = c.split
	}
	text := strings.ToUpper(split[:1]) + split[1:] + " " + c.metric.Label
	if c.metric.Unit != "" {
		text += " (" + c.metric.Unit + ")"
	}
	return text
}
