package plots

import (
	"fmt"
	"slices"

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
	return []Kind{kSensitivityKind, speedupKind, earlyPhaseKind}
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
	if o.Spread != "" && !slices.Contains(Spreads, o.Spread) {
		return nil, fmt.Errorf("spread %q: want one of %s", o.Spread, SpreadNames())
	}
	d, err := draw(table, o)
	if err != nil {
		return nil, fmt.Errorf("figure %s: %w", name, err)
	}
	return d, nil
}
