package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/plots"
	"github.com/lawa-replay/lawa-replay/results"
)

type plotOptions struct {
	choiceOptions
	lookOptions
	out, ymin, ymax, title, xLabel, yLabel, chooseOn, reference string
	splitHalf                                                   bool
}

func newPlot() *cobra.Command {
	var o plotOptions
	c := &cobra.Command{
		Use:   "plot FIGURE SWEEP... --out FILE",
		Short: "Draw a figure from a sweep's results",
		Long: `Draw a figure from the results of a sweep (its folder, or the .parquet file), or of
several that were made apart.
The ending of --out says the format: .png (300 dpi), .pdf or .svg. The numbers that
are drawn lie beside it as CSV. The same results give the same bytes.

Figures:
` + brief(figureList().kinds) + `

Below it a figure says what it rests on: the policy, the split, the runs. A line is a
mean over runs that were trained alike but for their seed; runs that were trained
otherwise have a panel of their own, or lines of their own with their own baseline in
metrics and optimizers. Each of several policies has a panel.

--lr adds a strip with the learning rate, in which warm-up and decay are marked as far
as the checkpoints show them. --style grey tells lines apart by dashes and grey levels.

A scheme that is chosen on the examples that it is reported on looks better than it
is. speedup chooses the one that saves most, unless --scheme names one, and says so;
with --choose-on SPLIT it is chosen on another split of the sweep, with --split-half on
one half of the examples and drawn for the other.`,
		Example: `  lawa-replay plot k-sensitivity sweep --out fig2.pdf
  lawa-replay plot speedup sweep --scheme lawa:k=6 --metric loss --out fig1.png
  lawa-replay plot early-phase sweep --epochs 1-10 --out fig4.svg
  lawa-replay plot k-sensitivity sweep --policy copy,recompute --x device-hours --out both.pdf
  lawa-replay plot compare sweep --reference annealed --lr --out fig11.pdf
  lawa-replay plot optimizers sweep --style slides --lr --title 'CIFAR-100' --out fig5.png`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runPlot(cmd.Context(), cmd, o, args[0], args[1:])
		},
	}
	f := c.Flags()
	f.StringVar(&o.out, "out", "", "the file to write")
	o.choiceOptions.flags(f)
	o.lookOptions.flags(f)
	f.StringVar(&o.reference, "reference", "", "compare: the run whose checkpoints stand beside the averages, by name, folder or recipe")
	f.StringVar(&o.chooseOn, "choose-on", "", "speedup: the split on which the scheme is chosen (default: the one that is drawn)")
	f.BoolVar(&o.splitHalf, "split-half", false, "speedup: choose the scheme on one half of the split and draw the other (of a sweep --split-half)")
	f.StringVar(&o.title, "title", "", "a title above the figure")
	f.StringVar(&o.xLabel, "xlabel", "", "label of the x axis (default: what it counts)")
	f.StringVar(&o.yLabel, "ylabel", "", "label of the y axis, for figures that have one (default: the split and the metric)")
	f.StringVar(&o.ymin, "ymin", "", "lower end of the y axis")
	f.StringVar(&o.ymax, "ymax", "", "upper end of the y axis")
	return c
}

func runPlot(_ context.Context, cmd *cobra.Command, o plotOptions, figure string, sweeps []string) error {
	options, err := o.parse(figure)
	if err != nil {
		return wrong(cmd, err)
	}
	table, kept, err := readSweeps(sweeps)
	if err != nil {
		return err
	}
	options.Kept = kept
	defer options.Kept.Close()
	drawing, err := plots.New(figure, table, options)
	if err != nil && o.splitHalf {
		return fmt.Errorf("%w (the halves are those of a sweep --split-half)", err)
	}
	if err != nil {
		return err
	}
	if err := drawing.Save(o.out); err != nil {
		return err
	}
	for _, n := range drawing.Notes {
		say("%s", withFlags(n.Err()))
	}
	return nil
}

// parse checks what can be checked without a sweep.
func (o plotOptions) parse(figure string) (plots.Options, error) {
	out, err := o.lookOptions.parse(o.choiceOptions.parse())
	if err != nil {
		return out, err
	}
	out.ChooseOn, out.Title, out.XLabel, out.YLabel, out.Reference = o.chooseOn, o.title, o.xLabel, o.yLabel, o.reference
	if o.reference != "" && figure != "compare" {
		return out, fmt.Errorf("--reference is of the figure compare: %s has none", figure)
	}
	if o.out == "" {
		return out, errors.New("--out is missing: the file to write")
	}
	if err := plots.CheckPath(o.out); err != nil {
		return out, inFlag("out", err)
	}
	if !slices.Contains(plots.Names(), figure) {
		return out, spec.Unknown("figure", figure, plots.Names())
	}
	if (o.chooseOn != "" || o.splitHalf) && figure != "speedup" {
		return out, fmt.Errorf("--choose-on and --split-half are for speedup, which chooses a scheme: %s does not", figure)
	}
	if o.splitHalf {
		if o.chooseOn != "" {
			return out, errors.New("--split-half chooses the scheme on the first half: give no --choose-on")
		}
		split := cmp.Or(out.Split, "val")
		out.Split = split + "-half2"
		if len(out.Schemes) == 0 { // one that was named is reported on the same half, with nothing left to choose
			out.ChooseOn = split + "-half1"
		}
	}
	for _, end := range []struct {
		text string
		to   **float64
	}{{o.ymin, &out.YMin}, {o.ymax, &out.YMax}} {
		if end.text == "" {
			continue
		}
		v, err := strconv.ParseFloat(end.text, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return out, fmt.Errorf("--ymin, --ymax: %q is not a number", end.text)
		}
		*end.to = &v
	}
	return out, out.Check()
}

// missing counts the evaluations that a table lacks, because its sweep still runs, was interrupted, or was merged so.
func missing(t *results.Table) int {
	var about struct{ Missing int }
	_ = json.Unmarshal([]byte(t.Provenance), &about) // of another program there is nothing to say
	return about.Missing
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
	if err == nil {
		if n := missing(t); n > 0 {
			say("note: this sweep is not complete, %s missing", english.Plural(n, "evaluation is", "evaluations are"))
		}
	}
	return t, err
}
