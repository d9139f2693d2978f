package plots

import (
	"bytes"
	"image"
	"image/color"
	"math"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// pdfCanvas is a vg.Canvas that writes PDF. The one that comes with gonum/plot writes the date into the
// file, turns text that is not ASCII to rubbish and embeds whole fonts; this one gives the same bytes every
// time, and text that can be searched, from a subset of the font.
type pdfCanvas struct {
	doc    *fpdf.Fpdf
	w, h   vg.Length
	height float64
	state  pdfState
	saved  []pdfState
}

// pdfState is what Push saves. The matrix maps vg's coordinates (points, y up) to the page's.
type pdfState struct {
	m      [6]float64 // x' = m0·x + m2·y + m4, y' = m1·x + m3·y + m5
	color  color.Color
	width  vg.Length
	dashes []vg.Length
	offset vg.Length
}

const pdfFont = "sans"

func newPDF(w, h vg.Length) *pdfCanvas {
	doc := fpdf.NewCustom(&fpdf.InitType{UnitStr: "pt", Size: fpdf.SizeType{Wd: w.Points(), Ht: h.Points()}})
	doc.SetMargins(0, 0, 0)
	doc.SetAutoPageBreak(false, 0)
	doc.SetCreationDate(time.Unix(0, 0).UTC())
	doc.SetModificationDate(time.Unix(0, 0).UTC())
	doc.SetCatalogSort(true)
	doc.SetCreator("lawa-replay", true)
	doc.AddUTF8FontFromBytes(pdfFont, "", fontData)
	doc.AddPage()
	doc.SetLineCapStyle("butt")
	doc.SetLineJoinStyle("round")
	return &pdfCanvas{doc: doc, w: w, h: h, height: h.Points(), state: pdfState{m: [6]float64{1, 0, 0, 1, 0, 0}, color: color.Black, width: 1}}
}

func (c *pdfCanvas) bytes() ([]byte, error) {
	var buf bytes.Buffer
	err := c.doc.Output(&buf)
	return buf.Bytes(), err
}

// Size implements vg.CanvasSizer.
func (c *pdfCanvas) Size() (w, h vg.Length) { return c.w, c.h }

// at maps a point to the page, whose y axis points down.
func (c *pdfCanvas) at(p vg.Point) (x, y float64) {
	m := c.state.m
	x, y = p.X.Points(), p.Y.Points()
	return m[0]*x + m[2]*y + m[4], c.height - (m[1]*x + m[3]*y + m[5])
}

// scale is the factor by which the matrix stretches lengths.
func (c *pdfCanvas) scale() float64 {
	m := c.state.m
	return math.Sqrt(math.Abs(m[0]*m[3] - m[1]*m[2]))
}

func (c *pdfCanvas) SetLineWidth(w vg.Length) { c.state.width = w }
func (c *pdfCanvas) SetLineDash(d []vg.Length, off vg.Length) {
	c.state.dashes, c.state.offset = d, off
}
func (c *pdfCanvas) SetColor(clr color.Color) { c.state.color = clr }
func (c *pdfCanvas) Push()                    { c.saved = append(c.saved, c.state) }
func (c *pdfCanvas) Pop() {
	c.state = c.saved[len(c.saved)-1]
	c.saved = c.saved[:len(c.saved)-1]
}

// apply lets another transformation come before the present one.
func (c *pdfCanvas) apply(n [6]float64) {
	m := c.state.m
	c.state.m = [6]float64{
		m[0]*n[0] + m[2]*n[1], m[1]*n[0] + m[3]*n[1],
		m[0]*n[2] + m[2]*n[3], m[1]*n[2] + m[3]*n[3],
		m[0]*n[4] + m[2]*n[5] + m[4], m[1]*n[4] + m[3]*n[5] + m[5],
	}
}

func (c *pdfCanvas) Rotate(rad float64) {
	sin, cos := math.Sincos(rad)
	c.apply([6]float64{cos, sin, -sin, cos, 0, 0})
}
func (c *pdfCanvas) Translate(p vg.Point) {
	c.apply([6]float64{1, 0, 0, 1, p.X.Points(), p.Y.Points()})
}
func (c *pdfCanvas) Scale(x, y float64) { c.apply([6]float64{x, 0, 0, y, 0, 0}) }
func (c *pdfCanvas) rgb() (int, int, int) {
	clr := c.state.color
	if clr == nil {
		clr = color.Black
	}
	n := color.NRGBAModel.Convert(clr).(color.NRGBA)
	return int(n.R), int(n.G), int(n.B)
}

func (c *pdfCanvas) Stroke(p vg.Path) {
	if c.state.width <= 0 {
		return
	}
	s := c.scale()
	c.doc.SetDrawColor(c.rgb())
	c.doc.SetLineWidth(c.state.width.Points() * s)
	dashes := make([]float64, len(c.state.dashes))
	for i, d := range c.state.dashes {
		dashes[i] = d.Points() * s
	}
	c.doc.SetDashPattern(dashes, c.state.offset.Points()*s)
	c.path(p)
	c.doc.DrawPath("D")
}

func (c *pdfCanvas) Fill(p vg.Path) {
	c.doc.SetFillColor(c.rgb())
	n, _ := color.NRGBAModel.Convert(c.state.color).(color.NRGBA)
	if n.A < 255 {
		c.doc.SetAlpha(float64(n.A)/255, "Normal")
	}
	c.path(p)
	c.doc.DrawPath("F")
	if n.A < 255 {
		c.doc.SetAlpha(1, "Normal")
	}
}

func (c *pdfCanvas) path(p vg.Path) {
	for _, e := range p {
		switch e.Type {
		case vg.MoveComp:
			c.doc.MoveTo(c.at(e.Pos))
		case vg.LineComp:
			c.doc.LineTo(c.at(e.Pos))
		case vg.CloseComp:
			c.doc.ClosePath()
		case vg.ArcComp:
			c.arc(e)
		case vg.CurveComp:
			a, b := e.Control[0], e.Control[len(e.Control)-1]
			if len(e.Control) == 1 { // quadratic: both control points lie two thirds of the way
				x0, y0 := c.doc.GetXY()
				qx, qy := c.at(a)
				x, y := c.at(e.Pos)
				c.doc.CurveBezierCubicTo(x0+2*(qx-x0)/3, y0+2*(qy-y0)/3, x+2*(qx-x)/3, y+2*(qy-y)/3, x, y)
				continue
			}
			ax, ay := c.at(a)
			bx, by := c.at(b)
			x, y := c.at(e.Pos)
			c.doc.CurveBezierCubicTo(ax, ay, bx, by, x, y)
		}
	}
}

// arc goes along a circle in Bézier curves of at most a quarter turn; like vg, it first draws a line to
// the start.
func (c *pdfCanvas) arc(e vg.PathComp) {
	point := func(a float64) vg.Point {
		return vg.Point{X: e.Pos.X + e.Radius*vg.Length(math.Cos(a)), Y: e.Pos.Y + e.Radius*vg.Length(math.Sin(a))}
	}
	n := max(1, int(math.Ceil(math.Abs(e.Angle)/(math.Pi/2)-1e-9)))
	step := e.Angle / float64(n)
	k := vg.Length(4.0 / 3 * math.Tan(step/4))
	x, y := c.at(point(e.Start))
	c.doc.LineTo(x, y)
	for i := range n {
		a, b := e.Start+float64(i)*step, e.Start+float64(i+1)*step
		p, q := point(a), point(b)
		ax, ay := c.at(vg.Point{X: p.X - k*(p.Y-e.Pos.Y), Y: p.Y + k*(p.X-e.Pos.X)})
		bx, by := c.at(vg.Point{X: q.X + k*(q.Y-e.Pos.Y), Y: q.Y - k*(q.X-e.Pos.X)})
		x, y := c.at(q)
		c.doc.CurveBezierCubicTo(ax, ay, bx, by, x, y)
	}
}

func (c *pdfCanvas) FillString(f font.Face, p vg.Point, s string) {
	if f.Font.Size <= 0 {
		return
	}
	c.doc.SetFont(pdfFont, "", f.Font.Size.Points())
	c.doc.SetTextColor(c.rgb())
	x, y := c.at(p)
	m := c.state.m
	c.doc.TransformBegin()
	// Text is set at the page's origin (fpdf counts from the top) and carried to its place.
	c.doc.Transform(fpdf.TransformMatrix{A: m[0], B: m[1], C: m[2], D: m[3], E: x, F: c.height - y})
	c.doc.Text(0, c.height, s)
	c.doc.TransformEnd()
}

// DrawImage is part of vg.Canvas; no figure here holds an image.
func (c *pdfCanvas) DrawImage(vg.Rectangle, image.Image) {}
