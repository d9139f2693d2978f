package plots

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

var bestKKind = spec.Kind[Figure]{
	Name:     "best-k",
	About:    "a map of k × epoch: the difference from the checkpoint itself, the best k of each epoch framed, hatched where it cannot be told from none",
	Source:   thePaper + ", future work",
	Examples: []string{"best-k"},
	Parse:    func(*spec.Spec) Figure { return bestK },
}

// tile is a cell of the map.
type tile struct {
	k, epoch  int // row and column
	value     float64
	open      bool // the interval holds 0, or is not known
	best      bool
	intervals bool
}

// bestK shows which k is best when, and where it makes no difference.
func bestK(table *results.Table, o Options) (*Drawing, error) {
	if o.YMin != nil || o.YMax != nil || o.YLabel != "" {
		return nil, errors.New("its vertical axis is k")
	}
	s, err := selected(table, o)
	if err != nil {
		return nil, err
	}
	axis, err := axisOf(s, o)
	if err != nil {
		return nil, err
	}
	d := &Drawing{Notes: s.Notes, Rows: [][]string{{"scheme", "policy", "epoch", "difference", "low", "high", "best", "runs of"}}}
	f := sheet{height: 1.6 * vg.Inch}
	drawn, intervals, why := false, false, ""
	full := 0.0
	type mapped struct {
		panel analysis.Panel
		ks    []int
		at    []float64
		tiles []tile
	}
	var maps []mapped
	var sizes []float64
	for _, p := range s.Panels {
		m := mapped{panel: p}
		for _, b := range p.Baseline.Points {
			m.at = append(m.at, b.Epoch)
		}
		curves := slices.DeleteFunc(slices.Clone(p.Curves), func(c *analysis.Curve) bool { return !analysis.LatestK(c) })
		best := make([]int, len(m.at))
		for row, c := range curves {
			m.ks = append(m.ks, c.K)
			apart, no := o.apart(s.Metric, c, p.Baseline)
			if no != "" {
				why = no
			}
			for _, q := range apart.Points {
				col := slices.IndexFunc(m.at, func(e float64) bool { return math.Abs(e-q.Epoch) < trajectory.EpochSlack })
				t := tile{k: row, epoch: col, value: q.Value, intervals: !math.IsNaN(q.Low)}
				t.open = t.intervals && q.Low <= 0 && q.High >= 0
				intervals = intervals || t.intervals
				if math.IsNaN(q.Value) || math.IsInf(q.Value, 0) {
					continue
				}
				sizes = append(sizes, math.Abs(q.Value))
				m.tiles = append(m.tiles, t)
				if i := best[col]; i == 0 || s.Metric.Better(t.value, m.tiles[i-1].value) {
					best[col] = len(m.tiles)
				}
				d.Rows = append(d.Rows, []string{c.Scheme, c.Policy, number(q.Epoch), number(q.Value), number(q.Low), number(q.High), "", p.Group.Name})
			}
		}
		for _, i := range best {
			if i > 0 {
				m.tiles[i-1].best = true
				d.Rows[len(d.Rows)-len(m.tiles)+i-1][6] = "true"
			}
		}
		drawn = drawn || len(m.ks) > 1
		maps = append(maps, m)
	}
	if len(sizes) == 0 && drawn {
		return nil, errors.New("there is no finite value to draw")
	}
	if !drawn {
		return nil, hint.With(errors.New("the results hold no averages of several k"), "metric", "takes another")
	}
	slices.Sort(sizes)
	if full = sizes[int(0.8*float64(len(sizes)-1))]; !(full > 0) {
		full = 1
	}
	if !intervals && why != "" {
		d.Notes = append(d.Notes, analysis.Note{Text: "nothing is hatched: " + why})
	}
	unit := s.Metric.Unit
	if unit == "%" {
		unit = "points"
	}
	theme := themeOf(o.Style)
	colours := "green is better, red worse"
	if theme.grey {
		colours = "marked with a minus where it is worse"
	}
	f.caption = append(s.Basis(), fmt.Sprintf("%s minus baseline: %s, at full strength from %.3g %s on", s.Metric.Label, colours, full, unit), "framed: the best k of the epoch, chosen on what is shown")
	if intervals {
		f.caption = append(f.caption, "hatched: the 95 % interval of the paired difference holds 0")
	}
	for _, m := range maps {
		place := axis.Placed(func(p analysis.Point) float64 { // each endpoint among them all
			return float64(1 + slices.IndexFunc(m.at, func(e float64) bool { return math.Abs(e-p.Epoch) < trajectory.EpochSlack }))
		})
		rows := len(m.ks)
		one := newPanel(place, o.xLabel(axis), "k", 0.5, float64(len(m.at))+0.5, 0.5, float64(rows)+0.5)
		endpoints := plot.TickerFunc(func(float64, float64) []plot.Tick {
			var out []plot.Tick
			most := 12.
			if axis.Name != "epoch" { // longer numbers
				most = 6
			}
			every := int(math.Ceil(float64(len(m.at)) / most))
			for i := 0; i < len(m.at); i += every {
				label := trajectory.EpochName(m.at[i])
				if axis.Name != "epoch" {
					label = strconv.FormatFloat(axis.X(m.panel.Baseline.Points[i]), 'g', 4, 64)
				}
				out = append(out, plot.Tick{Value: float64(i + 1), Label: label})
			}
			return out
		})
		one.X.Tick.Marker = endpoints
		one.Y.Tick.Marker = plot.TickerFunc(func(float64, float64) []plot.Tick {
			var out []plot.Tick
			for i, k := range m.ks {
				out = append(out, plot.Tick{Value: float64(i + 1), Label: fmt.Sprint(k)})
			}
			return out
		})
		one.over = append(one.over, func(dc draw.Canvas, p *plot.Plot) {
			x, y := p.Transforms(&dc)
			for _, framed := range []bool{false, true} { // frames on top
				for _, t := range m.tiles {
					box := vg.Rectangle{Min: vg.Point{X: x(float64(t.epoch) + 0.5), Y: y(float64(t.k) + 0.5)}, Max: vg.Point{X: x(float64(t.epoch) + 1.5), Y: y(float64(t.k) + 1.5)}}
					if framed {
						if t.best {
							dc.StrokeLines(draw.LineStyle{Color: black, Width: 1.2}, outline(box, 0.7))
						}
						continue
					}
					worse := s.Metric.Better(0, t.value)
					dc.FillPolygon(Shade(theme.grey, worse, t.value/full), outline(box, 0.2)[:4])
					if theme.grey && worse {
						middle := vg.Point{X: (box.Min.X + box.Max.X) / 2, Y: (box.Min.Y + box.Max.Y) / 2}
						dc.StrokeLine2(draw.LineStyle{Color: black, Width: 0.8}, middle.X-2, middle.Y, middle.X+2, middle.Y)
					}
					if t.open {
						hatch(dc, box)
					}
				}
			}
		})
		if err := f.add(o, cell{title: s.Title(m.panel), panels: []*panel{one}}, []line{{curve: m.panel.Baseline, style: baselinePen()}}); err != nil {
			return nil, err
		}
		if below := f.cells[len(f.cells)-1].strip; below != nil {
			below.X.Tick.Marker = endpoints
		}
	}
	return o.figure(d, f), nil
}

