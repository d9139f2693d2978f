package plots

import (
	"errors"
	"fmt"
	"slices"

	"gonum.org/v1/plot/vg"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/internal/hint"
)

// overlay draws a grid of metrics by splits. Groups of runs share its cells, each with a baseline of its own.
func overlay(g *analysis.Grid, o Options) (*Drawing, error) {
	if err := o.one(g); err != nil {
		return nil, err
	}
	pens, legend := o.pens(g)
	d := &Drawing{Notes: g.Notes}
	f := sheet{height: 1.8 * vg.Inch, columns: len(g.Splits), lines: legend, caption: g.Basis()}
	rows, columns := len(g.Metrics), len(g.Splits)
	turned := columns == 1 || themeOf(o.Style).wide && rows > columns // metrics beside, not below, one another
	if turned {
		rows, columns = columns, rows
		f.columns = columns
	}
	if rows*columns == 1 {
		f.height = 2.2 * vg.Inch
	}
	for i := range rows * columns {
		metric, split := i/columns, i%columns
		if turned {
			metric, split = split, metric
		}
		s := g.Cells[metric][split]
		if s == nil {
			f.cells = append(f.cells, cell{empty: fmt.Sprintf("no %s on %s", g.Metrics[metric], g.Splits[split])})
			continue
		}
		lines := pens.of(s)
		if err := o.overlaid(&f, s, lines); err != nil {
			return nil, err
		}
		d.addRows(s, rows*columns > 1)
	}
	return o.figure(d, f), nil
}

// one checks what a grid's options can mean.
func (o Options) one(g *analysis.Grid) error {
	if len(g.Policies) > 1 {
		return errors.New("it shows the averages of one policy")
	}
	if n := len(g.All()); n > 1 {
		if o.YLabel != "" {
			return hint.With(fmt.Errorf("one label for %d y axes", n), "metric", "and a split draw one alone")
		}
		if o.YMin != nil || o.YMax != nil {
			return hint.With(fmt.Errorf("one range for %d y axes", n), "metric", "and a split draw one alone")
		}
	}
	return nil
}

// overlaid adds a cell of lines to a sheet.
func (o Options) overlaid(f *sheet, s *analysis.Selection, lines []line) error {
	axis, err := axisOf(s, o)
	if err != nil {
		return err
	}
	var baselines []line
	for _, l := range lines {
		if l.curve.IsBaseline() {
			baselines = append(baselines, l)
		}
	}
	first, last := span(axis, s.Panels)
	lo, hi, err := yRange(axis, first+(last-first)/4, o, lines)
	if err != nil {
		return fmt.Errorf("%s on %s: %w", s.Metric.Name, s.Split, err)
	}
	bands := bandedAll(lines, o.Spread)
	// Early bands are wide: only those of the second half must be in sight as a whole.
	if a, b, err := yRange(axis, first+(last-first)/2, o, lines); err == nil {
		lo, hi = min(lo, a), max(hi, b)
	}
	one := newPanel(axis, o.xLabel(axis), o.yLabel(s), first, last, lo, hi)
	if err := one.curves(lines); err != nil {
		return err
	}
	if bands != "" && !slices.Contains(f.caption, bands) {
		f.caption = append(f.caption, bands)
	}
	return f.add(o, cell{panels: []*panel{one}}, baselines)
}

// overlaidPens are the pens and names of groups and schemes that share their panels.
type overlaidPens struct {
	groups []*analysis.Group
	looks  map[*analysis.Group]map[string]line // by scheme
}

// pens gives each group a colour and each scheme a dash; where there is one group, the schemes have the colours that
// they have in other figures.
func (o Options) pens(g *analysis.Grid) (overlaidPens, []line) {
	t := themeOf(o.Style)
	out := overlaidPens{groups: g.Groups, looks: map[*analysis.Group]map[string]line{}}
	var panels []analysis.Panel
	for _, s := range g.All() {
		panels = append(panels, s.Panels...)
	}
	if len(g.Groups) == 1 {
		styles, legend := looksOf(t, &analysis.Selection{Policies: g.Policies}, panels)
		if len(legend) == 2 && legend[1].style.Color == t.pointer { // as the paper's figures have them
			legend[1].style.Color, legend[1].style.Dashes = t.accent, dashes[1]
		}
		out.looks[g.Groups[0]] = map[string]line{"last": legend[0]}
		for scheme, l := range styles {
			if len(legend) == 2 {
				l = legend[1]
				l.name = lawaName(l.name)
				legend[1] = l
			}
			out.looks[g.Groups[0]][scheme] = l
		}
		return out, legend
	}
	var schemes []*analysis.Curve
	for _, p := range panels {
		for _, c := range p.Curves {
			if len(c.Points) > 0 && !slices.ContainsFunc(schemes, func(d *analysis.Curve) bool { return d.Scheme == c.Scheme }) {
				schemes = append(schemes, c)
			}
		}
	}
	var legend []line
	names := analysis.Labels(schemes)
	for i, group := range g.Groups {
		baseline := line{name: group.Name, style: t.ofGroup(i, 0, len(g.Groups))}
		out.looks[group] = map[string]line{"last": baseline}
		legend = append(legend, baseline)
		for j, c := range schemes {
			l := line{name: group.Name + " + " + lawaName(names[j]), style: t.ofGroup(i, j+1, len(g.Groups))}
			out.looks[group][c.Scheme] = l
			legend = append(legend, l)
		}
	}
	return out, legend
}

// lawaName is a scheme's name where no other tells of what k is.
func lawaName(label string) string {
	if len(label) > 1 && label[:2] == "k " {
		return "LAWA, " + label
	}
	return label
}

// of are the lines of a selection: the baselines first, so that they lie on top.
func (p overlaidPens) of(s *analysis.Selection) []line {
	var baselines, others []line
	for _, panel := range s.Panels {
		l := p.looks[panel.Group]["last"]
		l.curve = panel.Baseline
		baselines = append(baselines, l)
		for _, c := range panel.Curves {
			if l, ok := p.looks[panel.Group][c.Scheme]; ok && len(c.Points) > 0 {
				l.curve = c
				others = append(others, l)
			}
		}
	}
	return append(baselines, others...)
}

// addRows adds a selection's numbers to the CSV; where a figure has several, with their split.
func (d *Drawing) addRows(s *analysis.Selection, several bool) {
	more := rows(s, analysis.Panel.All)
	if several {
		for i, row := range more {
			what, which := s.Metric.Name, s.Split
			if i == 0 {
				row[3], what, which = "value", "metric", "split"
			}
			more[i] = append(slices.Clone(row), what, which)
		}
	}
	if len(d.Rows) > 0 {
		more = more[1:]
	}
	d.Rows = append(d.Rows, more...)
}
