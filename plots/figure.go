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
	sheet
	size                     vg.Point
	width                    vg.Length   // of a cell
	heights, titles, legends []vg.Length // of each row's panels, and what is above them
	head, shared, foot       vg.Length
	texts                    []string // the caption's lines
}

// figure puts the sheet's cells into a grid, below a title and a legend that they share, and above a caption. A single
// cell is a column of text wide, several are two columns; or as wide as the options say. What would be higher than the
// style has room for is drawn in smaller letters and lines.
func (o Options) figure(d *Drawing, s sheet) *Drawing {
	t := themeOf(o.Style)
	for {
		f := o.frame(t, s)
		d.Width, d.Height, d.Scale = f.size.X, f.size.Y, t.scale
		d.Draw = func(dc draw.Canvas) {
			paper(dc)
			f.draw(draw.Crop(dc, left, -right, bottom, -top), o.Title)
		}
		if t.tallest == 0 || d.Height*vg.Length(t.scale) <= t.tallest || t.scale <= 1.2 {
			return d
		}
		t = t.smaller(0.9)
	}
}

// frame finds places for all parts of a sheet.
func (o Options) frame(t theme, s sheet) *frame {
	f := &frame{sheet: s}
	f.cells = slices.Clone(s.cells)
	if f.columns == 0 {
		f.columns = map[int]int{1: 1, 2: 2, 4: 2}[len(s.cells)]
	}
	if f.columns == 0 {
		f.columns = 3
	}
	f.size.X = t.column
	if f.columns > 1 {
		f.size.X = t.page
	}
	stretch := 1.0
	if o.Width > 0 {
		width := o.Width / vg.Length(t.scale)
		stretch = float64(width / f.size.X)
		f.size.X = width
		f.columns = max(1, min(f.columns, int((width-left-right+between)/(leastCell+between))))
	}
	for i := range f.cells { // the lowest of a column has the strip for those above it
		if below := i + f.columns; below < len(f.cells) && f.cells[i].shares(f.cells[below]) {
			f.cells[i].strip = nil
		}
	}
	inner := f.size.X - left - right
	f.width = (inner - vg.Length(f.columns-1)*between) / vg.Length(f.columns)
	f.measure(inner, s.height*vg.Length(max(0.75, min(1.6, stretch))))
	f.head = headRow * vg.Length(len(wrap(o.Title, headSize, inner)))
	if f.head > 0 {
		f.head += 2
	}
	f.size.Y = top + f.head + f.shared + f.foot + bottom - between
	for i := range f.heights {
		f.size.Y += f.row(i)
	}
	return f
}

// measure finds the heights of texts and legends: those of a row are as high as its highest.
func (f *frame) measure(inner, height vg.Length) {
	rows := (len(f.cells) + f.columns - 1) / f.columns
	f.heights, f.titles, f.legends = make([]vg.Length, rows), make([]vg.Length, rows), make([]vg.Length, rows)
	for i, c := range f.cells {
		row := i / f.columns
		f.heights[row] = max(f.heights[row], height)
		if c.strip != nil {
			f.heights[row] = height + stripHeight - axisHeight
		}
		f.titles[row] = max(f.titles[row], titleRow*vg.Length(len(wrap(c.title, textSize, f.width))))
		f.legends[row] = max(f.legends[row], legendHeight(c.lines, f.width))
	}
	f.shared = legendHeight(f.lines, inner)
	f.texts = wrap(caption(append(f.caption[:len(f.caption):len(f.caption)], rates(f.cells))), captionSize, inner)
	f.foot = captionRow*vg.Length(len(f.texts)) + 3
}

// row is how high a row is, with the distance from the next one.
func (f *frame) row(i int) vg.Length { return f.titles[i] + f.legends[i] + f.heights[i] + between }

func (f *frame) draw(c draw.Canvas, title string) {
	style := textStyle(headSize, black)
	style.XAlign, style.YAlign = draw.XCenter, draw.YTop
	for i, t := range wrap(title, headSize, c.Max.X-c.Min.X) {
		c.FillText(style, vg.Point{X: (c.Min.X + c.Max.X) / 2, Y: c.Max.Y - headRow*vg.Length(i)}, t)
	}
	legend(draw.Crop(c, 0, 0, 0, -f.head), f.lines)
	parts := f.parts(c)
	columns, rows := make([]margins, f.columns), make([]margins, len(f.heights))
	bodies := make([]draw.Canvas, len(parts))
	for i, one := range f.cells {
		row, column := i/f.columns, i%f.columns
		bodies[i] = draw.Crop(parts[i], 0, 0, 0, -f.titles[row]-f.legends[row])
		m := one.margins(bodies[i])
		columns[column], rows[row] = columns[column].join(m), rows[row].join(m)
	}
	for i, one := range f.cells {
		row, column, part := i/f.columns, i%f.columns, parts[i]
		style := textStyle(textSize, black)
		style.XAlign, style.YAlign = draw.XCenter, draw.YTop
		for j, t := range wrap(one.title, textSize, f.width) {
			part.FillText(style, vg.Point{X: (part.Min.X + part.Max.X) / 2, Y: part.Max.Y - titleRow*vg.Length(j)}, t)
		}
		legend(draw.Crop(part, 0, 0, 0, -f.titles[row]), one.lines)
		one.draw(bodies[i], margins{columns[column].left, columns[column].right, rows[row].bottom, rows[row].top})
	}
	style = textStyle(captionSize, grey)
	style.YAlign = draw.YTop
	for i, t := range f.texts {
		c.FillText(style, vg.Point{X: c.Min.X + 1, Y: c.Min.Y + f.foot - 3 - captionRow*vg.Length(i)}, t)
	}
}

// parts are the cells' places, titles and legends included.
func (f *frame) parts(c draw.Canvas) []draw.Canvas {
	y := c.Max.Y - f.head - f.shared
	out := make([]draw.Canvas, len(f.cells))
	for i := range f.cells {
		row, column := i/f.columns, i%f.columns
		if column == 0 && row > 0 {
			y -= f.row(row - 1)
		}
		x := c.Min.X + vg.Length(column)*(f.width+between)
		out[i] = draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{Min: vg.Point{X: x, Y: y - f.titles[row] - f.legends[row] - f.heights[row]}, Max: vg.Point{X: x + f.width, Y: y}}}
	}
	return out
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
