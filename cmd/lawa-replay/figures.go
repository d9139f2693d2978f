package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/plots"
	"github.com/lawa-replay/lawa-replay/results"
)

type figuresOptions struct {
	choiceOptions
	lookOptions
	out, formats, only, reference string
}

// indexFile says in a folder of figures how each is drawn alone.
const indexFile = "figures.txt"

func newFigures() *cobra.Command {
	var o figuresOptions
	c := &cobra.Command{
		Use:   "figures SWEEP... --out DIR",
		Short: "Draw all figures that a sweep has the data for",
		Long: `Draw every figure that the results of a sweep (its folder, or the .parquet file) have
the data for, in every format, with the numbers beside each as CSV. What is left out is
named with the reason. figures.txt in the folder says which command draws each alone.

Figures:
` + brief(figureList().kinds) + `

plot draws one of them, with options that only one figure has.`,
		Example: `  lawa-replay figures sweep --out figures
  lawa-replay figures sweep --style slides --format png --lr --out slides
  lawa-replay figures sweep --figure speedup,metrics --x device-hours --out hours`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runFigures(cmd.Context(), cmd, o, args)
		},
	}
	f := c.Flags()
	f.StringVar(&o.out, "out", "", "the folder to write into")
	f.StringVar(&o.formats, "format", "", "file formats, as in png,pdf (default: "+strings.ReplaceAll(strings.Join(plots.Formats, ","), ".", "")+")")
	f.StringVar(&o.only, "figure", "", "only these, each of which must be drawn, as in speedup,metrics (default: all that there is data for)")
	f.StringVar(&o.reference, "reference", "", "compare: the run whose checkpoints stand beside the averages (default: compare is left out)")
	o.choiceOptions.flags(f)
	o.lookOptions.flags(f)
	return c
}

func runFigures(_ context.Context, cmd *cobra.Command, o figuresOptions, sweeps []string) error {
	if o.out == "" {
		return wrong(cmd, errors.New("--out is missing: the folder to write into"))
	}
	options, err := o.lookOptions.parse(o.choiceOptions.parse())
	options.Reference = o.reference
	if err == nil {
		err = options.Check()
	}
	if err != nil {
		return wrong(cmd, err)
	}
	a := atlas{dir: o.out, sweeps: sweeps, formats: plots.Formats, options: options}
	if o.formats != "" {
		a.formats = nil
		for _, name := range splitNames(o.formats) {
			if !slices.Contains(plots.Formats, "."+name) {
				return wrong(cmd, inFlag("format", spec.Unknown("format", name, strings.Split(strings.ReplaceAll(strings.Join(plots.Formats, ","), ".", ""), ","))))
			}
			a.formats = append(a.formats, "."+name)
		}
	}
	if o.only != "" {
		a.only = splitNames(o.only)
		for _, name := range a.only {
			if !slices.Contains(plots.Names(), name) {
				return wrong(cmd, inFlag("figure", spec.Unknown("figure", name, plots.Names())))
			}
		}
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains([]string{"out", "format", "figure", "quiet", "reference"}, f.Name) {
			a.flags = append(a.flags, flagText(f)...)
		}
	})
	table, kept, err := readSweeps(sweeps)
	if err != nil {
		return err
	}
	a.options.Kept = kept
	defer a.options.Kept.Close()
	return a.draw(table)
}

// flagText is a flag as it was given, for a shell.
func flagText(f *pflag.Flag) []string {
	if f.Value.Type() == "bool" {
		return []string{flagOf(f.Name)}
	}
	values := []string{f.Value.String()}
	if list, ok := f.Value.(pflag.SliceValue); ok {
		values = list.GetSlice()
	}
	var out []string
	for _, v := range values {
		out = append(out, flagOf(f.Name), quoted(v))
	}
	return out
}

// quoted is a word for a shell.
func quoted(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,+@%", r)
	}
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// atlas is a folder of all figures of a sweep.
type atlas struct {
	dir     string
	sweeps  []string
	formats []string
	only    []string // nil: all that there is data for
	options plots.Options
	flags   []string // those of plot that draw the same
}

// draw draws all figures that the table has the data for, names the others, and writes the index. That none can be drawn,
// or one that was named cannot, is an error.
func (a atlas) draw(table *results.Table) error {
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return err
	}
	var index strings.Builder
	index.WriteString("# Each command draws one figure alone, in the folder in which all were drawn.\n\n")
	var failed []error
	drawn := 0
	said := map[string]bool{}
	for _, kind := range plots.Kinds() {
		if a.only != nil && !slices.Contains(a.only, kind.Name) {
			continue
		}
		d, err := plots.New(kind.Name, table, a.options)
		if err != nil {
			failed = append(failed, err)
			why := strings.TrimPrefix(withFlags(err), "figure "+kind.Name+": ")
			fmt.Fprintf(&index, "# %s is left out: %s\n\n", kind.Name, why)
			if a.only == nil {
				say("left out: %s: %s%s", kind.Name, why, a.stale(kind.Name))
			}
			continue
		}
		drawn++
		fmt.Fprintf(&index, "# %s\n", capital(kind.About))
		for _, format := range a.formats {
			path := filepath.Join(a.dir, kind.Name+format)
			if err := d.Save(path); err != nil {
				return err
			}
			line := []string{"lawa-replay", "plot", kind.Name}
			for _, sweep := range a.sweeps {
				line = append(line, quoted(sweep))
			}
			if line = append(line, a.flags...); kind.Name == "compare" {
				line = append(line, flagOf("reference"), quoted(a.options.Reference))
			}
			fmt.Fprintln(&index, strings.Join(append(line, flagOf("out"), quoted(path)), " "))
		}
		fmt.Fprintln(&index)
		for _, n := range d.Notes {
			if text := withFlags(n.Err()); !said[text] { // several figures rest on the same choices
				said[text] = true
				say("%s: %s", kind.Name, text)
			}
		}
	}
	if drawn == 0 {
		return errors.Join(failed...)
	}
	if err := atomicfile.WriteBytes(filepath.Join(a.dir, indexFile), []byte(index.String())); err != nil || a.only == nil {
		return err
	}
	return errors.Join(failed...)
}

// stale says whether a figure that is left out is there from another time.
func (a atlas) stale(name string) string {
	for _, format := range plots.Formats {
		path := filepath.Join(a.dir, name+format)
		if _, err := os.Lstat(path); err == nil {
			return fmt.Sprintf(" (%s is of an earlier time)", path)
		}
	}
	return ""
}
