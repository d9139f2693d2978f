package plots

import (
	"image/color"

	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Sizes for a paper: one column of text wide.
const (
	columnWidth = 3.25 * vg.Inch
	pageWidth   = 6.75 * vg.Inch // two columns and what is between them
	headSize    = vg.Length(9)   // the figure's title
	captionSize = vg.Length(6.5) // what a figure rests on
	textSize    = vg.Length(8)   // axis labels, points
	smallSize   = vg.Length(7)   // tick labels, legends
	frameWidth  = vg.Length(0.6)
	gridWidth   = vg.Length(0.4)
	lineWidth   = vg.Length(1.1)
	tickLength  = vg.Length(3)
)

// fontData is the font of every text: Liberation Sans, which is metrically Arial.
var fontData = liberationsansregular.TTF

func textStyle(size vg.Length, c color.Color) text.Style {
	return text.Style{
		Color:   c,
		Font:    font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, size),
		XAlign:  draw.XLeft,
		YAlign:  draw.YBottom,
		Handler: text.Plain{Fonts: font.DefaultCache},
	}
}

// Colours that the colour-blind tell apart: Okabe and Ito (2008); the baseline is black.
var (
	black      = color.NRGBA{0, 0, 0, 255}
	grey       = color.NRGBA{90, 90, 90, 255}
	paleGrey   = color.NRGBA{225, 225, 225, 255}
	white      = color.NRGBA{255, 255, 255, 255}
	vermillion = color.NRGBA{213, 94, 0, 255}
	blue       = color.NRGBA{0, 114, 178, 255}
	green      = color.NRGBA{0, 158, 115, 255}
)

// viridis (van der Walt and Smith, 2015) at steps of an eighth, without its pale end: its lightness rises
// evenly, so an order survives printing in grey.
var viridis = []color.NRGBA{
	{68, 1, 84, 255}, {71, 44, 122, 255}, {59, 81, 139, 255}, {44, 113, 142, 255},
	{33, 144, 141, 255}, {39, 173, 129, 255}, {92, 200, 99, 255}, {160, 210, 50, 255},
}

// dashes are a second cue beside the colour.
var dashes = [][]vg.Length{nil, {5, 1.5}, {2.5, 1.2}, {5, 1.5, 1, 1.5}, {1, 1.2}, {7, 1.5, 2, 1.5}, {5, 1.2, 1, 1.2, 1, 1.2}, {0.8, 2.4}}

func pen(c color.Color, i int) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: lineWidth, Dashes: dashes[i%len(dashes)]}
}

// baselinePen draws the checkpoints themselves.
func baselinePen() draw.LineStyle { return draw.LineStyle{Color: black, Width: 1.3 * lineWidth} }
