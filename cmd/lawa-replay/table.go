package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

func newTableVerb() *cobra.Command {
	var o choiceOptions
	var asJSON bool
	c := &cobra.Command{
		Use:   "table SWEEP...",
		Short: "Say what each scheme of a sweep gave, saved and cost",
		Long: `Print, for each scheme of sweeps (their folders, or the .parquet files), its best value
and when it has it, the longest time saved against the baseline, and the epochs at
which it is worse than the baseline. Differences below their standard error are
marked with ≈. --json prints all of it for programs, with null for what is not known.`,
		Example: `  lawa-replay table sweep
  lawa-replay table sweep --metric loss --policy copy,recompute
  lawa-replay table sweep --json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := readTables(args)
			if err != nil {
				return err
			}
			s, err := analysis.Summarize(t, o.parse())
			if err != nil {
				return fmt.Errorf("%s: %w", strings.Join(args, ", "), err)
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), s)
			}
			printSummary(cmd.OutOrStdout(), s)
			return nil
		},
	}
	o.flags(c.Flags())
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// printSummary writes the table and what its columns mean.
func printSummary(out io.Writer, s *analysis.Summary) {
	grouped, policies := false, map[string]bool{}
	for _, l := range s.Schemes {
		grouped = grouped || l.Group != ""
		if !l.Baseline {
			policies[l.Policy] = true
		}
	}
	header := []string{""}
	if len(policies) > 1 {
		header = append(header, "policy")
	}
	for _, m := range s.Metrics {
		header = append(header, "best "+m.Heading(), "at epoch")
	}
	w := newTable(append(header, "most epochs saved", "time saved", "hurt at epochs")...)
	group := ""
	for i, l := range s.Schemes {
		if grouped && (i == 0 || l.Group != group) {
			group = l.Group
			if i > 0 {
				fmt.Fprintln(out, w.Render()+"\n")
				w.ResetRows()
			}
			fmt.Fprintf(out, "%s\n", group)
		}
		w.AppendRow(summaryRow(s, l, len(policies) > 1))
	}
	fmt.Fprintln(out, w.Render())
	fmt.Fprintln(out)
	for _, note := range append([]string{sentences(s.Basis)}, legendOf(s)...) {
		printParagraph(out, note)
	}
	for _, n := range s.Notes {
		sayNote(n)
	}
}

func summaryRow(s *analysis.Summary, l analysis.Line, policy bool) table.Row {
	row := table.Row{strings.TrimSuffix(l.Label, ", new statistics")} // which is said below
	if policy {
		if l.Baseline {
			row = append(row, "own")
		} else {
			row = append(row, l.Policy)
		}
	}
	for i, b := range l.Best {
		if b.Value == nil {
			row = append(row, "–", "–")
			continue
		}
		row = append(row, s.Metrics[i].Text(*b.Value)+mark(b.Small), trajectory.EpochName(b.Epoch))
	}
	saved, cost, hurt := "–", "–", "–"
	if g := l.Saved; g != nil {
		saved = fmt.Sprintf("%s (%s → %s)%s", strings.Fields(analysis.Epochs(g.Epochs))[0], trajectory.EpochName(g.To), trajectory.EpochName(g.From), mark(g.Small))
		if text := g.Saving.Cost(); text != "" {
			cost = strings.TrimSuffix(text, " on 1 device")
		}
	}
	if l.Beyond > 0 {
		saved = strings.TrimPrefix(fmt.Sprintf("%s; beyond at %d", saved, l.Beyond), "–; ")
	}
	if !l.Baseline {
		hurt = "none"
		if len(l.Hurt) > 0 {
			var epochs []float64
			for _, h := range l.Hurt {
				epochs = append(epochs, h.Epoch)
			}
			hurt = fmt.Sprintf("%s (by up to %s)%s", epochList(epochs, l.Epochs), s.Metrics[0].Text(math.Abs(l.Worst.Difference)), mark(l.Worst.Small))
		}
	}
	return append(row, saved, cost, hurt)
}

// mark shows a difference that is below its standard error.
func mark(small bool) string {
	if small {
		return " ≈"
	}
	return ""
}

// legendOf explains the columns.
func legendOf(s *analysis.Summary) []string {
	out := []string{"baseline: each checkpoint itself."}
	if slices.ContainsFunc(s.Basis, func(b string) bool { return strings.Contains(b, "batch-norm") }) {
		out[0] = "baseline: each checkpoint with its own batch-norm statistics."
	}
	for _, l := range s.Schemes {
		if (l.Scheme == "lawa:k=1" || l.Scheme == "last") && strings.HasPrefix(l.Policy, "recompute") {
			out[0] += " k = 1: the same weights with new statistics, so that what averaging adds can be told from what they do."
			break
		}
	}
	unit := ""
	if s.Metrics[0].Unit == "%" {
		unit = ", in percentage points"
	}
	over := "over the examples, as if baseline and average had been evaluated on different ones"
	several := slices.ContainsFunc(s.Schemes, func(l analysis.Line) bool { return l.Runs > 1 })
	switch one := slices.ContainsFunc(s.Schemes, func(l analysis.Line) bool { return l.Runs == 1 }); {
	case several && one:
		over = "over the runs, of a single run " + over
	case several:
		over = "over the runs"
	}
	out[0] += fmt.Sprintf(" Best: of all epochs, chosen on this split itself. Saved: the average at the second epoch is as good as the baseline first is at the first. Hurt: %s worse than the baseline's%s. ≈: the difference from the baseline (its best; at the same epoch; the largest) is below its standard error %s.",
		s.Metrics[0].Heading(), unit, over)
	if slices.ContainsFunc(s.Schemes, func(l analysis.Line) bool { return l.Beyond > 0 }) {
		out = append(out, "Beyond: at how many epochs it is better than the baseline ever is; what is saved there has no number.")
	}
	for _, l := range s.Schemes {
		if l.Saved != nil && l.Saved.Seconds == nil {
			out = append(out, "Time saved: – where the training time is not recorded.")
			break
		}
	}
	if one := oneDevice(s); one {
		out = append(out, "Time saved: on one device, so that hours are device-hours.")
	}
	return out
}

// oneDevice says whether device-hours are known and are the hours, for all that is saved.
func oneDevice(s *analysis.Summary) bool {
	any := false
	for _, l := range s.Schemes {
		if l.Saved == nil {
			continue
		}
		if !strings.HasSuffix(l.Saved.Saving.Cost(), " on 1 device") {
			return false
		}
		any = true
	}
	return any
}

// sentences makes them of what has neither capital letter nor full stop.
func sentences(parts []string) string {
	text := ""
	for _, p := range parts {
		text += strings.ToUpper(p[:1]) + p[1:] + ". "
	}
	return strings.TrimSuffix(text, " ")
}

// epochList writes 4, 5, 6, 9 as 4–6, 9 where there is none between 4 and 5, and 5 and 6, in all.
func epochList(epochs, all []float64) string {
	text := ""
	for i := 0; i < len(epochs); {
		j := i
		at := slices.Index(all, epochs[i])
		for j+1 < len(epochs) && at+j+1-i < len(all) && epochs[j+1] == all[at+j+1-i] {
			j++
		}
		if text != "" {
			text += ", "
		}
		text += trajectory.EpochName(epochs[i])
		if j > i {
			text += "–" + trajectory.EpochName(epochs[j])
		}
		i = j + 1
	}
	return text
}
