package plots

import (
	"cmp"
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

var speedupKind = spec.Kind[Figure]{
	Name:     "speedup",
	About:    "baseline and average, with the longest time saved: Figure 1 of the paper",
	Source:   thePaper,
	Examples: []string{"speedup"},
	Parse:    func(*spec.Spec) Figure { return speedup },
}

// speedup shows the baseline and one scheme, and between them the longest time saved: from where the
// scheme gets a value to where the baseline first does (Figure 1 of the paper). Unless a scheme is named
// it is the one that saves most among those that average several checkpoints; the figure says so, because then
// the choice and the report share their data, unless they are of two splits.
func speedup(table *results.Table, o Options) (*Drawing, error) {
	if len(o.Schemes) > 1 {
		return nil, errors.New("it shows one scheme")
	}
	if o.ChooseOn != "" && len(o.Schemes) > 0 {
		return nil, fmt.Errorf("with %s named there is nothing to choose on %s", o.Schemes[0], o.ChooseOn)
	}
	s, err := analysis.Select(table, o.Choice, analysis.UsualMetric(table))
	if err != nil {
		return nil, err
	}
	alone, err := statisticsAlone(table, s, o)
	if err != nil {
		return nil, err
	}
	how, err := choose(table, s, o)
	if err != nil {
		return nil, err
	}
	axis, err := axisOf(s, o)
	if err != nil {
		return nil, err
	}
	d := &Drawing{Rows: rows(s, analysis.Panel.All), Notes: s.Notes}
	if how != "" {
		d.Notes = append(d.Notes, analysis.Note{Text: how}.With("scheme", "names one beforehand").With("choose-on", "chooses it on another split"))
	}
	first, last := span(axis, s.Panels)
	all, lo, hi, err := races(s, o, axis, first, last)
	if err != nil {
		return nil, err
	}
	bands := ""
	f := sheet{height: 2.0 * vg.Inch}
	for _, r := range all {
		one := newPanel(axis, o.xLabel(axis), o.yLabel(s), first, last, lo, hi)
		if err := one.curves(r.lines); err != nil {
			return nil, err
		}
		if r.saved {
			one.over = append(one.over, func(dc draw.Canvas, pl *plot.Plot) { arrow(dc, pl, axis, r.saving, themeOf(o.Style).arrow()) })
		}
		bands = cmp.Or(r.bands, bands)
		d.Notes = append(d.Notes, r.notes...)
		if err := f.add(o, cell{title: r.title, lines: append(r.lines, r.outcome), panels: []*panel{one}}, r.lines[:1]); err != nil {
			return nil, err
		}
	}
	if alone != "" {
		d.Notes = append(d.Notes, analysis.Note{Text: alone})
	}
	f.caption = append(s.Basis(), how, alone, bands)
	return o.figure(d, f), nil
}

// statisticsAlone says what new batch-norm statistics save without averaging, where the results hold that: without it
// the figure would credit averaging with both.
func statisticsAlone(table *results.Table, s *analysis.Selection, o Options) (string, error) {
	all := o.Choice
	all.Schemes, all.Policies, all.Split = nil, s.Policies, s.Split
	every, err := analysis.Select(table, all, analysis.UsualMetric(table))
	if err != nil {
		return "", err
	}
	var each []string
	for _, p := range every.Panels {
		i := slices.IndexFunc(p.Curves, func(c *analysis.Curve) bool { return c.K == 1 && strings.HasPrefix(c.Policy, "recompute") })
		if i < 0 {
			continue
		}
		text := "no time"
		if saving, ok, _ := analysis.Saved(p.Baseline, p.Curves[i], s.Metric); ok {
			text = analysis.Epochs(saving.Epochs())
		}
		if p.Group.Name != "" {
			text += " (" + p.Group.Name + ")"
		}
		each = append(each, text)
	}
	if len(each) == 0 {
		return "", nil
	}
	return "new statistics alone, without averaging (k = 1), save " + strings.Join(each, ", "), nil
}

// choose leaves each panel the scheme that is shown, and says how it was chosen; "" where it was named.
func choose(table *results.Table, s *analysis.Selection, o Options) (how string, err error) {
	on := s
	if o.ChooseOn != "" {
		other := o.Choice
		other.Split, other.Metric = o.ChooseOn, s.Metric.Name
		if on, err = analysis.Select(table, other, analysis.UsualMetric(table)); err != nil {
			return "", err
		}
	}
	for i := range s.Panels {
		p := &s.Panels[i]
		if len(o.Schemes) == 0 {
			scheme, among, err := most(on.Panels[i], on)
			if err != nil {
				return "", err
			}
			how = chosen(s.Split, on.Split, among)
			p.Curves = slices.DeleteFunc(p.Curves, func(c *analysis.Curve) bool { return c.Scheme != scheme })
		}
		if len(p.Curves) == 0 || len(p.Curves[0].Points) == 0 {
			return "", errors.New("the results hold no average of several checkpoints")
		}
	}
	return how, nil
}

// most finds the scheme that saves most epochs, or the first where none does, and among how many.
func most(p analysis.Panel, s *analysis.Selection) (scheme string, among int, err error) {
	best := 0.0
	for _, c := range p.Curves {
		if c.K == 1 || len(c.Points) == 0 {
			continue
		}
		among++
		saving, ok, _ := analysis.Saved(p.Baseline, c, s.Metric)
		if scheme == "" || ok && saving.Epochs() > best {
			scheme = c.Scheme
			if ok {
				best = saving.Epochs()
			}
		}
	}
	if scheme == "" {
		return "", 0, errors.New("the results hold no average of several checkpoints")
	}
	return scheme, among, nil
}

// chosen says how a scheme came to be the one that is shown; "" where it is the only one.
func chosen(split, on string, among int) string {
	switch {
	case among == 1:
		return ""
	case on != split:
		return fmt.Sprintf("the scheme is the one of %d that saves most on %s, which it is not reported on", among, on)
	}
	return fmt.Sprintf("the scheme is the one of %d that saves most here: choice and report share their data", among)
}

// race is a panel's baseline and scheme, and how far the one is ahead of the other.
type race struct {
	title   string
	lines   []line
	outcome line // for the legend
	saving  analysis.Saving
	saved   bool
	bands   string
	notes   []analysis.Note
}

// races are those of all panels, and the y axis on which all of them can be seen.
func races(s *analysis.Selection, o Options, axis analysis.Axis, first, last float64) (all []*race, lo, hi float64, err error) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, p := range s.Panels {
		r := newRace(s, o, p)
		from := first + (last-first)/4
		if r.saved {
			from = min(from, axis.X(r.saving.From))
		}
		a, b, err := yRange(axis, from, o, r.lines)
		if err != nil {
			return nil, 0, 0, err
		}
		lo, hi = min(lo, a), max(hi, b)
		all = append(all, r)
	}
	return all, lo, hi, nil
}

