package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

func newBest() *cobra.Command {
	var o choiceOptions
	var how analysis.Selecting
	var half string
	var asJSON bool
	c := &cobra.Command{
		Use:   "best SWEEP... --select SPLIT --report SPLIT",
		Short: "Choose the best scheme and epoch on one split, and report it on another",
		Long: `Choose the best scheme and epoch on one split of a sweep, or on one half of a split, and
report what it gives on the other. What is chosen on the examples that it is reported on
looks better than it is: by how much ("optimism") stands beside it.

The ranking is by what was selected on; the difference from the chosen one, where it is
reported, has a 95 % interval over the examples, and ≈ marks what cannot be told from
the chosen one. The schedule is the best k of each epoch, smoothed by the median of
three, with what following it gives on the other side, beside one k for all epochs.`,
		Example: `  lawa-replay best sweep --split-half 1
  lawa-replay best sweep --select val --report test --metric loss
  lawa-replay best sweep --select val-half1 --report val-half2 --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if half != "" {
				seed, err := strconv.ParseUint(half, 10, 64)
				if err != nil {
					return wrong(cmd, inFlag("split-half", fmt.Errorf("%q is no seed: a whole number", half)))
				}
				if how.Select != "" || how.Report != "" {
					return wrong(cmd, fmt.Errorf("--split-half halves one split; --select and --report name two"))
				}
				how.Half = &seed
			}
			t, kept, err := readSweeps(args)
			if err != nil {
				return err
			}
			defer kept.Close()
			p, err := analysis.PickBest(t, o.parse(), how, kept)
			if err != nil {
				return fmt.Errorf("%s: %w", strings.Join(args, ", "), err)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), p)
			}
			printPick(cmd.OutOrStdout(), p)
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&how.Select, "select", "", "the split to choose on")
	f.StringVar(&how.Report, "report", "", "the split to report on")
	f.StringVar(&half, "split-half", "", "choose on one half of a split's examples and report on the other: the seed by which they are drawn")
	f.IntVar(&how.Draws, "draws", 0, "draws of the bootstrap (default 10000)")
	o.flags(f)
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printPick(out io.Writer, p *analysis.Pick) {
	m := p.Metric
	const shown = 12
	for i, of := range p.Panels {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if of.Title != "" {
			fmt.Fprintln(out, of.Title)
		}
		c, b := of.Chosen, of.Baseline
		line := fmt.Sprintf("chosen: %s at epoch %s, %s %s where it was selected, %s where it is reported (optimism %s)", c.Label, trajectory.EpochName(c.Epoch), m.Heading(), m.Text(c.Selected), m.Text(c.Reported), m.Signed(c.Optimism(m)))
		if c.Label != "baseline" {
			line += fmt.Sprintf("; the best checkpoint itself, of epoch %s: %s", trajectory.EpochName(b.Epoch), m.Text(b.Reported))
			if g := of.Gain; g != nil {
				line += fmt.Sprintf(", difference %s (%s), better with %s", m.Signed(g.Examples.Value), interval(m, g.Examples.Low, g.Examples.High), chance(g.Better))
			}
		}
		printParagraph(out, line+".")
		fmt.Fprintln(out)
		w := newTable("", "at epoch", "selected", "reported", "from the chosen", "95 % interval")
		for i, c := range of.Ranking {
			if i == shown {
				break
			}
			row := table.Row{c.Label, trajectory.EpochName(c.Epoch), m.Text(c.Selected), m.Text(c.Reported), "", ""}
			if c.Than != nil {
				row[4], row[5] = m.Signed(c.Than.Value)+mark(c.Alike), interval(m, c.Than.Low, c.Than.High)
			}
			w.AppendRow(row)
		}
		fmt.Fprintln(out, w.Render())
		if s := of.Schedule; len(s.Epochs) > 0 {
			fmt.Fprintln(out)
			var each []string
			for i := 0; i < len(s.K); {
				j := i
				for j+1 < len(s.K) && s.K[j+1] == s.K[i] {
					j++
				}
				span := trajectory.EpochName(s.Epochs[i])
				if j > i {
					span += "–" + trajectory.EpochName(s.Epochs[j])
				}
				each = append(each, fmt.Sprintf("k = %d at %s", s.K[i], span))
				i = j + 1
			}
			printParagraph(out, fmt.Sprintf("schedule of k by epoch: %s; mean over these epochs where it is reported: %s with it, %s with k = %d throughout (fewer where there are fewer checkpoints), %s of the checkpoints themselves.",
				strings.Join(each, ", "), m.Text(s.Value), m.Text(s.Fixed), s.FixedK, m.Text(s.Baseline)))
		}
	}
	fmt.Fprintln(out)
	for _, note := range []string{fmt.Sprintf("Selected on: %s. Reported on: %s. ≈: not to be told from the chosen one, the interval of the difference holds 0 (over the examples, paired bootstrap).", p.Selected, p.Reported), sentences(p.Basis)} {
		printParagraph(out, note)
	}
	for _, n := range p.Notes {
		sayNote(n)
	}
}
