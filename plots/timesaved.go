package plots

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/analysis/paired"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results"
)

var timeSavedKind = spec.Kind[Figure]{
	Name:     "time-saved",
	About:    "how much sooner each scheme reaches each level of the metric, with the 95 % interval, and what is found where nothing was averaged",
	Source:   thePaper + "; time to target as in Dahl et al. 2023, arXiv 2306.07179",
	Examples: []string{"time-saved"},
	Parse:    func(*spec.Spec) Figure { return timeSaved },
}

// timeSaved shows the time saved against the level that is reached, which stands where the baseline reaches it: the paper's number is
// the highest point of it, the largest of many, and so too large on average.
func timeSaved(table *results.Table, o Options) (*Drawing, error) {
	s, err := selected(table, o)
	if err != nil {
		return nil, err
	}
	axis, err := axisOf(s, o)
	if err != nil {
		return nil, err
	}
	var e *analysis.Examples
	if o.Kept != nil {
		e, _ = analysis.ExamplesOf(o.Kept, s.Metric) // without it there are no intervals
	}
	level := analysis.Axes()[0] // where the baseline reaches a level stands where epochs do
	if axis.Name != "epoch" {
		level.Name = ""
	}
	styles, shared := looksOf(themeOf(o.Style), s, s.Panels)
	d := &Drawing{Notes: s.Notes, Rows: [][]string{{"scheme", "policy", "epoch", "level of " + s.Metric.Name, "saved (" + axis.Label + ")", "low", "high", "runs of"}}}
	x, y := nothing, nothing
	bands := ""
	var all [][]line
	var nulls []float64
	for _, p := range s.Panels {
		lines := styles.lines(p)[1:]
		one := -1
		if len(lines) > mostBands {
			one = banding(lines)
		}
		for i := range lines {
			own := e
			if one >= 0 && i != one {
				own = nil
			}
			saved, err := analysis.SaveTime(p.Baseline, lines[i].curve, s.Metric, axis, own, paired.Options{})
			if errors.Is(err, analysis.ErrNoExamples) {
				saved, err = analysis.SaveTime(p.Baseline, lines[i].curve, s.Metric, axis, nil, paired.Options{})
				own = nil
			}
			if err != nil {
				return nil, err
			}
			c := *lines[i].curve
			c.Points = nil
			for _, l := range saved.Levels {
				c.Points = append(c.Points, analysis.Point{Epoch: l.Reached, Value: l.Saved.Value, Low: l.Saved.Low, High: l.Saved.High})
				d.Rows = append(d.Rows, []string{c.Scheme, c.Policy, number(l.Epoch), number(l.Value), number(l.Saved.Value), number(l.Saved.Low), number(l.Saved.High), p.Group.Name})
			}
			lines[i].curve, lines[i].spread = &c, ""
			if own != nil {
				lines[i].spread, bands = Range, "bands: 95 % intervals over the examples, as far as nearly all draws reach the level"
				if one >= 0 {
					bands = "band: 95 % interval over the examples of " + lawaName(lines[i].name) + ", as far as nearly all draws reach the level"
				}
			}
		}
		null, ok, err := analysis.NullSaved(p.Baseline, s.Metric, axis)
		if err != nil {
			return nil, err
		}
		if !ok {
			null = math.NaN()
		}
		nulls = append(nulls, null)
		own := nothing
		for _, l := range lines {
			for _, q := range l.curve.Points {
				own = extent{min(own[0], q.Epoch), max(own[1], q.Epoch)}
			}
		}
		x = extent{min(x[0], own[0]), max(x[1], own[1])}
		// Schemes that begin late are far behind at first, which would flatten all that follows.
		if y, err = y.widened(yRange(level, own[0]+(own[1]-own[0])/4, o, append([]line{{curve: &analysis.Curve{Points: []analysis.Point{{Epoch: own[1]}}}}}, lines...))); err != nil {
			return nil, err
		}
		all = append(all, lines)
	}
	if !(x[0] < x[1]) {
		return nil, errors.New("the baseline reaches one level only")
	}
	caption := append(s.Basis(), bands, "the highest point of a curve is the largest of many and so too large on average")
	f := sheet{height: 2.2 * vg.Inch, lines: shared[1:], caption: caption}
	for i, p := range s.Panels {
		label := "Saved: " + axis.Label
		if axis.Name == "epoch" {
			label = "Epochs saved"
		}
		if o.YLabel != "" {
			label = o.YLabel
		}
		one := newPanel(level, o.levelLabel(axis), label, x[0], x[1], y[0], y[1])
		if err := one.curves(all[i]); err != nil {
			return nil, err
		}
		null := nulls[i]
		one.over = append(one.over, zero, func(dc draw.Canvas, p *plot.Plot) {
			if math.IsNaN(null) || null < y[0] || null > y[1] {
				return
			}
			_, at := p.Transforms(&dc)
			dc.StrokeLine2(draw.LineStyle{Color: grey, Width: frameWidth, Dashes: []vg.Length{3, 2}}, dc.Min.X, at(null), dc.Max.X, at(null))
			note(dc, vg.Point{X: dc.Min.X + 3, Y: at(null) + 2}, fmt.Sprintf("between two runs, nothing averaged: at most %.4g", null), draw.XLeft, draw.YBottom)
		})
		strip, rates, err := o.strip(axis, x[0], x[1], []line{{curve: p.Baseline, style: baselinePen()}})
		if err != nil {
			return nil, err
		}
		if strip != nil {
			strip.X.Label.Text = o.levelLabel(axis)
		}
		f.cells = append(f.cells, cell{title: s.Title(p), panels: []*panel{one}, strip: strip, rates: rates})
	}
	return o.figure(d, f), nil
}

// levelLabel is that of an axis of levels.
func (o Options) levelLabel(axis analysis.Axis) string {
	if o.XLabel != "" {
		return o.XLabel
	}
	return axis.Label + " at which the baseline is as good"
}
