package plots

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/internal/hint"
)

// strip draws the learning rates along baselines, with warm-up and decay marked where all have the same. It is nil where
// the options want none.
func (o Options) strip(axis analysis.Axis, first, last float64, baselines []line) (*panel, []*analysis.Rates, error) {
	if !o.LR {
		return nil, nil, nil
	}
	var different []*analysis.Rates
	var lines []line
	top := 0.0
	for _, l := range baselines {
		r, err := analysis.RatesOf(l.curve)
		if err != nil {
			return nil, nil, hint.With(err, "lr", "needs it")
		}
		if slices.ContainsFunc(different, r.Same) {
			continue
		}
		different = append(different, r)
		l.curve, l.spread, l.style.Width = r.Curve, "", lineWidth
		lines = append(lines, l)
		for _, p := range r.Curve.Points {
			top = max(top, p.Value)
		}
	}
	if !(top > 0) || math.IsInf(top, 0) {
		top = 1
	}
	p := newPanel(axis, o.xLabel(axis), "LR", first, last, 0, 1.12*top)
	p.Y.Tick.Marker = ticks{n: 2}
	if len(different) == 1 {
		if err := p.phases(different[0]); err != nil {
			return nil, nil, err
		}
	}
	return p, different, p.curves(lines)
}

// add adds a cell, with a strip of the learning rates along its baselines where the options want one.
func (s *sheet) add(o Options, c cell, baselines []line) error {
	p := c.panels[0]
	strip, rates, err := o.strip(p.axis, p.limits[0], p.limits[1], baselines)
	if err != nil {
		return err
	}
	c.strip, c.rates = strip, rates
	s.cells = append(s.cells, c)
	return nil
}

// rates says what the strips of cells show, for the caption: whose rates warm up and decay, and when.
func rates(cells []cell) string {
	var different []*analysis.Rates
	for _, c := range cells {
		for _, r := range c.rates {
			if !slices.ContainsFunc(different, func(o *analysis.Rates) bool { return o.Same(r) && o.Curve.Group == r.Curve.Group }) {
				different = append(different, r)
			}
		}
	}
	if len(different) == 0 {
		return ""
	}
	var each []string
	alike := true
	for _, r := range different {
		alike = alike && r.Phases() == different[0].Phases()
		each = append(each, r.Curve.Group.Name+": "+cmp.Or(r.Phases(), "no warm-up or decay"))
	}
	if alike {
		each = []string{cmp.Or(different[0].Phases(), "no warm-up or decay")}
	}
	return "LR: learning rate of each checkpoint's last step; " + strings.Join(each, "; ")
}

// phases shades the warm-up and the decay, and names them above the frame, where no line comes.
func (p *panel) phases(r *analysis.Rates) error {
	type phase struct {
		name     string
		from, to float64
	}
	var all []phase
	points := r.Curve.Points
	x := func(i int) float64 { return p.axis.X(points[i]) }
	if r.Warmup > 0 {
		all = append(all, phase{"warm-up", p.limits[0], x(r.Warmup)})
	}
	if r.Floor > r.Decay {
		all = append(all, phase{"decay", x(r.Decay), x(r.Floor)})
	}
	for i, one := range all {
		lo, hi := p.limits[2], p.limits[3]
		area, err := plotter.NewPolygon(plotter.XYs{{X: one.from, Y: lo}, {X: one.to, Y: lo}, {X: one.to, Y: hi}, {X: one.from, Y: hi}})
		if err != nil {
			return err
		}
		area.Color, area.LineStyle.Width = level(uint8(224+18*i)), 0
		p.add(area)
	}
	p.over = append(p.over, func(c draw.Canvas, pl *plot.Plot) {
		at, _ := pl.Transforms(&c)
		style := textStyle(captionSize, black)
		style.YAlign = draw.YBottom
		free := c.Min.X // from here on no name stands
		for _, one := range all {
			width := style.Width(one.name)
			from := max(free, (at(one.from)+at(one.to)-width)/2)
			from = min(from, c.Max.X-width)
			if from < free { // no room
				continue
			}
			c.FillText(style, vg.Point{X: from, Y: c.Max.Y + 1}, one.name)
			free = from + width + 4
			for _, edge := range []float64{one.from, one.to} {
				if edge > p.limits[0] && edge < p.limits[1] {
					c.StrokeLine2(draw.LineStyle{Color: grey, Width: gridWidth, Dashes: []vg.Length{1, 1.5}}, at(edge), c.Min.Y, at(edge), c.Max.Y)
				}
			}
		}
	})
	return nil
}
