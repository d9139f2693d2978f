package plots

import (
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/lawa-replay/lawa-replay/analysis"
)

// cell is one of a figure's parts: what is drawn below a title and, where it has one, a legend of its own.
type cell struct {
	title string
	lines []line
	draw  func(draw.Canvas)
}

// Distances of a figure's parts.
const (
	left, right, bottom, top = vg.Length(2), vg.Length(6), vg.Length(2), vg.Length(3)
	between                  = vg.Length(10) // cells
	legendRow                = vg.Length(9.5)
	titleRow                 = vg.Length(10)
	captionRow               = vg.Length(7.8)
)

// figure puts cells of the given height into a grid, below a legend that they share and above a caption. A single
// cell is a column of text wide, several are two columns.
func figure(d *Drawing, height vg.Length, lines []line, cells []cell, caption string) *Drawing {
	columns := map[int]int{1: 1, 2: 2, 4: 2}[len(cells)]
	d.Width = columnWidth
	if columns == 0 {
		columns = 3
	}
	if columns > 1 {
		d.Width = pageWidth
	}
	inner := d.Width - left - right
	width := (inner - vg.Length(columns-1)*between) / vg.Length(columns)
	count := (len(cells) + columns - 1) / columns
	// The titles and legends of a row are as high as its highest.
	titles, legends := make([]vg.Length, count), make([]vg.Length, count)
	heads := vg.Length(0)
	for i, c := range cells {
		titles[i/columns] = max(titles[i/columns], titleRow*vg.Length(len(wrap(c.title, textSize, width))))
		legends[i/columns] = max(legends[i/columns], legendHeight(c.lines, width))
	}
	for i := range titles {
		heads += titles[i] + legends[i]
	}
	texts := wrap(caption, captionSize, inner)
	shared := legendHeight(lines, inner)
	foot := captionRow*vg.Length(len(texts)) + 3
	d.Height = top + shared + heads + vg.Length(count)*height + vg.Length(count-1)*between + foot + bottom
	d.Draw = func(dc draw.Canvas) {
		paper(dc)
		c := draw.Crop(dc, left, -right, bottom, -top)
		legend(c, lines)
		y := c.Max.Y - shared
		for i, one := range cells {
			row, column := i/columns, i%columns
			if column == 0 && row > 0 {
				y -= titles[row-1] + legends[row-1] + height + between
			}
			x := c.Min.X + vg.Length(column)*(width+between)
			part := draw.Canvas{Canvas: c.Canvas, Rectangle: vg.Rectangle{Min: vg.Point{X: x, Y: y - titles[row] - legends[row] - height}, Max: vg.Point{X: x + width, Y: y}}}
			for j, t := range wrap(one.title, textSize, width) {
				style := textStyle(textSize, black)
				style.XAlign, style.YAlign = draw.XCenter, draw.YTop
				part.FillText(style, vg.Point{X: (part.Min.X + part.Max.X) / 2, Y: part.Max.Y - titleRow*vg.Length(j)}, t)
			}
			legend(draw.Crop(part, 0, 0, 0, -titles[row]), one.lines)
			one.draw(draw.Crop(part, 0, 0, 0, -titles[row]-legends[row]))
		}
		style := textStyle(captionSize, grey)
		style.YAlign = draw.YTop
		for i, t := range texts {
			c.FillText(style, vg.Point{X: c.Min.X + 1, Y: c.Min.Y + foot - 3 - captionRow*vg.Length(i)}, t)
		}
	}
	return d
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

// place is where a legend's entry stands, from the legend's upper left corner.
type place struct{ x, y vg.Length }

const sampleWidth, sampleGap, entryGap, legendIndent = vg.Length(16), vg.Length(3), vg.Length(8), vg.Length(26)

// places sets the entries from left to right, in as many rows as they need.
func places(lines []line, width vg.Length) []place {
	style := textStyle(smallSize, black)
	indent := legendIndent
	for _, l := range lines {
		if legendIndent+l.sample()+style.Width(l.name) > width {
			indent = 0
		}
	}
	x, y := indent, legendRow/2
	var out []place
	for i, l := range lines {
		w := l.sample() + style.Width(l.name)
		if i > 0 && x+w > width {
			x, y = indent, y+legendRow
		}
		out = append(out, place{x, y})
		x += w + entryGap
	}
	return out
}

// sample is how wide an entry's line is with its distance from the name; one without a pen has none.
func (l line) sample() vg.Length {
	if l.style.Width == 0 {
		return 0
	}
	return sampleWidth + sampleGap
}

func legendHeight(lines []line, width vg.Length) vg.Length {
	if len(lines) == 0 {
		return 0
	}
	return places(lines, width)[len(lines)-1].y + legendRow/2 + 2
}

// legend draws the names at the top of c.
func legend(c draw.Canvas, lines []line) {
	style := textStyle(smallSize, black)
	style.YAlign = draw.YCenter
	for i, at := range places(lines, c.Max.X-c.Min.X) {
		l, x, y := lines[i], c.Min.X+at.x, c.Max.Y-at.y
		if l.sample() > 0 {
			c.StrokeLine2(l.style, x, y, x+sampleWidth, y)
		}
		if l.arrow {
			arrowHead(c, l.style.Color, vg.Point{X: x + sampleWidth, Y: y})
		}
		c.FillText(style, vg.Point{X: x + l.sample(), Y: y}, l.name)
	}
}

// paper fills the canvas with white.
func paper(c draw.Canvas) {
	c.FillPolygon(white, []vg.Point{c.Min, {X: c.Max.X, Y: c.Min.Y}, c.Max, {X: c.Min.X, Y: c.Max.Y}})
}

// looks are the pens and names that schemes have in all panels of a figure.
type looks map[string]line

// looksOf gives plain means of the latest k the colours of an order, and every other scheme one of its own.
func looksOf(s *analysis.Selection, panels []analysis.Panel) (looks, []line) {
	var curves []*analysis.Curve
	seen := map[string]bool{}
	for _, p := range panels {
		for _, c := range p.Curves {
			if seen[c.Scheme] {
				continue
			}
			seen[c.Scheme] = true
			if len(s.Policies) > 1 { // the panels' titles say it
				plain := *c
				plain.Policy = ""
				c = &plain
			}
			curves = append(curves, c)
		}
	}
	ks := 0
	for _, c := range curves {
		if analysis.LatestK(c) {
			ks++
		}
	}
	out := looks{}
	legend := []line{{name: "baseline", style: baselinePen()}}
	k, other := 0, 0
	for i, name := range analysis.Labels(curves) {
		l := line{name: name}
		if analysis.LatestK(curves[i]) {
			l.style = pen(ordered(k, ks), k)
			k++
		} else {
			l.style = pen(distinct[other%len(distinct)], other+1)
			other++
		}
		out[curves[i].Scheme] = l
		legend = append(legend, l)
	}
	return out, legend
}

// lines are a panel's, the baseline first.
func (k looks) lines(p analysis.Panel) []line {
	out := []line{{name: "baseline", style: baselinePen(), curve: p.Baseline}}
	for _, c := range p.Curves {
		l := k[c.Scheme]
		l.curve = c
		out = append(out, l)
	}
	return out
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
