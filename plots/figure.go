package plots

import (
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// sheet is what a figure is put together from.
type sheet struct {
	height  vg.Length // of a cell's panels, at the usual width
	columns int       // 0: as many as suit the number of cells
	lines   []line    // of the legend that the cells share
	cells   []cell
	caption []string
}

// Distances of a figure's parts.
const (
	left, right, bottom, top = vg.Length(2), vg.Length(6), vg.Length(2), vg.Length(3)
	between                  = vg.Length(10) // cells
	headRow                  = vg.Length(11)
	legendRow                = vg.Length(9.5)
	titleRow                 = vg.Length(10)
	captionRow               = vg.Length(7.8)
	leastCell                = 1.5 * vg.Inch // width, below which there are fewer columns
)

// frame is where the parts of a sheet come to stand.
type frame struct {
	columns                        int
	width, height                  vg.Length // of a cell's panels
	titles, legends                []vg.Length
	head, shared, foot, legendsAll vg.Length
	caption                        []string
}

// figure puts the sheet's cells into a grid, below a title and a legend that they share, and above a caption. A single
// cell is a column of text wide, several are two columns; or as wide as the options say.
func (o Options) figure(d *Drawing, s sheet) *Drawing {
	t := themeOf(o.Style)
	d.Scale = t.scale
	f := frame{columns: s.columns}
	if f.columns == 0 {
		f.columns = map[int]int{1: 1, 2: 2, 4: 2}[len(s.cells)]
	}
	if f.columns == 0 {
		f.columns = 3
	}
	d.Width = t.column
	if f.columns > 1 {
		d.Width = t.page
	}
	stretch := 1.0
	if o.Width > 0 {
		stretch = float64(o.Width/vg.Length(t.scale)) / float64(d.Width)
		d.Width = o.Width / vg.Length(t.scale)
		f.columns = max(1, min(f.columns, int((d.Width-left-right+between)/(leastCell+between))))
	}
	inner := d.Width - left - right
	f.width = (inner - vg.Length(f.columns-1)*between) / vg.Length(f.columns)
	f.height = s.height * vg.Length(max(0.75, min(1.6, stretch)))
	if slices.ContainsFunc(s.cells, func(c cell) bool { return c.strip != nil }) {
		f.height += stripHeight
	}
	f.measure(s, inner)
	f.head = headRow * vg.Length(len(wrap(o.Title, headSize, inner)))
	if f.head > 0 {
		f.head += 2
	}
	rows := len(f.titles)
	d.Height = top + f.head + f.shared + f.legendsAll + vg.Length(rows)*f.height + vg.Length(rows-1)*between + f.foot + bottom
	d.Draw = func(dc draw.Canvas) {
		paper(dc)
		f.draw(draw.Crop(dc, left, -right, bottom, -top), o.Title, s)
	}
	return d
}

// measure finds the heights of texts and legends: those of a row are as high as its highest.
func (f *frame) measure(s sheet, inner vg.Length) {
	rows := (len(s.cells) + f.columns - 1) / f.columns
	f.titles, f.legends = make([]vg.Length, rows), make([]vg.Length, rows)
	for i, c := range s.cells {
		row := i / f.columns
		f.titles[row] = max(f.titles[row], titleRow*vg.Length(len(wrap(c.title, textSize, f.width))))
		f.legends[row] = max(f.legends[row], legendHeight(c.lines, f.width))
	}
	for i := range f.titles {
		f.legendsAll += f.titles[i] + f.legends[i]
	}
	f.shared = legendHeight(s.lines, inner)
	f.caption = wrap(caption(s.caption), captionSize, inner)
	f.foot = captionRow*vg.Length(len(f.caption)) + 3
}

func (f *frame) draw(c draw.Canvas, title string, s sheet) {
	style := textStyle(headSize, black)
	style.XAlign, style.YAlign = draw.XCenter, draw.YTop
	for i, t := range wrap(title, headSize, c.Max.X-c.Min.X) {
		c.FillText(style, vg.Point{X: (c.Min.X + c.Max.X) / 2, Y: c.Max.Y - headRow*vg.Length(i)}, t)
	}
	legend(draw.Crop(c, 0, 0, 0, -f.head), s.lines)
	y := c.Max.Y - f.head - f.shared
	for i, one := range s.cells {
		row, column := i/f.columns, i%f.columns
		if column == 0 && row > 0 {
			y -= f.titles[row-1] + f.legends[row-1] + f.height + between
		}
		x := c.Min.X + vg.Length(column)*(f.width+between)
		part := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{Min: vg.Point{X: x, Y: y - f.titles[row] - f.legends[row] - f.height}, Max: vg.Point{X: x + f.width, Y: y}}}
		style := textStyle(textSize, black)
		style.XAlign, style.YAlign = draw.XCenter, draw.YTop
		for j, t := range wrap(one.title, textSize, f.width) {
			part.FillText(style, vg.Point{X: (part.Min.X + part.Max.X) / 2, Y: part.Max.Y - titleRow*vg.Length(j)}, t)
		}
		legend(draw.Crop(part, 0, 0, 0, -f.titles[row]), one.lines)
		one.draw(draw.Crop(part, 0, 0, 0, -f.titles[row]-f.legends[row]))
	}
	style = textStyle(captionSize, grey)
	style.YAlign = draw.YTop
	for i, t := range f.caption {
		c.FillText(style, vg.Point{X: c.Min.X + 1, Y: c.Min.Y + f.foot - 3 - captionRow*vg.Length(i)}, t)
	}
}

// wrap breaks a text into lines of a width.
func wrap(s string, size vg.Length, width vg.Length) []string {
	style := textStyle(size, black)
	var out []string
	for _, word := range strings.Fields(s) {
		if n := len(out); n > 0 && style.Width(out[n-1]+" "+word) <= width {
			out[n-1] += " " + word
			continue
		}
		out = append(out, word)
	}
	return out
}

// paper fills the canvas with white.
func paper(c draw.Canvas) {
	c.FillPolygon(white, []vg.Point{c.Min, {X: c.Max.X, Y: c.Min.Y}, c.Max, {X: c.Min.X, Y: c.Max.Y}})
}

// caption joins what a figure rests on with what else is to be said.
func caption(parts []string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, strings.ToUpper(p[:1])+p[1:]+".")
		}
	}
	return strings.Join(out, " ")
}
