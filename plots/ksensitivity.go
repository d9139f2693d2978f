package plots

import (
	"errors"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"lawa-replay/analysis"
	"lawa-replay/evaluator/results"
)

// kSensitivity shows a metric along the epochs for each k: which k helps, from when, and how little the
// choice matters late (Figure 2 of the paper).
func kSensitivity(table *results.Table, o Options) (*Drawing, error) {
	c, err := choose(table, o, "top1")
	if err != nil {
		return nil, err
	}
	if o.Schemes == nil {
		var ks []*analysis.Curve
		for _, curve := range c.curves {
			if latestK(curve) {
				ks = append(ks, curve)
			}
		}
		c.curves = ks
	}
	if len(c.curves) == 0 {
		return nil, errors.New("the results hold no averages over the latest k")
	}
	return c.alongEpochs(o)
}

// alongEpochs draws the baseline and the curves over the epochs.
func (c *chosen) alongEpochs(o Options) (*Drawing, error) {
	lines := []line{{name: "baseline", style: baselinePen(), curve: c.baseline}}
	for i, curve := range c.curves {
		lines = append(lines, line{name: label(curve), style: pen(ordered(i, len(c.curves)), i), curve: curve})
	}
	first, last := span(c.baseline)
	// The first epochs would flatten all that follows: the axis shows the rest, and they leave through its edge.
	lo, hi, err := yRange(first+(last-first)/4, o, append([]*analysis.Curve{c.baseline}, c.curves...)...)
	if err != nil {
		return nil, err
	}
	p := newPanel("Epoch", c.yLabel(), first, last, lo, hi)
	if err := p.curves(lines); err != nil {
		return nil, err
	}
	d := &Drawing{Width: columnWidth, Height: 2.6 * vg.Inch, Rows: rows(c.metric.Name, append([]*analysis.Curve{c.baseline}, c.curves...)...)}
	d.Draw = func(dc draw.Canvas) {
		paper(dc)
		p.draw(legend(draw.Crop(dc, 2, -6, 2, -3), lines))
	}
	return d, nil
}

// span is the first and last epoch of a curve, made to differ.
func span(c *analysis.Curve) (first, last float64) {
	first, last = c.Points[0].Epoch, c.Points[len(c.Points)-1].Epoch
	if first == last {
		return first - 1, last + 1
	}
	return first, last
}
