package plots

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results"
)

var kSensitivityKind = spec.Kind[Figure]{
	Name:     "k-sensitivity",
	About:    "a metric along the epochs for every k: Figure 2 of the paper",
	Source:   thePaper,
	Examples: []string{"k-sensitivity"},
	Parse:    func(*spec.Spec) Figure { return kSensitivity },
}

// kSensitivity shows a metric along the epochs for each k: which k helps, from when, and how little the
// choice matters late (Figure 2 of the paper).
func kSensitivity(table *results.Table, o Options) (*Drawing, error) {
	s, err := analysis.Select(table, o.Choice, analysis.UsualMetric(table))
	if err != nil {
		return nil, err
	}
	drawn := false
	for i, p := range s.Panels {
		if o.Schemes == nil {
			s.Panels[i].Curves = slices.DeleteFunc(p.Curves, func(c *analysis.Curve) bool { return !analysis.LatestK(c) })
		}
		drawn = drawn || len(s.Panels[i].Curves) > 0
	}
	if !drawn {
		return nil, hint.With(errors.New("the results hold no averages over the latest k"), "scheme", "names others")
	}
	return along(s, o)
}

// along draws each panel's baseline and curves over the x axis.
func along(s *analysis.Selection, o Options) (*Drawing, error) {
	axis, err := axisOf(s, o)
	if err != nil {
		return nil, err
	}
	styles, shared := looksOf(themeOf(o.Style), s, s.Panels)
	d := &Drawing{Rows: rows(s, analysis.Panel.All), Notes: s.Notes}
	bands := ""
	var all [][]line
	first, last := span(axis, s.Panels)
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, p := range s.Panels {
		lines := styles.lines(p)
		if text := banded(lines, o.Spread); text != "" {
			bands = text
		}
		all = append(all, lines)
		// The first epochs would flatten all that follows: the axis shows the rest, and they leave through its edge.
		a, b, err := yRange(axis, first+(last-first)/4, o, lines)
		if err != nil {
			return nil, err
		}
		lo, hi = min(lo, a), max(hi, b)
	}
	f := sheet{height: 2.2 * vg.Inch, lines: shared, caption: append(s.Basis(), bands)}
	for i, p := range s.Panels {
		one := newPanel(axis, o.xLabel(axis), o.yLabel(s), first, last, lo, hi)
		if err := one.curves(all[i]); err != nil {
			return nil, err
		}
		if err := f.add(o, cell{title: s.Title(p), panels: []*panel{one}}, all[i][:1]); err != nil {
			return nil, err
		}
	}
	return o.figure(d, f), nil
}

// axisOf is the x axis that the options name, if it is known of all that is drawn.
func axisOf(s *analysis.Selection, o Options) (analysis.Axis, error) {
	var all []*analysis.Curve
	for _, p := range s.Panels {
		all = append(all, p.All()...)
	}
	return analysis.AxisOf(o.X, all)
}

// span is where the baselines of the panels begin and end, made to differ.
func span(axis analysis.Axis, panels []analysis.Panel) (first, last float64) {
	first, last = math.Inf(1), math.Inf(-1)
	for _, p := range panels {
		for _, point := range p.Baseline.Points {
			first, last = min(first, axis.X(point)), max(last, axis.X(point))
		}
	}
	if first == last {
		return first - 1, last + 1
	}
	return first, last
}
