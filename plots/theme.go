package plots

import (
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Style is what a figure is made for.
type Style string

// The styles.
const (
	Paper  Style = "paper"  // one or two columns of text wide
	Slides Style = "slides" // twice as large in all, and as wide as a slide
	Grey   Style = "grey"   // a paper's, without colours
)

// Styles lists them, the usual one first.
var Styles = []Style{Paper, Slides, Grey}

// StyleNames lists them in words.
func StyleNames() string {
	var out []string
	for _, s := range Styles {
		out = append(out, string(s))
	}
	return strings.Join(out, ", ")
}

// theme is what a style means.
type theme struct {
	scale        float64   // stretches all lengths
	column, page vg.Length // widths of a figure of one panel and of several, before they are stretched
	wide         bool      // a page is wider than it is high: grids have more columns than rows
	tallest      vg.Length // what a figure should not be higher than; 0: it may be as high as it needs
	accent       color.NRGBA
	pointer      color.NRGBA // arrows; single curves
	ramp         []color.NRGBA
	distinct     []color.NRGBA // for schemes without an order among them
	groups       []color.NRGBA // for groups of runs in one panel
	grey         bool
}

// colours are those of papers and slides. Schemes without an order have Okabe and Ito's that viridis has not, and two
// darker ones (Tol's wine and olive).
var colours = theme{
	scale: 1, column: columnWidth, page: pageWidth, accent: vermillion, pointer: blue, ramp: viridis,
	distinct: []color.NRGBA{vermillion, {204, 121, 167, 255}, {230, 159, 0, 255}, {86, 180, 233, 255}, {136, 34, 85, 255}, {153, 153, 51, 255}},
	groups:   []color.NRGBA{black, vermillion, blue, {204, 121, 167, 255}, green, {230, 159, 0, 255}, {136, 34, 85, 255}, {153, 153, 51, 255}},
}

// level is a grey, from 0 (black) to 255.
func level(v uint8) color.NRGBA { return color.NRGBA{v, v, v, 255} }

// themeOf is that of a style; "" is the usual one.
func themeOf(s Style) theme {
	t := colours
	switch s {
	case Slides: // 13.33 in × 7.5 in
		t.scale, t.column, t.page, t.wide, t.tallest = 2, 4.5*vg.Inch, 6.6*vg.Inch, true, 7.5*vg.Inch
	case Grey:
		t.accent, t.pointer, t.grey = level(110), level(60), true
		t.ramp = []color.NRGBA{level(40), level(175)}
		t.distinct = []color.NRGBA{level(120), level(60), level(165), level(90), level(145), level(30)}
		t.groups = []color.NRGBA{black, level(120), level(70), level(165)}
	}
	return t
}

// ordered is the colour of the i-th of n ordered curves.
func (t theme) ordered(i, n int) color.NRGBA {
	if n == 1 {
		return t.pointer
	}
	at := float64(i) / float64(n-1) * float64(len(t.ramp)-1)
	j := min(int(at), len(t.ramp)-2)
	f := at - float64(j)
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a)*(1-f) + float64(b)*f)) }
	a, b := t.ramp[j], t.ramp[j+1]
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}

// smaller is the theme with smaller letters and lines, in figures as large as before.
func (t theme) smaller(factor float64) theme {
	t.scale *= factor
	t.column, t.page = t.column/vg.Length(factor), t.page/vg.Length(factor)
	return t
}

// ofK is the pen of the i-th of n means of the latest k. Without colours only the baseline is a line without dashes.
func (t theme) ofK(i, n int) draw.LineStyle {
	if t.grey {
		return pen(t.ordered(i, n), i+1)
	}
	return pen(t.ordered(i, n), i)
}

// other is the pen of the i-th scheme without an order, beside n means of the latest k, whose dashes it does not take.
func (t theme) other(i, n int) draw.LineStyle {
	dash := i + max(1, n)
	if t.grey {
		dash = i + n + 1
	}
	return pen(t.distinct[i%len(t.distinct)], dash)
}

// ofGroup is the pen of a group's baseline (scheme 0) or of its averages (1, 2, …): a colour for each group, a dash for
// each scheme. Without colours each line has a dash of its own.
func (t theme) ofGroup(group, scheme, groups int) draw.LineStyle {
	dash := scheme
	if t.grey {
		dash = group + groups*scheme
	}
	p := pen(t.groups[group%len(t.groups)], dash)
	if scheme > 0 {
		p.Width *= 1.2
	}
	return p
}

// arrow is the pen of arrows.
func (t theme) arrow() draw.LineStyle { return draw.LineStyle{Color: t.pointer, Width: 1.2} }
