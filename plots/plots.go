// Package plots draws the figures, from results alone.
//
// It believes that a figure is evidence: the same table gives the same bytes, the numbers that are drawn
// lie beside it as CSV, and it is fit for a paper as it comes: true to size, readable at column width,
// distinct without colour, its legend outside of the lines. It says itself what it rests on: the policy, the
// split, the runs.
package plots

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/results/examples"
)

// Options choose what a figure shows. Empty fields let the figure choose, which it then says.
type Options struct {
	analysis.Choice
	X          string // what the x axis counts: one of analysis.AxisNames
	Spread     Spread // of several runs
	Reference  string // compare: the run whose checkpoints stand beside the averages, as results.Run.Is knows it
	ChooseOn   string // speedup: the split on which the scheme is chosen that is reported; "" is the reported one
	YMin, YMax *float64
	Style      Style           // "" is Paper
	Width      vg.Length       // of the figure; 0 is what suits the style and the number of panels
	Title      string          // above the figure
	XLabel     string          // "" is the axis's own
	YLabel     string          // "" is that of the metric and the split; for figures of one metric
	LR         bool            // a strip with the learning rate below
	Kept       *examples.Store // what each example gave, of which intervals are made; nil: there are none
}

// Drawing is a figure ready to be rendered.
type Drawing struct {
	Width, Height vg.Length
	Scale         float64 // stretches Width, Height and all that is drawn; 0 is 1
	Draw          func(draw.Canvas)
	Rows          [][]string      // of the CSV, with its header
	Notes         []analysis.Note // what a reader should know
}

// Formats lists the formats that Save writes, by their file endings.
var Formats = []string{".png", ".pdf", ".svg"}

// CheckPath says whether Save knows the format that the path's ending names.
func CheckPath(path string) error {
	if !slices.Contains(Formats, filepath.Ext(path)) {
		return fmt.Errorf("%s: the ending says the format, one of %s", path, strings.Join(Formats, ", "))
	}
	return nil
}

// dpi of the PNG files.
const dpi = 300.0

// Save writes the drawing to path, in the format of its ending, and the CSV beside it.
func (d *Drawing) Save(path string) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	ext := filepath.Ext(path)
	render := map[string]func() ([]byte, error){".png": d.png, ".pdf": d.pdf, ".svg": d.svg}[ext]
	data, err := render()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := atomicfile.WriteBytes(path, data); err != nil {
		return err
	}
	return atomicfile.Write(strings.TrimSuffix(path, ext)+".csv", func(w io.Writer) error {
		c := csv.NewWriter(w)
		return c.WriteAll(d.Rows)
	})
}

func (d *Drawing) png() ([]byte, error) { return d.raster(dpi) }

// raster is a PNG file of so many dots to the inch.
func (d *Drawing) raster(dpi float64) ([]byte, error) {
	// A stretched figure has more dots, not stretched ones.
	c := vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(d.Width, d.Height), vgimg.UseDPI(int(math.Round(dpi*d.scale()))))}
	d.Draw(draw.New(c))
	var buf bytes.Buffer
	if _, err := c.WriteTo(&buf); err != nil {
		return nil, err
	}
	return withDPI(buf.Bytes(), dpi)
}

// SVG renders the drawing.
func (d *Drawing) SVG() ([]byte, error) { return d.svg() }

func (d *Drawing) svg() ([]byte, error) {
	c := vgsvg.New(d.size())
	d.drawScaled(c)
	var buf bytes.Buffer
	_, err := c.WriteTo(&buf)
	// Where the font is not installed, those as wide as it: else names in legends would run into one another.
	return bytes.ReplaceAll(buf.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arimo,Arial,Helvetica,sans-serif")), err
}

func (d *Drawing) pdf() ([]byte, error) {
	c := newPDF(d.size())
	d.drawScaled(c)
	return c.bytes()
}

func (d *Drawing) scale() float64 {
	if d.Scale == 0 {
		return 1
	}
	return d.Scale
}

// size is that of the figure on paper.
func (d *Drawing) size() (w, h vg.Length) {
	return d.Width * vg.Length(d.scale()), d.Height * vg.Length(d.scale())
}

// drawScaled draws on a canvas that keeps lines and letters as such.
func (d *Drawing) drawScaled(c vg.Canvas) {
	if s := d.scale(); s != 1 {
		c.Scale(s, s)
	}
	d.Draw(draw.NewCanvas(c, d.Width, d.Height))
}

// rows are the panels' curves as CSV. What is not known is empty.
func rows(s *analysis.Selection, shown func(analysis.Panel) []*analysis.Curve) [][]string {
	out := [][]string{{"scheme", "policy", "epoch", s.Metric.Name, "lowest run", "highest run", "runs", "seconds", "standard deviation", "standard error", "examples", "step", "tokens", "device-hours", "learning rate", "runs of"}}
	seen := map[*analysis.Curve]bool{}
	for _, panel := range s.Panels {
		for _, c := range shown(panel) {
			if seen[c] { // the baseline of several policies
				continue
			}
			seen[c] = true
			for _, p := range c.Points {
				value := strconv.FormatFloat(p.Value, 'g', -1, 64) // NaN is a value
				out = append(out, []string{c.Scheme, c.Policy, number(p.Epoch), value, number(p.Low), number(p.High), strconv.Itoa(c.Runs()), number(p.Seconds),
					number(p.SD), number(p.StdErr), strconv.FormatInt(p.N, 10), number(p.Step), number(p.Tokens), number(p.DeviceHours), number(p.LR), c.Group.Name})
			}
		}
	}
	return out
}

// number is that of a CSV; what is not known is empty.
func number(f float64) string {
	if math.IsNaN(f) {
		return ""
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// xLabel is the label of the x axis.
func (o Options) xLabel(axis analysis.Axis) string { return cmp.Or(o.XLabel, axis.Label) }

// yLabel is the label of the metric's axis.
func (o Options) yLabel(s *analysis.Selection) string {
	if o.YLabel != "" {
		return o.YLabel
	}
	whole, n, halved := strings.Cut(s.Split, "-half")
	split := ""
	switch {
	case whole == "val":
		split = "validation"
	case analysis.Training(whole):
		split = "training"
	default:
		split, halved = s.Split, false
	}
	if halved {
		split += " (half " + n + ")"
	}
	text := strings.ToUpper(split[:1]) + split[1:] + " " + s.Metric.Label
	if s.Metric.Unit != "" {
		text += " (" + s.Metric.Unit + ")"
	}
	return text
}
