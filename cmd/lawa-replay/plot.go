package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"lawa-replay/evaluator/results"
	"lawa-replay/plots"
)

type plotOptions struct {
	out, ymin, ymax, epochs string
	plots.Options
}

func newPlot() *cobra.Command {
	var o plotOptions
	about := ""
	for _, name := range plots.Names() {
		about += fmt.Sprintf("  %-14s %s\n", name, plots.About(name))
	}
	c := &cobra.Command{
		Use:   "plot FIGURE SWEEP --out FILE",
		Short: "Draw a figure from a sweep's results",
		Long: `Draw a figure from the results of a sweep (its folder, or the .parquet file).
The ending of --out says the format: .png (300 dpi), .pdf or .svg. The numbers that
are drawn lie beside it as CSV. The same results give the same bytes.

Figures:
` + about,
		Example: `  lawa-replay plot k-sensitivity sweep --out fig2.pdf
  lawa-replay plot speedup sweep --scheme lawa:k=6 --metric loss --out fig1.png
  lawa-replay plot early-phase sweep --epochs 1-10 --out fig4.svg`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runPlot(cmd.Context(), cmd, o, args[0], args[1])
		},
	}
	f := c.Flags()
	f.StringVar(&o.out, "out", "", "the file to write")
	f.StringVar(&o.Metric, "metric", "", "metric, such as top1, loss, perplexity, or one of a worker (default: the figure's own)")
	f.StringVar(&o.Split, "split", "", "split (default: the first of the sweep)")
	f.StringVar(&o.Policy, "bn", "", "policy of the averages (default: the first of the sweep)")
	f.StringArrayVar(&o.Schemes, "scheme", nil, "only this scheme; may be repeated")
	f.StringVar(&o.epochs, "epochs", "", "only these epochs, as in 1-10")
	f.StringVar(&o.ymin, "ymin", "", "lower end of the y axis")
	f.StringVar(&o.ymax, "ymax", "", "upper end of the y axis")
	return c
}

func runPlot(_ context.Context, cmd *cobra.Command, o plotOptions, figure, sweep string) error {
	if o.out == "" {
		return wrong(cmd, errors.New("--out is missing: the file to write"))
	}
	if err := plots.CheckPath(o.out); err != nil {
		return wrong(cmd, fmt.Errorf("--out %w", err))
	}
	if !slices.Contains(plots.Names(), figure) {
		_, err := plots.New(figure, nil, o.Options)
		return wrong(cmd, err)
	}
	for _, end := range []struct {
		text string
		to   **float64
	}{{o.ymin, &o.YMin}, {o.ymax, &o.YMax}} {
		if end.text == "" {
			continue
		}
		v, err := strconv.ParseFloat(end.text, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return wrong(cmd, fmt.Errorf("--ymin, --ymax: %q is not a number", end.text))
		}
		*end.to = &v
	}
	if o.epochs != "" {
		a, b, ok := strings.Cut(o.epochs, "-")
		var errA, errB error
		o.From, errA = strconv.ParseFloat(a, 64)
		o.To, errB = strconv.ParseFloat(b, 64)
		if !ok || errA != nil || errB != nil || !(o.From < o.To) {
			return wrong(cmd, fmt.Errorf("--epochs %q: want a range such as 1-10", o.epochs))
		}
	}
	table, err := readResults(sweep)
	if err != nil {
		return err
	}
	drawing, err := plots.New(figure, table, o.Options)
	if err != nil {
		return err
	}
	if err := drawing.Save(o.out); err != nil {
		return err
	}
	for _, n := range drawing.Notes {
		say("%s", n)
	}
	return nil
}

// readResults reads a sweep's table, from its folder or from the file itself.
func readResults(path string) (*results.Table, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, results.File)
	}
	t, err := results.Read(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: run a sweep into this folder first", err)
	}
	if err == nil && len(t.Rows) == 0 {
		err = fmt.Errorf("%s holds no rows", path)
	}
	return t, err
}
