package plots

import (
	"errors"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"lawa-replay/analysis"
	"lawa-replay/evaluator/results"
)

// earlyPhase shows the first epochs: above the metric itself, below its difference from the baseline, so
// that one sees where averaging hurts, while the loss still falls fast (Figure 4 of the paper). Unless
// told otherwise it shows the first half of the epochs.
func earlyPhase(table *results.Table, o Options) (*Drawing, error) {
	if o.To == 0 {
		first, last := math.Inf(1), 0.0
		for _, r := range table.Rows {
			first, last = min(first, r.Epoch), max(last, r.Epoch)
		}
		o.To = max(o.From, first, math.Floor(last/2))
	}
	c, err := choose(table, o, "loss")
	if err != nil {
		return nil, err
	}
	lines := []line{{name: "baseline", style: baselinePen(), curve: c.baseline}}
	var shown []*analysis.Curve
	var differences []line
	for i, curve := range c.curves {
		if len(curve.Points) == 0 {
			continue
		}
		l := line{name: label(curve), style: pen(ordered(i, len(c.curves)), i), curve: curve}
		lines = append(lines, l)
		shown = append(shown, curve)
		l.curve = difference(curve, c.baseline)
		differences = append(differences, l)
	}
	if len(shown) == 0 {
		return nil, errors.New("no scheme has an average in the first epochs")
	}
	first, last := span(c.baseline)
	all := append([]*analysis.Curve{c.baseline}, shown...)
	lo, hi, err := yRange(first, o, all...)
	if err != nil {
		return nil, err
	}
	top := newPanel("", c.yLabel(), first, last, lo, hi)
	if err := top.curves(lines); err != nil {
		return nil, err
	}
	below := []*analysis.Curve{{Points: []analysis.Point{{Epoch: first}}}} // zero is always in sight
	for _, l := range differences {
		below = append(below, l.curve)
	}
	lo, hi, err = yRange(first, Options{}, below...)
	if err != nil {
		return nil, err
	}
	unit := ""
	if c.metric.Unit != "" {
		unit = " (" + c.metric.Unit + ")"
	}
	bottom := newPanel("Epoch", "minus baseline"+unit, first, last, lo, hi)
	if err := bottom.curves(differences); err != nil {
		return nil, err
	}
	bottom.over = append(bottom.over, func(dc draw.Canvas, p *plot.Plot) {
		_, y := p.Transforms(&dc)
		dc.StrokeLine2(draw.LineStyle{Color: black, Width: frameWidth}, dc.Min.X, y(0), dc.Max.X, y(0))
		// Which side is the bad one: above the frame, where no line comes.
		text := "above 0, averaging hurts"
		if c.metric.HigherBetter {
			text = "below 0, averaging hurts"
		}
		note(dc, vg.Point{X: dc.Max.X, Y: dc.Max.Y + 2}, text, draw.XRight, draw.YBottom)
	})
	d := &Drawing{Width: columnWidth, Height: 3.7 * vg.Inch, Rows: rows(c.metric.Name, all...)}
	d.Draw = func(dc draw.Canvas) {
		paper(dc)
		rest := legend(draw.Crop(dc, 2, -6, 2, -3), lines)
		middle := rest.Min.Y + (rest.Max.Y-rest.Min.Y)*0.47
		above := draw.Crop(rest, 0, 0, middle+4-rest.Min.Y, 0)
		below := draw.Crop(rest, 0, 0, 0, middle-7-rest.Max.Y)
		// The data areas begin at the same x.
		a, b := top.DataCanvas(above).Min.X, bottom.DataCanvas(below).Min.X
		top.draw(draw.Crop(above, max(0, b-a), 0, 0, 0))
		bottom.draw(draw.Crop(below, max(0, a-b), 0, 0, 0))
	}
	return d, nil
}

// difference is the curve minus the baseline, where both have a value.
func difference(c, baseline *analysis.Curve) *analysis.Curve {
	out := &analysis.Curve{Scheme: c.Scheme, Policy: c.Policy, K: c.K, Runs: 1}
	for _, p := range c.Points {
		if b, ok := baseline.At(p.Epoch); ok {
			d := p.Value - b.Value
			out.Points = append(out.Points, analysis.Point{Epoch: p.Epoch, Value: d, Low: d, High: d, Seconds: p.Seconds})
		}
	}
	return out
}
