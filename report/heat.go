package report

import (
	"fmt"
	"html/template"
	"image/color"
	"math"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/plots"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// heat is a map of differences.
type heat struct {
	Heading, Caption string
	SVG              template.HTML
}

// heatOf draws k × endpoint, where there are several plain means of the latest k. The data are those of the panel's charts.
func heatOf(m metric.Metric, key string, p analysis.AnswersOf, d panelData) (heat, bool) {
	var rows []int
	for i, c := range p.All() {
		if i > 0 && analysis.LatestK(c) && d.Curves[i].D[key] != nil {
			rows = append(rows, i)
		}
	}
	if len(rows) < 2 {
		return heat{}, false
	}
	slices.SortFunc(rows, func(a, b int) int { return p.All()[b].K - p.All()[a].K })
	epochs := p.Baseline.Points
	var sizes []float64
	for _, i := range rows {
		for _, v := range d.Curves[i].D[key].Value {
			if v != nil {
				sizes = append(sizes, math.Abs(*v))
			}
		}
	}
	if len(sizes) == 0 {
		return heat{}, false
	}
	slices.Sort(sizes)
	full := sizes[int(0.8*float64(len(sizes)-1))] // what is beyond is as strong: a few first endpoints would rule all others
	if full == 0 {
		full = 1
	}
	const left, top, height = 64, 8, 20
	width := max(8, min(34, 900/len(epochs)))
	w, h := left+width*len(epochs)+8, top+height*len(rows)+34
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="heat" role="img" aria-label="difference from the checkpoints themselves by k and epoch; the numbers are in the cells" width="%d" height="%d" viewBox="0 0 %d %d">`, w, h, w, h)
	b.WriteString(`<defs><pattern id="open" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="5" stroke="#555" stroke-width="1"/></pattern></defs>`)
	best := map[int]int{} // row of the best of each endpoint
	at := func(row, col int) (v, low, high *float64) {
		c, e := p.All()[row], d.Curves[row].D[key]
		i := slices.IndexFunc(c.Points, func(q analysis.Point) bool { return math.Abs(q.Epoch-epochs[col].Epoch) < trajectory.EpochSlack })
		if i < 0 {
			return nil, nil, nil
		}
		return e.Value[i], e.Low[i], e.High[i]
	}
	for col := range epochs {
		for y, row := range rows {
			v, _, _ := at(row, col)
			if v == nil {
				continue
			}
			if o, ok := best[col]; ok {
				if other, _, _ := at(rows[o], col); !m.Better(*v, *other) {
					continue
				}
			}
			best[col] = y
		}
	}
	for y, row := range rows {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">k = %d</text>`, left-6, top+y*height+14, p.All()[row].K)
		for col := range epochs {
			v, low, high := at(row, col)
			if v == nil {
				continue
			}
			open := low == nil || *low <= 0 && *high >= 0
			text := fmt.Sprintf("k = %d at epoch %s: %s", p.All()[row].K, trajectory.EpochName(epochs[col].Epoch), signed(m, *v))
			if low != nil {
				text += fmt.Sprintf(", %s to %s", signed(m, *low), signed(m, *high))
			}
			x, yy := left+col*width, top+y*height
			fmt.Fprintf(&b, `<g><title>%s</title><rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`, template.HTMLEscapeString(text), x, yy, width-1, height-1, hexOf(plots.Shade(false, m.Better(0, *v), *v/full)))
			if open {
				fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="url(#open)"/>`, x, yy, width-1, height-1)
			}
			if best[col] == y {
				fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#000" stroke-width="2"/>`, x+1, yy+1, width-3, height-3)
			}
			b.WriteString("</g>")
		}
	}
	longest := 0
	for _, p := range epochs {
		longest = max(longest, len(trajectory.EpochName(p.Epoch)))
	}
	every := max(1, int(math.Ceil(float64(7*longest+6)/float64(width)))) // so many cells take a label
	for col := 0; col < len(epochs); col += every {
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`, left+col*width+width/2, top+len(rows)*height+14, trajectory.EpochName(epochs[col].Epoch))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">Epoch</text></svg>`, left+width*len(epochs)/2, h-4)
	heading := "Best k"
	if p.Title != "" {
		heading += ": " + p.Title
	}
	return heat{heading, fmt.Sprintf("Difference of each mean of the latest k from the checkpoint itself, %s: green is better, red worse, at full strength from %s on; hatched where the 95 %% interval holds 0; framed the best k of an epoch, chosen on the examples that are shown.",
		m.Heading(), m2(m, full)), template.HTML(b.String())}, true //nolint:gosec // its texts are escaped
}

// hexOf is a colour as HTML writes it.
func hexOf(c color.Color) string {
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}
