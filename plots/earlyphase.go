package plots

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

var earlyPhaseKind = spec.Kind[Figure]{
	Name:     "early-phase",
	About:    "the first epochs, where averaging can hurt: Figure 4 of the paper",
	Source:   thePaper,
	Examples: []string{"early-phase"},
	Parse:    func(*spec.Spec) Figure { return earlyPhase },
}

// earlyPhase shows the first epochs: above the metric itself, below its difference from the baseline, so
// that one sees where averaging hurts, while the loss still falls fast (Figure 4 of the paper). Unless
// told otherwise it shows the first half of the epochs.
func earlyPhase(table *results.Table, o Options) (*Drawing, error) {
	if o.To == 0 {
		var err error
		if o.To, err = half(table, o); err != nil {
			return nil, err
		}
	}
	s, err := analysis.Select(table, o.Choice, "loss")
	if err != nil {
		return nil, err
	}
	drawn := false
	for i, p := range s.Panels {
		s.Panels[i].Curves = slices.DeleteFunc(p.Curves, func(c *analysis.Curve) bool { return len(c.Points) == 0 })
		drawn = drawn || len(s.Panels[i].Curves) > 0
	}
	if !drawn {
		return nil, errors.New("no scheme has an average in the first epochs")
	}
	axis, err := axisOf(s, o)
	if err != nil {
		return nil, err
	}
	styles, shared := looksOf(themeOf(o.Style), s, s.Panels)
	d := &Drawing{Rows: rows(s, analysis.Panel.All), Notes: s.Notes}
	first, last := span(axis, s.Panels)
	bands := ""
	var above, below [][]line
	zero := line{curve: &analysis.Curve{Points: []analysis.Point{{}}}} // always in sight
	top, bottom := nothing, nothing
	for _, p := range s.Panels {
		lines := styles.lines(p)
		if text := banded(lines, o.Spread); text != "" {
			bands = text
		}
		var differences []line
		for _, l := range lines[1:] {
			l.curve, l.spread = difference(l.curve, p.Baseline), ""
			differences = append(differences, l)
		}
		banded(differences, o.Spread)
		above, below = append(above, lines), append(below, differences)
		if top, err = top.widened(yRange(axis, first, o, lines)); err != nil {
			return nil, err
		}
		if bottom, err = bottom.widened(yRange(axis, math.Inf(-1), Options{}, append([]line{zero}, differences...))); err != nil {
			return nil, err
		}
	}
	f := sheet{height: 3.3 * vg.Inch, lines: shared, caption: append(s.Basis(), bands)}
	for i, p := range s.Panels {
		panels, err := earlyPanels(s, o, axis, above[i], below[i], extent{first, last}, top, bottom)
		if err != nil {
			return nil, err
		}
		if err := f.add(o, cell{title: s.Title(p), panels: panels}, above[i][:1]); err != nil {
			return nil, err
		}
	}
	return o.figure(d, f), nil
}

// extent is from where to where an axis reaches.
type extent [2]float64

var nothing = extent{math.Inf(1), math.Inf(-1)}

// widened reaches over both.
func (e extent) widened(lo, hi float64, err error) (extent, error) {
	return extent{min(e[0], lo), max(e[1], hi)}, err
}

// half is the epoch at which the first half of the chosen runs ends.
func half(table *results.Table, o Options) (float64, error) {
	if len(o.Runs) > 0 {
		var err error
		if table, err = table.Only(o.Runs); err != nil {
			return 0, err
		}
	}
	first, last := math.Inf(1), 0.0
	for _, r := range table.Rows {
		first, last = min(first, r.Epoch), max(last, r.Epoch)
	}
	return max(o.From, first, math.Floor(last/2)), nil
}

// earlyPanels are one of the metric and, below it, one of the differences.
func earlyPanels(s *analysis.Selection, o Options, axis analysis.Axis, lines, differences []line, x, y, dy extent) ([]*panel, error) {
	top := newPanel(axis, "", o.yLabel(s), x[0], x[1], y[0], y[1])
	if err := top.curves(lines); err != nil {
		return nil, err
	}
	unit := ""
	if s.Metric.Unit != "" {
		unit = " (" + s.Metric.Unit + ")"
	}
	bottom := newPanel(axis, o.xLabel(axis), "minus baseline"+unit, x[0], x[1], dy[0], dy[1])
	if err := bottom.curves(differences); err != nil {
		return nil, err
	}
	bottom.over = append(bottom.over, zero, func(dc draw.Canvas, _ *plot.Plot) { // above the frame, where no line comes
		note(dc, vg.Point{X: dc.Max.X, Y: dc.Max.Y + 2}, hurts(s.Metric), draw.XRight, draw.YBottom)
	})
	return []*panel{top, bottom}, nil
}

// hurts says which side of zero is the bad one.
func hurts(m metric.Metric) string {
	if m.HigherBetter {
		return "below 0, averaging hurts"
	}
	return "above 0, averaging hurts"
}

// zero draws a line at zero.
func zero(dc draw.Canvas, p *plot.Plot) {
	_, y := p.Transforms(&dc)
	dc.StrokeLine2(draw.LineStyle{Color: black, Width: frameWidth}, dc.Min.X, y(0), dc.Max.X, y(0))
}

// difference is the curve minus the baseline, run by run, where both have a value.
func difference(c, baseline *analysis.Curve) *analysis.Curve {
	out := &analysis.Curve{Group: c.Group, Scheme: c.Scheme, Policy: c.Policy, K: c.K}
	for _, p := range c.Points {
		if b, ok := baseline.At(p.Epoch); ok {
			out.Points = append(out.Points, p.Less(b))
		}
	}
	return out
}
