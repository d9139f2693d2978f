package plots

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results"
)

var compareKind = spec.Kind[Figure]{
	Name:     "compare",
	About:    "averages of runs beside the checkpoints of another run, such as one whose learning rate was decayed, and where that one ends",
	Source:   "Sanyal et al. 2023, arXiv 2306.03241; Hägele et al. 2024, arXiv 2405.18392",
	Examples: []string{"compare"},
	Parse:    func(*spec.Spec) Figure { return compared },
}

// mostCompared is how many schemes are drawn where none are named.
const mostCompared = 5

// compared shows averages of each group of runs beside the checkpoints of the run that Options.Reference names, at equal steps where all have
// them: is the average of a run at a constant rate as good as a run whose rate was decayed?
func compared(table *results.Table, o Options) (*Drawing, error) {
	if o.Reference == "" && len(table.Runs()) == 1 {
		return nil, errors.New("there is one run, and none to compare it with")
	}
	if o.Reference == "" {
		err := fmt.Errorf("the run that others are compared with is not named; there are %s", strings.Join(results.RunNames(table.Runs()), ", "))
		return nil, hint.With(err, "reference RUN", "names it")
	}
	if len(o.Runs) > 0 {
		o.Runs = append(slices.Clone(o.Runs), o.Reference)
	}
	s, err := selected(table, o)
	if err != nil {
		return nil, err
	}
	reference, err := s.Run(o.Reference)
	if err != nil {
		return nil, err
	}
	s.Panels = slices.DeleteFunc(slices.Clone(s.Panels), func(p analysis.Panel) bool { return analysis.SameRuns(p.Group.Runs, reference.Group.Runs) })
	if len(s.Panels) == 0 {
		return nil, fmt.Errorf("there is no run beside %s", o.Reference)
	}
	if o.Schemes == nil {
		for i := range s.Panels {
			s.Panels[i].Curves = some(s.Panels[i].Curves)
		}
	}
	if o.X == "" {
		o.X = "step"
		if _, err := axisOf(s, o); err != nil {
			o.X = ""
		}
	}
	axis, err := axisOf(s, o)
	if err == nil {
		_, err = analysis.AxisOf(o.X, []*analysis.Curve{reference})
	}
	if err != nil {
		return nil, err
	}
	name := cmp.Or(reference.Group.Name, results.RunList(reference.Group.Runs))
	pen := baselinePen()
	pen.Dashes = []vg.Length{4, 2}
	other := line{name: name + ", its checkpoints", style: pen, curve: reference}
	end := reference.Points[len(reference.Points)-1]

	styles, shared := looksOf(themeOf(o.Style), s, s.Panels)
	d := &Drawing{Notes: s.Notes, Rows: rows(&analysis.Selection{Metric: s.Metric, Panels: append(slices.Clone(s.Panels), analysis.Panel{Group: reference.Group, Baseline: reference})}, analysis.Panel.All)}
	first, last := span(axis, append(slices.Clone(s.Panels), analysis.Panel{Baseline: reference}))
	range_ := nothing
	var all [][]line
	for _, p := range s.Panels {
		lines := append(styles.lines(p), other)
		for i := range lines {
			lines[i].spread = ""
		}
		if range_, err = range_.widened(yRange(axis, first+(last-first)/4, o, lines)); err != nil {
			return nil, err
		}
		all = append(all, lines)
	}
	f := sheet{height: 2.2 * vg.Inch, lines: append(shared, line{name: other.name, style: pen}), caption: append(s.Basis(), "solid black: the averaged runs' own checkpoints")}
	for i, p := range s.Panels {
		one := newPanel(axis, o.xLabel(axis), o.yLabel(s), first, last, range_[0], range_[1])
		if err := one.curves(all[i]); err != nil {
			return nil, err
		}
		one.over = append(one.over, func(dc draw.Canvas, p *plot.Plot) {
			if math.IsNaN(end.Value) || end.Value < range_[0] || end.Value > range_[1] {
				return
			}
			_, y := p.Transforms(&dc)
			dc.StrokeLine2(draw.LineStyle{Color: grey, Width: frameWidth, Dashes: []vg.Length{3, 2}}, dc.Min.X, y(end.Value), dc.Max.X, y(end.Value))
			at, align := vg.Point{X: dc.Min.X + 3, Y: y(end.Value) - 2}, draw.YTop
			if s.Metric.HigherBetter {
				at.Y, align = y(end.Value)+2, draw.YBottom
			}
			note(dc, at, fmt.Sprintf("the end of %s: %s", name, s.Metric.Text(end.Value)), draw.XLeft, align)
		})
		if err := f.add(o, cell{title: s.Title(p), panels: []*panel{one}}, []line{all[i][0], other}); err != nil {
			return nil, err
		}
	}
	return o.figure(d, f), nil
}

// some are as many windows as can be told apart, from the smallest to the largest, or whatever there is where there are none.
func some(curves []*analysis.Curve) []*analysis.Curve {
	var windows []*analysis.Curve
	for _, c := range curves {
		if analysis.LatestK(c) && c.K > 1 {
			windows = append(windows, c)
		}
	}
	if len(windows) == 0 {
		windows = curves
	}
	n := len(windows)
	if n <= mostCompared {
		return windows
	}
	var out []*analysis.Curve
	for i := range mostCompared {
		out = append(out, windows[i*(n-1)/(mostCompared-1)])
	}
	return out
}
