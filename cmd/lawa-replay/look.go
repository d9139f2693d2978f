package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"gonum.org/v1/plot/vg"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/plots"
)

// lookOptions are the flags that say how figures look, of one figure or of all.
type lookOptions struct {
	x, spread, epochs, style, width string
	rate                            bool
}

func (o *lookOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.x, "x", "", "what the x axis counts: "+strings.Join(analysis.AxisNames(), ", ")+" (default: epoch)")
	f.StringVar(&o.spread, "spread", "", "what the bands around means over runs show: "+plots.SpreadNames()+" (default: sd of three runs or more, range of two)")
	f.StringVar(&o.epochs, "epochs", "", "only these epochs, as in 1-10")
	f.StringVar(&o.style, "style", "", plots.StyleNames()+" (default: "+string(plots.Styles[0])+")")
	f.StringVar(&o.width, "width", "", "of the figure, as in 85mm, 3.25in, 240pt (default: one column of text, two for several panels, a slide)")
	f.BoolVar(&o.rate, "lr", false, "a strip with the learning rate below the figure, warm-up and decay marked")
}

// parse reads what stands in the flags.
func (o lookOptions) parse(choice analysis.Choice) (plots.Options, error) {
	out := plots.Options{Choice: choice, X: o.x, Spread: plots.Spread(o.spread), Style: plots.Style(o.style), LR: o.rate}
	if o.spread != "" && !slices.Contains(plots.Spreads, out.Spread) {
		return out, fmt.Errorf("--spread %s: want one of %s", o.spread, plots.SpreadNames())
	}
	if o.x != "" && !slices.Contains(analysis.AxisNames(), o.x) {
		return out, inFlag("x", spec.Unknown("axis", o.x, analysis.AxisNames()))
	}
	if o.style != "" && !slices.Contains(plots.Styles, out.Style) {
		return out, inFlag("style", spec.Unknown("style", o.style, strings.Split(plots.StyleNames(), ", ")))
	}
	if o.epochs != "" {
		a, b, ok := strings.Cut(o.epochs, "-")
		var errA, errB error
		out.From, errA = strconv.ParseFloat(a, 64)
		out.To, errB = strconv.ParseFloat(b, 64)
		if !ok || errA != nil || errB != nil || !(out.From < out.To) {
			return out, fmt.Errorf("--epochs %q: want a range such as 1-10", o.epochs)
		}
	}
	var err error
	if out.Width, err = parseLength(o.width); err != nil {
		return out, inFlag("width", err)
	}
	return out, nil
}

// parseLength reads a length with its unit; without one it could be read several ways.
func parseLength(text string) (vg.Length, error) {
	if text == "" {
		return 0, nil
	}
	for unit, length := range map[string]vg.Length{"in": vg.Inch, "mm": vg.Millimeter, "cm": vg.Centimeter, "pt": 1} {
		if number, has := strings.CutSuffix(text, unit); has {
			v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			if err != nil || !(v > 0 && v < 1e6) {
				break
			}
			return vg.Length(v) * length, nil
		}
	}
	return 0, fmt.Errorf("%q: want a number with its unit: 85mm, 8.5cm, 3.25in, 240pt", text)
}
