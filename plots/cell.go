package plots

import (
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/lawa-replay/lawa-replay/analysis"
)

// cell is one of a figure's parts: panels below a title and, where it has one, a legend of its own.
type cell struct {
	title  string
	lines  []line
	panels []*panel // one, or two above one x axis
	strip  *panel   // below them, of the learning rate; nil for none
	rates  []*analysis.Rates
	empty  string // what is not there, where there are no panels
}

// stripHeight is that of a strip with the x axis below it.
const (
	stripHeight = 0.8 * vg.Inch
	axisHeight  = 0.3 * vg.Inch // of the names that a panel above a strip does not have
)

// shares says whether a cell below has the same strip.
func (l cell) shares(below cell) bool {
	return l.strip != nil && below.strip != nil && l.strip.limits[0] == below.strip.limits[0] && l.strip.limits[1] == below.strip.limits[1] &&
		slices.EqualFunc(l.rates, below.rates, (*analysis.Rates).Same)
}

// margins are what axes, names and labels take beside the data areas of a cell.
type margins struct{ left, right, bottom, top vg.Length }

func (m margins) join(o margins) margins {
	return margins{max(m.left, o.left), max(m.right, o.right), max(m.bottom, o.bottom), max(m.top, o.top)}
}

// place finds the places of the cell's panels, from the top, within c.
func (l cell) place(c draw.Canvas) ([]*panel, []draw.Canvas) {
	all, body := l.panels, c
	var places []draw.Canvas
	if l.strip != nil {
		body = draw.Crop(c, 0, 0, stripHeight, 0)
	}
	if len(l.panels) == 2 {
		middle := (body.Max.Y - body.Min.Y) * 0.47
		places = append(places, draw.Crop(body, 0, 0, middle+4, 0), draw.Crop(body, 0, 0, 0, body.Min.Y+middle-7-body.Max.Y))
	} else {
		places = append(places, body)
	}
	if l.strip != nil {
		all = append(all[:len(all):len(all)], l.strip)
		places = append(places, draw.Crop(c, 0, 0, 0, c.Min.Y+stripHeight-9-c.Max.Y))
		for _, p := range l.panels {
			p.bare()
		}
	}
	return all, places
}

// margins measures the cell's panels in c: the widest beside, those of the first above and of the last below.
func (l cell) margins(c draw.Canvas) margins {
	var m margins
	if len(l.panels) == 0 {
		return m
	}
	all, places := l.place(c)
	for i, p := range all {
		p.fit(places[i])
		data := p.DataCanvas(places[i])
		m.left, m.right = max(m.left, data.Min.X-c.Min.X), max(m.right, c.Max.X-data.Max.X)
		if i == 0 {
			m.top = c.Max.Y - data.Max.Y
		}
		m.bottom = data.Min.Y - c.Min.Y
	}
	return m
}

// draw draws the cell's panels into c. Their data areas begin and end where m says.
func (l cell) draw(c draw.Canvas, m margins) {
	if len(l.panels) == 0 {
		style := textStyle(smallSize, grey)
		style.XAlign, style.YAlign = draw.XCenter, draw.YCenter
		c.FillText(style, vg.Point{X: (c.Min.X + c.Max.X) / 2, Y: (c.Min.Y + c.Max.Y) / 2}, l.empty)
		return
	}
	all, places := l.place(c)
	for i, p := range all {
		data := p.DataCanvas(places[i])
		var bottom, top vg.Length
		if i == 0 {
			top = data.Max.Y - (c.Max.Y - m.top)
		}
		if i == len(all)-1 {
			bottom = c.Min.Y + m.bottom - data.Min.Y
		}
		p.draw(draw.Crop(places[i], c.Min.X+m.left-data.Min.X, c.Max.X-m.right-data.Max.X, bottom, -top))
	}
}

// fit makes the y axis's label as small as it must be to be a little shorter than the axis, within what can be read: one that
// is longer would push the data area's ends apart from those of its neighbours.
func (p *panel) fit(c draw.Canvas) {
	const least = captionSize - 0.5
	style := &p.Y.Label.TextStyle
	style.Font.Size = textSize
	width := style.Width(p.Y.Label.Text)
	style.Font.Size = least
	data := p.DataCanvas(c)
	style.Font.Size = max(least, min(textSize, textSize*0.97*(data.Max.Y-data.Min.Y)/width))
}

// bare takes the names of the x axis off a panel whose axis is that of one below it.
func (p *panel) bare() {
	p.X.Label.Text = ""
	p.X.Tick.Label.Font.Size = 0.01
	marker := p.X.Tick.Marker
	p.X.Tick.Marker = plot.TickerFunc(func(lo, hi float64) []plot.Tick {
		out := marker.Ticks(lo, hi)
		for i := range out {
			if out[i].Label != "" {
				out[i].Label = " " // without one it would be a minor tick
			}
		}
		return out
	})
}
