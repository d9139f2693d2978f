package plots

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"gonum.org/v1/plot/vg"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results"
)

// Figure draws one from a table.
type Figure func(*results.Table, Options) (*Drawing, error)

// thePaper is where the figures come from.
const thePaper = "Kaddour 2022, arXiv 2209.14981"

// Kind says what a figure is, with its options and examples, and reads its text.
type Kind = spec.Kind[Figure]

// Kinds lists the figures that New makes.
func Kinds() []Kind {
	return []Kind{speedupKind, kSensitivityKind, metricsKind, earlyPhaseKind, optimizersKind, coefficientsKind, timeSavedKind, bestKKind, policiesKind, differenceKind, compareKind}
}

// Names lists the figures' names.
func Names() []string {
	var out []string
	for _, k := range Kinds() {
		out = append(out, k.Name)
	}
	return out
}

// New makes the figure of the given name.
func New(name string, table *results.Table, o Options) (*Drawing, error) {
	draw, err := spec.Choose("figure", name, Kinds())
	if err != nil {
		return nil, err
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	d, err := draw(table, o)
	if err != nil {
		return nil, fmt.Errorf("figure %s: %w", name, err)
	}
	return d, nil
}

// Widths that a figure may have.
const (
	leastWidth = 1.5 * vg.Inch
	mostWidth  = 40 * vg.Inch
	mostText   = 300 // characters of a title or a label
)

// Check says what is wrong with options, as far as that needs no table.
func (o Options) Check() error {
	if o.Spread != "" && !slices.Contains(Spreads, o.Spread) {
		return fmt.Errorf("spread %q: want one of %s", o.Spread, SpreadNames())
	}
	if o.X != "" && !slices.Contains(analysis.AxisNames(), o.X) {
		return spec.Unknown("axis", o.X, analysis.AxisNames())
	}
	if o.Style != "" && !slices.Contains(Styles, o.Style) {
		return spec.Unknown("style", string(o.Style), strings.Split(StyleNames(), ", "))
	}
	if least := leastWidth * vg.Length(themeOf(o.Style).scale); o.Width != 0 && !(o.Width >= least && o.Width <= mostWidth) {
		return fmt.Errorf("a width of %.3g in: want %g to %g in", o.Width/vg.Inch, least/vg.Inch, mostWidth/vg.Inch)
	}
	for what, text := range map[string]string{"title": o.Title, "label of the x axis": o.XLabel, "label of the y axis": o.YLabel} {
		if utf8.RuneCountInString(text) > mostText || strings.ContainsFunc(text, unicode.IsControl) {
			return fmt.Errorf("the %s: want at most %d characters, none of them a control character", what, mostText)
		}
	}
	return nil
}
