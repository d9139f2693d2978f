package plots

import (
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/lawa-replay/lawa-replay/analysis"
)

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

// looks are the pens and names that schemes have in all panels of a figure.
type looks map[string]line

// looksOf gives plain means of the latest k the colours of an order, and every other scheme one of its own.
func looksOf(t theme, s *analysis.Selection, panels []analysis.Panel) (looks, []line) {
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
			l.style = t.ofK(k, ks)
			k++
		} else {
			l.style = t.other(other, ks)
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