// outline is a closed line around a box, somewhat within.
func outline(b vg.Rectangle, within vg.Length) []vg.Point {
	a, c := vg.Point{X: b.Min.X + within, Y: b.Min.Y + within}, vg.Point{X: b.Max.X - within, Y: b.Max.Y - within}
	return []vg.Point{a, {X: c.X, Y: a.Y}, c, {X: a.X, Y: c.Y}, a}
}

// hatch draws slanted lines through a box.
func hatch(dc draw.Canvas, b vg.Rectangle) {
	style := draw.LineStyle{Color: grey, Width: 0.35}
	w, h := b.Max.X-b.Min.X, b.Max.Y-b.Min.Y
	for from := -h; from < w; from += 3 {
		x0, y0, x1, y1 := from, vg.Length(0), from+h, h
		if x0 < 0 {
			x0, y0 = 0, -from
		}
		if x1 > w {
			x1, y1 = w, w-from
		}
		dc.StrokeLine2(style, b.Min.X+x0, b.Min.Y+y0, b.Min.X+x1, b.Min.Y+y1)
	}
}

// Shade is the colour of a difference, v at full strength from ±1 on: it goes from nearly white to green, or red where it is worse; to grey in the grey style, which marks what is worse otherwise.
func Shade(plain, worse bool, v float64) color.Color {
	v = min(1, math.Abs(v))
	to := [3]float64{27, 120, 55}
	switch {
	case plain:
		to = [3]float64{110, 110, 110}
	case worse:
		to = [3]float64{178, 24, 43}
	}
	mix := func(i int) uint8 { return uint8(math.Round(247 + (to[i]-247)*v)) }
	return color.RGBA{mix(0), mix(1), mix(2), 255}
}
