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

var differenceKind = spec.Kind[Figure]{
	Name:     "difference",
	About:    "each scheme minus the checkpoint itself, on the same examples, with the 95 % interval",
	Source:   "paired differences: Heineman et al. 2025, arXiv 2508.13144",
	Examples: []string{"difference"},
	Parse:    func(*spec.Spec) Figure { return differences },
}

// differences shows each scheme minus the baseline along the x axis. The band is the 95 % interval of the paired difference: over the
// examples, or over the runs where there are several.
func differences(table *results.Table, o Options) (*Drawing, error) {
	s, err := selected(table, o)
	if err != nil {
		return nil, err
	}
	axis, err := axisOf(s, o)
	if err != nil {
		return nil, err
	}
	styles, shared := looksOf(themeOf(o.Style), s, s.Panels)
	d := &Drawing{Notes: s.Notes, Rows: [][]string{{"scheme", "policy", "epoch", s.Metric.Name, "difference", "low", "high", "runs of"}}}
	first, last := span(axis, s.Panels)
	range_ := nothing
	bands, why := "", ""
	var all [][]line
	for _, p := range s.Panels {
		var lines []line
		for _, l := range styles.lines(p)[1:] {
			var of string
			l.curve, of = o.apart(s.Metric, l.curve, p.Baseline)
			if l.spread = ""; of == "" {
				l.spread = Range
			} else {
				why = of
			}
			for _, q := range l.curve.Points {
				d.Rows = append(d.Rows, []string{l.curve.Scheme, l.curve.Policy, number(q.Epoch), number(q.Value + baseOf(p.Baseline, q)), number(q.Value), number(q.Low), number(q.High), p.Group.Name})
			}
			lines = append(lines, l)
		}
		if len(lines) > mostBands {
			one := banding(lines)
			for i := range lines {
				if i != one {
					lines[i].spread = ""
				}
			}
			if lines[one].spread != "" {
				bands = "band: 95 % interval of the paired difference of " + lawaName(lines[one].name)
			}
		} else if slices.ContainsFunc(lines, func(l line) bool { return l.spread != "" }) {
			bands = "bands: 95 % intervals of the paired differences"
		}
		lo, hi, err := yRange(axis, first+(last-first)/4, o, lines)
		if err != nil {
			return nil, err
		}
		range_ = extent{min(range_[0], lo), max(range_[1], hi)}
		if o.YMin == nil {
			range_[0] = min(range_[0], 0)
		}
		if o.YMax == nil {
			range_[1] = max(range_[1], 0)
		}
		all = append(all, lines)
	}
	if bands == "" && why != "" {
		d.Notes = append(d.Notes, analysis.Note{Text: "no intervals are drawn: " + why})
	}
	f := sheet{height: 2.2 * vg.Inch, lines: shared[1:], caption: append(s.Basis(), bands)}
	for i, p := range s.Panels {
		one := newPanel(axis, o.xLabel(axis), o.minusBaseline(s), first, last, range_[0], range_[1])
		if err := one.curves(all[i]); err != nil {
			return nil, err
		}
		one.over = append(one.over, zero, func(dc draw.Canvas, _ *plot.Plot) { // on the bad side
			at, align := vg.Point{X: dc.Max.X - 3, Y: dc.Max.Y - 2}, draw.YTop
			if s.Metric.HigherBetter {
				at.Y, align = dc.Min.Y+2, draw.YBottom
			}
			note(dc, at, hurts(s.Metric), draw.XRight, align)
		})
		if err := f.add(o, cell{title: s.Title(p), panels: []*panel{one}}, []line{{curve: p.Baseline}}); err != nil {
			return nil, err
		}
	}
	return o.figure(d, f), nil
}

// selected takes the curves of a figure that compares; of language models the usual metric is the loss.
func selected(table *results.Table, o Options) (*analysis.Selection, error) {
	s, err := analysis.Select(table, o.Choice, analysis.UsualMetric(table))
	if err != nil {
		return nil, err
	}
	drawn := false
	for i, p := range s.Panels {
		s.Panels[i].Curves = slices.DeleteFunc(p.Curves, func(c *analysis.Curve) bool { return len(c.Points) == 0 })
		drawn = drawn || len(s.Panels[i].Curves) > 0
	}
	if !drawn {
		return nil, errors.New("no scheme has an average in these epochs")
	}
	return s, nil
}

// minusBaseline is the label of differences.
func (o Options) minusBaseline(s *analysis.Selection) string {
	if o.YLabel != "" {
		return o.YLabel
	}
	text := s.Metric.Label + " minus baseline"
	if s.Metric.Unit == "%" {
		return text + " (points)"
	}
	if s.Metric.Unit != "" {
		text += " (" + s.Metric.Unit + ")"
	}
	return text
}

// apart is a curve minus the baseline, whose Low and High are the interval; why says why there is none.
func (o Options) apart(m metric.Metric, c, baseline *analysis.Curve) (out *analysis.Curve, why string) {
	out = difference(c, baseline)
	for i := range out.Points {
		out.Points[i].Low, out.Points[i].High = math.NaN(), math.NaN()
	}
	if o.Kept == nil {
		return out, "what each example gave is not known"
	}
	e, err := analysis.ExamplesOf(o.Kept, m)
	if err != nil {
		return out, err.Error()
	}
	for i := range out.Points {
		p, _ := c.At(out.Points[i].Epoch)
		b, _ := baseline.At(out.Points[i].Epoch)
		pair, err := e.Roughly(p, b)
		if err != nil {
			return out, err.Error()
		}
		in := pair.Interval()
		out.Points[i].Low, out.Points[i].High = in.Low, in.High
	}
	return out, ""
}

// baseOf is the baseline's value at the epoch of a difference.
func baseOf(baseline *analysis.Curve, p analysis.Point) float64 {
	b, _ := baseline.At(p.Epoch)
	return b.Value
}

// banding is the line that has a band where more lines are drawn than bands can be told apart: that of the paper's k = 6, or the
// middle one.
func banding(lines []line) int {
	for i, l := range lines {
		if analysis.LatestK(l.curve) && l.curve.K == 6 {
			return i
		}
	}
	return len(lines) / 2
}
