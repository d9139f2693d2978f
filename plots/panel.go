package plots

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/lawa-replay/lawa-replay/analysis"
)

// line is one curve with its looks and its name in the legend.
type line struct {
	name   string
	style  draw.LineStyle
	curve  *analysis.Curve // nil: in the legend only
	arrow  bool            // its sample in the legend has a head
	spread Spread          // of its band; "" for none
}

// panel is one plot with a closed frame, and what is drawn into it, in order.
type panel struct {
	*plot.Plot
	axis   analysis.Axis
	limits [4]float64 // of x and y: what is added would move the plot's own
	over   []func(c draw.Canvas, p *plot.Plot)
}

// newPanel sets up axes that reach from min to max; without a label where the x axis is that of a panel below.
func newPanel(axis analysis.Axis, xLabel, yLabel string, xMin, xMax, yMin, yMax float64) *panel {
	p := &panel{Plot: plot.New(), axis: axis, limits: [4]float64{xMin, xMax, yMin, yMax}}
	p.BackgroundColor = nil
	p.X.Label.Text, p.Y.Label.Text = xLabel, yLabel
	x := ticks{n: 7}
	if (axis.Name == "epoch" || axis.Name == "step") && xMax-xMin >= 3 {
		x.least = 1 // a figure of some epochs has no use for halves
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = x, ticks{n: 6}
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Padding = 0
		a.LineStyle.Width = 0
		rotation, xAlign, yAlign := a.Label.TextStyle.Rotation, a.Label.TextStyle.XAlign, a.Label.TextStyle.YAlign
		a.Label.TextStyle = textStyle(textSize, black)
		a.Label.TextStyle.Rotation, a.Label.TextStyle.XAlign, a.Label.TextStyle.YAlign = rotation, xAlign, yAlign
		a.Label.Padding = 2
		xAlign, yAlign = a.Tick.Label.XAlign, a.Tick.Label.YAlign
		a.Tick.Label = textStyle(smallSize, black)
		a.Tick.Label.XAlign, a.Tick.Label.YAlign = xAlign, yAlign
		a.Tick.LineStyle = draw.LineStyle{Color: black, Width: frameWidth}
		a.Tick.Length = tickLength
	}
	grid := plotter.NewGrid()
	grid.Vertical = draw.LineStyle{Color: paleGrey, Width: gridWidth}
	grid.Horizontal = grid.Vertical
	p.add(grid)
	return p
}

// add puts something into the plot and keeps the limits.
func (p *panel) add(x plot.Plotter) {
	p.Add(x)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = p.limits[0], p.limits[1], p.limits[2], p.limits[3]
}

