package plots

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results"
)

var policiesKind = spec.Kind[Figure]{
	Name:     "bn-policies",
	About:    "one scheme under each policy for batch-norm statistics, in one panel",
	Source:   "statistics of averages: Izmailov et al. 2018, arXiv 1803.05407, §3.2",
	Examples: []string{"bn-policies"},
	Parse:    func(*spec.Spec) Figure { return policies },
}

// policies shows what the batch-norm statistics of an average do: the same scheme, that of k = 6 unless another is named, under each
// policy of the sweep.
func policies(table *results.Table, o Options) (*Drawing, error) {
	if len(o.Policies) == 0 {
		for _, r := range table.Rows {
			if r.Scheme != "last" && !slices.Contains(o.Policies, r.Policy) {
				o.Policies = append(o.Policies, r.Policy)
			}
		}
	}
	if len(o.Policies) < 2 {
		return nil, hint.With(errors.New("the results hold one policy for batch-norm statistics"), "bn", "of sweep takes several: copy,average,recompute")
	}
	if len(o.Schemes) > 1 {
		return nil, hint.With(errors.New("it shows one scheme"), "scheme", "names it, once")
	}
	s, err := selected(table, o)
	if err != nil {
		return nil, err
	}
	axis, err := axisOf(s, o)
	if err != nil {
		return nil, err
	}
	t := themeOf(o.Style)
	d := &Drawing{Notes: s.Notes}
	f := sheet{height: 2.2 * vg.Inch}
	first, last := span(axis, s.Panels)
	scheme := ""
	for _, group := range s.Groups {
		lines := []line{{name: "baseline", style: baselinePen()}}
		var panels []analysis.Panel
		for _, p := range s.Panels {
			if p.Group != group || len(p.Curves) == 0 {
				continue
			}
			i := middle(p.Curves, scheme)
			if i < 0 {
				continue
			}
			c := p.Curves[i]
			scheme = c.Scheme
			lines[0].curve = p.Baseline
			p.Curves = []*analysis.Curve{c}
			panels = append(panels, p)
			label := analysis.PolicyLabel(c.Policy)
			lines = append(lines, line{name: label, style: t.ofK(len(lines)-1, len(o.Policies)), curve: c})
		}
		if len(panels) == 0 {
			continue
		}
		if f.lines == nil {
			for _, l := range lines {
				l.curve = nil
				f.lines = append(f.lines, l)
			}
		}
		bandedAll(lines, o.Spread)
		lo, hi, err := yRange(axis, first+(last-first)/4, o, lines)
		if err != nil {
			return nil, err
		}
		one := newPanel(axis, o.xLabel(axis), o.yLabel(s), first, last, lo, hi)
		if err := one.curves(lines); err != nil {
			return nil, err
		}
		if err := f.add(o, cell{title: group.Name, panels: []*panel{one}}, lines[:1]); err != nil {
			return nil, err
		}
		shown := *s
		shown.Panels = panels
		d.addRows(&shown, false)
	}
	if len(f.cells) == 0 {
		return nil, fmt.Errorf("no scheme is there under several policies")
	}
	label := lawaName(analysis.Labels([]*analysis.Curve{{Scheme: scheme}})[0])
	f.caption = append([]string{"scheme: " + strings.TrimSuffix(label, ", new statistics")}, s.Basis()...)
	return o.figure(d, f), nil
}

// middle is the place of the scheme that is shown: the one of a text, or else the paper's k = 6, or the middle one; -1 where there is
// none of that text.
func middle(curves []*analysis.Curve, scheme string) int {
	if scheme != "" {
		return slices.IndexFunc(curves, func(c *analysis.Curve) bool { return c.Scheme == scheme })
	}
	var lines []line
	for _, c := range curves {
		lines = append(lines, line{curve: c})
	}
	return banding(lines)
}