func newRace(s *analysis.Selection, o Options, p analysis.Panel) *race {
	scheme := p.Curves[0]
	name := analysis.Labels(p.Curves)[0]
	if analysis.LatestK(scheme) {
		name = "LAWA, " + name
	}
	r := &race{title: s.Title(p), lines: []line{
		{name: "baseline", style: baselinePen(), curve: p.Baseline},
		{name: name, style: draw.LineStyle{Color: themeOf(o.Style).accent, Width: 1.3 * lineWidth, Dashes: dashes[1]}, curve: scheme},
	}}
	r.bands = banded(r.lines, o.Spread)
	told := func(format string, args ...any) {
		r.notes = append(r.notes, analysis.Note{Text: strings.TrimPrefix(r.title+": ", ": ") + fmt.Sprintf(format, args...)})
	}
	beyond := 0
	if r.saving, r.saved, beyond = analysis.Saved(p.Baseline, scheme, s.Metric); r.saved {
		from, to := r.saving.From.Epoch, r.saving.To.Epoch
		r.outcome = line{name: r.saving.Sooner(), style: themeOf(o.Style).arrow(), arrow: true}
		told("%s at epoch %s is as good as the baseline first is at epoch %s: %s", scheme.Scheme, trajectory.EpochName(from), trajectory.EpochName(to), r.saving.Sooner())
	} else {
		r.outcome = line{name: "no time saved"}
		told("%s saves no time against the baseline", scheme.Scheme)
	}
	if beyond > 0 {
		told("at %d of its epochs %s is better than the baseline ever is: the time saved there has no number", beyond, scheme.Scheme)
	}
	return r
}

// arrow goes from the scheme's point to the baseline's, at the height of the scheme's, with dotted lines
// down to the x axis.
func arrow(c draw.Canvas, p *plot.Plot, axis analysis.Axis, s analysis.Saving, style draw.LineStyle) {
	x, y := p.Transforms(&c)
	a, b := vg.Point{X: x(axis.X(s.From)), Y: y(s.From.Value)}, vg.Point{X: x(axis.X(s.To)), Y: y(s.From.Value)}
	guide := draw.LineStyle{Color: grey, Width: 0.6, Dashes: []vg.Length{1, 1.5}}
	c.StrokeLine2(guide, a.X, c.Min.Y, a.X, a.Y)
	c.StrokeLine2(guide, b.X, c.Min.Y, b.X, b.Y)
	c.StrokeLine2(style, a.X, a.Y, b.X-arrowLength/2, b.Y)
	arrowHead(c, style.Color, b)
	c.DrawGlyph(draw.GlyphStyle{Color: style.Color, Radius: 1.6, Shape: draw.CircleGlyph{}}, a)
}

const arrowLength = vg.Length(4)

// arrowHead points to the right, its tip at the given place.
func arrowHead(c draw.Canvas, clr color.Color, tip vg.Point) {
	c.FillPolygon(clr, []vg.Point{tip, {X: tip.X - arrowLength, Y: tip.Y + arrowLength/2}, {X: tip.X - arrowLength, Y: tip.Y - arrowLength/2}})
}
