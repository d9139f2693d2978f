package plots

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/analysis"
)

// Spread is what a band around the mean of several runs shows.
type Spread string

// The spreads. Unless one is named, three runs or more show their standard deviation and two their range.
const (
	SD    Spread = "sd"    // mean ± one sample standard deviation
	Range Spread = "range" // lowest to highest run
	None  Spread = "none"
)

// Spreads lists them.
var Spreads = []Spread{SD, Range, None}

// SpreadNames lists them in words.
func SpreadNames() string {
	var out []string
	for _, s := range Spreads {
		out = append(out, string(s))
	}
	return strings.Join(out, ", ")
}

// mostBands is how many overlapping bands can be told apart.
const mostBands = 3

// banded gives bands to those lines that are means of several runs: to all of them, or, where they are too many to
// be told apart, to the baseline alone, which is the first. It says what they show, for the caption.
func banded(lines []line, spread Spread) string {
	partly(lines)
	runs, several := 0, 0
	for _, l := range lines {
		if l.curve != nil && l.curve.Runs() > 1 {
			several++
			runs = max(runs, l.curve.Runs())
		}
	}
	if spread == "" {
		spread = SD
		if runs == 2 {
			spread = Range
		}
	}
	if several == 0 || spread == None {
		return ""
	}
	for i := range lines {
		if c := lines[i].curve; c != nil && c.Runs() > 1 && (several <= mostBands || c.IsBaseline()) {
			lines[i].spread = spread
		}
	}
	if several > mostBands {
		return fmt.Sprintf("band: %s of the baseline", spread.text())
	}
	return "bands: " + spread.text()
}

// partly gives bands to those lines of one run some of whose values rest on a part of the examples: their intervals.
func partly(lines []line) {
	for i, l := range lines {
		if l.curve != nil && slices.ContainsFunc(l.curve.Points, func(p analysis.Point) bool { return p.Partly }) {
			lines[i].spread = Range
		}
	}
}

// bandedAll gives bands to all lines that are means of several runs, for panels in which each is a matter of its own. It
// says what they show, for the caption.
func bandedAll(lines []line, spread Spread) string {
	partly(lines)
	runs := 0
	for _, l := range lines {
		runs = max(runs, l.curve.Runs())
	}
	if spread == "" {
		spread = SD
		if runs == 2 {
			spread = Range
		}
	}
	if runs < 2 || spread == None {
		return ""
	}
	for i := range lines {
		if lines[i].curve.Runs() > 1 {
			lines[i].spread = spread
		}
	}
	return "bands: " + spread.text()
}

// text says what a band shows.
func (s Spread) text() string {
	return map[Spread]string{SD: "±1 standard deviation", Range: "lowest to highest run"}[s]
}

// reach is how far a line's band reaches at a point.
func (l line) reach(p analysis.Point) (lo, hi float64) {
	switch l.spread {
	case SD:
		return p.Value - p.SD, p.Value + p.SD
	case Range:
		return p.Low, p.High
	}
	return p.Value, p.Value
}

// width is how wide a line's band is in the mean.
func (l line) width() float64 {
	sum, n := 0.0, 0
	for _, p := range l.curve.Points {
		if lo, hi := l.reach(p); !math.IsNaN(hi - lo) {
			sum, n = sum+hi-lo, n+1
		}
	}
	return sum / float64(max(1, n))
}

// reach is how far a band reaches at a place of the x axis.
type reach struct{ x, lo, hi float64 }

// clip cuts a band off where it leaves the y axis: between two points too, where its edges cross the limits.
func clip(band []reach, lo, hi float64) []reach {
	var out []reach
	add := func(r reach) { out = append(out, reach{r.x, max(lo, min(hi, r.lo)), max(lo, min(hi, r.hi))}) }
	for i, b := range band {
		if i > 0 {
			a := band[i-1]
			var at []float64
			for _, limit := range []float64{lo, hi} {
				for _, edge := range [][2]float64{{a.lo, b.lo}, {a.hi, b.hi}} {
					if (edge[0]-limit)*(edge[1]-limit) < 0 {
						at = append(at, (limit-edge[0])/(edge[1]-edge[0]))
					}
				}
			}
			slices.Sort(at)
			for _, t := range at {
				add(reach{a.x + t*(b.x-a.x), a.lo + t*(b.lo-a.lo), a.hi + t*(b.hi-a.hi)})
			}
		}
		add(b)
	}
	return out
}
