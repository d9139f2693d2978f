package plots

import (
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/lawa-replay/lawa-replay/analysis"
)

// SchemeCoefficients draws how much of each checkpoint is in an average: name is the scheme's, the x axis reaches
// from the run's first epoch to the endpoint.
func SchemeCoefficients(name string, first, endpoint float64, epochs, values []float64) *Drawing {
	d := &Drawing{Width: columnWidth, Height: 1.9 * vg.Inch, Rows: [][]string{{"scheme", "epoch", "coefficient"}}}
	for i, v := range values {
		d.Rows = append(d.Rows, []string{name, strconv.FormatFloat(epochs[i], 'g', -1, 64), strconv.FormatFloat(v, 'g', -1, 64)})
	}
	lo, hi := min(0, slices.Min(values)), max(0, slices.Max(values))
	air := 0.08 * (hi - lo)
	if lo < 0 {
		lo -= air
	}
	margin := max(0.5, 0.03*(endpoint-first))
	p := newPanel(analysis.Axes()[0], "Epoch", "Coefficient", first-margin, endpoint+margin, lo, hi+air)
	p.over = append(p.over, func(c draw.Canvas, pl *plot.Plot) {
		x, y := pl.Transforms(&c)
		step := (x(endpoint) - x(first)) / vg.Length(max(1, endpoint-first))
		width := min(3, max(0.4, 0.6*step))
		for i, v := range values {
			at := x(epochs[i])
			c.StrokeLine2(draw.LineStyle{Color: blue, Width: width}, at, y(0), at, y(v))
		}
		if lo < 0 {
			c.StrokeLine2(draw.LineStyle{Color: black, Width: gridWidth}, c.Min.X, y(0), c.Max.X, y(0))
		}
	})
	d.Draw = func(dc draw.Canvas) {
		paper(dc)
		data := p.draw(draw.Crop(dc, 2, -6, 2, -12))
		note(dc, vg.Point{X: data.Min.X, Y: dc.Max.Y - 10}, name, text.XLeft, text.YBottom)
	}
	return d
}
