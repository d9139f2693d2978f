package plots

import (
	"errors"
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"lawa-replay/analysis"
	"lawa-replay/evaluator/results"
)

// speedup shows the baseline and one scheme, and between them the longest time saved: from where the
// scheme gets a value to where the baseline first does (Figure 1 of the paper). Unless a scheme is named
// it is the one that saves most among those that average several checkpoints.
func speedup(table *results.Table, o Options) (*Drawing, error) {
	c, err := choose(table, o, "top1")
	if err != nil {
		return nil, err
	}
	if len(o.Schemes) > 1 {
		return nil, errors.New("it shows one scheme")
	}
	var scheme *analysis.Curve
	var saving analysis.Saving
	saved := false
	beyond := 0
	for _, curve := range c.curves {
		if curve.K == 1 && o.Schemes == nil || len(curve.Points) == 0 {
			continue
		}
		s, ok, b := analysis.Saved(c.baseline, curve, c.metric)
		if scheme == nil || ok && (!saved || s.Epochs() > saving.Epochs()) {
			scheme, saving, saved, beyond = curve, s, ok, b
		}
	}
	if scheme == nil {
		return nil, errors.New("the results hold no average of several checkpoints")
	}
	name := scheme.Scheme
	if k := label(scheme); k != name {
		name = "LAWA, " + k
	}
	lines := []line{
		{name: "baseline", style: baselinePen(), curve: c.baseline},
		{name: name, style: draw.LineStyle{Color: vermillion, Width: 1.3 * lineWidth, Dashes: dashes[1]}, curve: scheme},
	}
	first, last := span(c.baseline)
	from := first + (last-first)/4
	if saved {
		from = min(from, saving.From.Epoch)
	}
	lo, hi, err := yRange(from, o, c.baseline, scheme)
	if err != nil {
		return nil, err
	}
	p := newPanel("Epoch", c.yLabel(), first, last, lo, hi)
	if err := p.curves(lines); err != nil {
		return nil, err
	}
	d := &Drawing{Width: columnWidth, Height: 2.4 * vg.Inch, Rows: rows(c.metric.Name, c.baseline, scheme)}
	if saved {
		epochs := "epochs"
		if saving.Epochs() == 1 {
			epochs = "epoch"
		}
		text := fmt.Sprintf("%g %s, %s sooner", saving.Epochs(), epochs, analysis.Duration(saving.Seconds()))
		p.over = append(p.over, func(dc draw.Canvas, pl *plot.Plot) { arrow(dc, pl, saving) })
		lines = append(lines, line{name: text, style: arrowStyle, arrow: true})
		d.Notes = append(d.Notes, fmt.Sprintf("%s at epoch %g is as good as the baseline first is at epoch %g: %s", scheme.Scheme, saving.From.Epoch, saving.To.Epoch, text))
	} else {
		d.Notes = append(d.Notes, fmt.Sprintf("%s saves no time against the baseline", scheme.Scheme))
	}
	if beyond > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("at %d epochs %s is better than the baseline ever is: the time saved there has no number", beyond, scheme.Scheme))
	}
	d.Draw = func(dc draw.Canvas) {
		paper(dc)
		p.draw(legend(draw.Crop(dc, 2, -6, 2, -3), lines))
	}
	return d, nil
}

// arrow goes from the scheme's point to the baseline's, at the height of the scheme's, with dotted lines
// down to the epochs.
func arrow(c draw.Canvas, p *plot.Plot, s analysis.Saving) {
	x, y := p.Transforms(&c)
	a, b := vg.Point{X: x(s.From.Epoch), Y: y(s.From.Value)}, vg.Point{X: x(s.To.Epoch), Y: y(s.From.Value)}
	guide := draw.LineStyle{Color: grey, Width: 0.6, Dashes: []vg.Length{1, 1.5}}
	c.StrokeLine2(guide, a.X, c.Min.Y, a.X, a.Y)
	c.StrokeLine2(guide, b.X, c.Min.Y, b.X, b.Y)
	c.StrokeLine2(arrowStyle, a.X, a.Y, b.X-arrowLength/2, b.Y)
	arrowHead(c, arrowStyle.Color, b)
	c.DrawGlyph(draw.GlyphStyle{Color: arrowStyle.Color, Radius: 1.6, Shape: draw.CircleGlyph{}}, a)
}

var arrowStyle = draw.LineStyle{Color: blue, Width: 1.2}

const arrowLength = vg.Length(4)

// arrowHead points to the right, its tip at the given place.
func arrowHead(c draw.Canvas, clr color.Color, tip vg.Point) {
	c.FillPolygon(clr, []vg.Point{tip, {X: tip.X - arrowLength, Y: tip.Y + arrowLength/2}, {X: tip.X - arrowLength, Y: tip.Y - arrowLength/2}})
}