// curves adds lines, the first on top, over the bands of those that have one.
func (p *panel) curves(lines []line) error {
	// The widest band first: one behind another would not be seen.
	var bands []line
	for _, l := range slices.Backward(lines) {
		if l.curve != nil && l.spread != "" {
			bands = append(bands, l)
		}
	}
	slices.SortStableFunc(bands, func(a, b line) int { return cmp.Compare(b.width(), a.width()) })
	for _, l := range bands {
		if err := p.band(l); err != nil {
			return err
		}
	}
	for _, l := range slices.Backward(lines) {
		if l.curve != nil {
			if err := p.line(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// line adds one line, split where values are missing.
func (p *panel) line(l line) error {
	var run plotter.XYs
	flush := func() error {
		if len(run) == 0 {
			return nil
		}
		drawn, err := plotter.NewLine(run)
		if err != nil {
			return err
		}
		drawn.LineStyle = l.style
		p.add(drawn)
		run = nil
		return nil
	}
	for _, pt := range l.curve.Points {
		if math.IsNaN(pt.Value) || math.IsInf(pt.Value, 0) {
			if err := flush(); err != nil {
				return err
			}
			continue
		}
		run = append(run, plotter.XY{X: p.axis.X(pt), Y: pt.Value})
	}
	if err := flush(); err != nil {
		return err
	}
	if len(l.curve.Points) == 1 { // a line of one point would not be seen
		p.over = append(p.over, func(c draw.Canvas, pl *plot.Plot) {
			x, y := pl.Transforms(&c)
			at := vg.Point{X: x(p.axis.X(l.curve.Points[0])), Y: y(l.curve.Points[0].Value)}
			if c.Contains(at) {
				c.DrawGlyph(draw.GlyphStyle{Color: l.style.Color, Radius: 1.5, Shape: draw.CircleGlyph{}}, at)
			}
		})
	}
	return nil
}

// band shades the spread over runs, where all of it is finite.
func (p *panel) band(l line) error {
	var all []reach
	for _, pt := range l.curve.Points {
		lo, hi := l.reach(pt)
		if math.IsNaN(lo+hi) || math.IsInf(lo, 0) || math.IsInf(hi, 0) { // split where it is not known, as the line is
			if err := p.area(l, all); err != nil {
				return err
			}
			all = nil
			continue
		}
		all = append(all, reach{p.axis.X(pt), lo, hi})
	}
	return p.area(l, all)
}

// area adds a band without gaps.
func (p *panel) area(l line, all []reach) error {
	if len(all) < 2 {
		return nil
	}
	var low, high plotter.XYs
	for _, r := range clip(all, p.limits[2], p.limits[3]) {
		low = append(low, plotter.XY{X: r.x, Y: r.lo})
		high = append(plotter.XYs{{X: r.x, Y: r.hi}}, high...)
	}
	area, err := plotter.NewPolygon(append(low, high...))
	if err != nil {
		return err
	}
	r, g, b, _ := l.style.Color.RGBA()
	area.Color = color.NRGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 42} // what lies behind it is seen
	area.LineStyle.Width = 0
	p.add(area)
	return nil
}

// draw draws the panel into c and returns its data area.
func (p *panel) draw(c draw.Canvas) draw.Canvas {
	p.Plot.Draw(c)
	data := p.DataCanvas(c)
	for _, f := range p.over {
		f(data, p.Plot)
	}
	data.StrokeLines(draw.LineStyle{Color: black, Width: frameWidth}, []vg.Point{
		data.Min, {X: data.Max.X, Y: data.Min.Y}, data.Max, {X: data.Min.X, Y: data.Max.Y}, data.Min, {X: data.Max.X, Y: data.Min.Y}})
	return data
}

// yRange is the range that shows the lines with their bands from the given place of the x axis on, with some air.
func yRange(axis analysis.Axis, from float64, o Options, lines []line) (lo, hi float64, err error) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, l := range lines {
		if l.curve == nil {
			continue
		}
		for _, p := range l.curve.Points {
			if axis.X(p) >= from && !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
				low, high := l.reach(p)
				if math.IsNaN(high - low) { // its band is not known there
					low, high = p.Value, p.Value
				}
				lo, hi = min(lo, low), max(hi, high)
			}
		}
	}
	if lo > hi {
		return 0, 0, fmt.Errorf("there is no finite value to draw")
	}
	air := (hi - lo) * 0.06
	if air == 0 {
		air = math.Abs(hi)*0.01 + 1e-9
	}
	lo, hi = lo-air, hi+air
	if o.YMin != nil {
		lo = *o.YMin
	}
	if o.YMax != nil {
		hi = *o.YMax
	}
	if !(lo < hi) {
		return 0, 0, fmt.Errorf("the y axis would reach from %g to %g", lo, hi)
	}
	return lo, hi, nil
}

// ticks puts about n labelled ticks at 1, 2 or 5 times a power of ten, at least so far apart, with minor ones between.
type ticks struct {
	n     int
	least float64
}

// Ticks implements plot.Ticker.
func (t ticks) Ticks(lo, hi float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/float64(t.n))))
	minor := 5.0
	for _, f := range []float64{1, 2, 5, 10} {
		if (hi-lo)/(step*f) <= float64(t.n) && step*f >= t.least {
			step *= f
			if f == 2 {
				minor = 4
			}
			break
		}
	}
	decimals := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	var out []plot.Tick
	small := step / minor
	for i := math.Ceil(lo/small - 1e-9); i*small <= hi+small*1e-9; i++ {
		tick := plot.Tick{Value: i * small}
		if math.Mod(i, minor) == 0 {
			tick.Label = strings.Replace(strconv.FormatFloat(tick.Value+0, 'f', decimals, 64), "-", "−", 1)
			if tick.Value == 0 {
				tick.Label = strconv.FormatFloat(0, 'f', decimals, 64)
			}
		}
		out = append(out, tick)
	}
	return out
}

// note writes a small text at a place of the canvas.
func note(c draw.Canvas, at vg.Point, s string, xAlign text.XAlignment, yAlign text.YAlignment) {
	style := textStyle(smallSize, black)
	style.XAlign, style.YAlign = xAlign, yAlign
	c.FillText(style, at, s)
}
