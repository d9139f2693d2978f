package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

type compareOptions struct {
	choiceOptions
	questionOptions
	asJSON, algoPerf bool
}

// questionOptions are the flags that say what is asked of the schemes.
type questionOptions struct {
	at, target, against, againstAt string
	question                       analysis.Question
}

func (o *questionOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.at, "at", "", "the epoch at which schemes are compared (default: the last)")
	f.StringVar(&o.against, "against", "", "compare with this scheme, such as lawa:k=10 (default: with the checkpoints themselves)")
	f.StringVar(&o.againstAt, "against-at", "", "the epoch of what is compared with, as in --at 40 --against-at 90 (default: the same as the scheme's)")
	f.StringVar(&o.question.Reference, "reference", "", "compare with the checkpoints of this run, such as one whose learning rate was decayed, by name, folder or recipe (default: each run with its own)")
	f.StringVar(&o.target, "target", "", "a value of the metric that is to be reached, or a share of the best of what is compared with, as in 99% (default: that best)")
	f.StringVar(&o.question.X, "x", "", "what time is counted in: "+strings.Join(analysis.AxisNames(), ", ")+" (default: epoch)")
	f.IntVar(&o.question.Last, "noise-over", 0, "endpoints that the checkpoint noise is of, the last ones (default 10)")
	f.IntVar(&o.question.Draws, "draws", 0, "draws of the bootstrap (default: 10000 of a difference, 200 to 1000 of a time saved, by how much there is to draw from)")
	f.Uint64Var(&o.question.Seed, "seed", 0, "of the draws")
}

func (o questionOptions) parse() (analysis.Question, error) {
	q := o.question
	if o.against != "" {
		s, err := averaging.Parse(o.against)
		if err != nil {
			return q, inFlag("against", err)
		}
		q.Against = s.Spec() // as the table writes it
	}
	target := o.target
	if share, is := strings.CutSuffix(target, "%"); is {
		v, err := strconv.ParseFloat(strings.TrimSpace(share), 64)
		if err != nil || !(v > 0) || v > 1e6 {
			return q, inFlag("target", fmt.Errorf("%q is no share of the best, such as 99%%", o.target))
		}
		target, q.Share = "", v/100
	}
	for _, v := range []struct {
		flag, text string
		to         **float64
	}{{"at", o.at, &q.At}, {"target", target, &q.Target}, {"against-at", o.againstAt, &q.AgainstAt}} {
		if v.text == "" {
			continue
		}
		n, err := strconv.ParseFloat(v.text, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return q, inFlag(v.flag, fmt.Errorf("%q is not a number", v.text))
		}
		*v.to = &n
	}
	if q.Last < 0 || q.Draws < 0 || q.Draws > 1_000_000 {
		return q, fmt.Errorf("--noise-over and --draws take numbers from 1 on, and at most 1,000,000 draws")
	}
	return q, nil
}

func newCompare() *cobra.Command {
	var o compareOptions
	c := &cobra.Command{
		Use:   "compare SWEEP...",
		Short: "Say how sure it is that a scheme is better, and how much time it saves, with intervals",
		Long: `Compare each scheme of a sweep with the checkpoints themselves, example by example: the
difference at an epoch with its 95 % interval, how likely the scheme is better, how much
it varies from endpoint to endpoint, when it reaches a target, and the longest time
saved.

Of one run the interval is over examples (a paired bootstrap: what other examples would
have given); of several seeds it is over runs (Student's t, which of three is wide).
The longest time saved is the largest of many differences, and so too large on average:
its interval, and what the same arithmetic finds between two runs where nothing was
averaged ("null"), stand beside it. "never" is said, not estimated.

With --reference RUN all are compared with the checkpoints of another run of the sweep,
at equal epochs, or equal steps, tokens or device-hours (--x). Sweeps of several runs,
made apart on the same data, are compared as one.`,
		Example: `  lawa-replay compare sweep
  lawa-replay compare sweep --metric loss --at 12
  lawa-replay compare sweep --at 12 --against-at 20
  lawa-replay compare sweep --target 75.9 --x device-hours
  lawa-replay compare sweep --scheme lawa:k=6 --scheme lawa:k=10 --against lawa:k=10
  lawa-replay compare sweep --reference annealed --x step --json
  lawa-replay compare constant-sweep annealed-sweep --reference annealed --x step`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := o.questionOptions.parse()
			if err != nil {
				return wrong(cmd, err)
			}
			a, err := ask(args, o.choiceOptions.parse(), q)
			if err != nil {
				return err
			}
			if o.asJSON {
				return printJSON(cmd.OutOrStdout(), a)
			}
			printAnswers(cmd.OutOrStdout(), a)
			if o.algoPerf {
				printRanking(cmd.OutOrStdout(), a)
			}
			return nil
		},
	}
	o.choiceOptions.flags(c.Flags())
	o.questionOptions.flags(c)
	c.Flags().BoolVar(&o.algoPerf, "algoperf", false, "rank the schemes by when they reach the target, as AlgoPerf ranks training algorithms")
	c.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
	return c
}

// ask answers of sweeps' folders, or of the .parquet files in them.
func ask(paths []string, o analysis.Choice, q analysis.Question) (*analysis.Answers, error) {
	t, kept, err := readSweeps(paths)
	if err != nil {
		return nil, err
	}
	defer kept.Close()
	stores, err := readStores(paths)
	if err != nil {
		return nil, err
	}
	defer stores.Close()
	q.Took = stores.Seconds
	a, err := analysis.Ask(t, o, q, kept)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(paths, ", "), err)
	}
	return a, nil
}

// printAnswers writes the tables and what their columns mean.
func printAnswers(out io.Writer, a *analysis.Answers) {
	m := a.Metric
	for i, p := range a.Panels {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if p.Title != "" {
			fmt.Fprintf(out, "%s\n", p.Title)
		}
		w := newTable("", "at epoch", m.Heading(), "difference", "95 % interval", "better", "noise", "reaches "+m.Text(p.Level), "longest saved", "worse at")
		own, of := "", ""
		for _, s := range p.Schemes { // where all are compared at the same epoch
			if s.At == nil {
				continue
			}
			if own != "" && own != trajectory.EpochName(s.At.B.Epoch) {
				own, of = "", ""
				break
			}
			own, of = trajectory.EpochName(s.At.B.Epoch), m.Text(s.At.B.Value)
		}
		w.AppendRow(table.Row{referenceName(a, p), own, of, "", "", "", spread(m, p.Noise), reachText(a, p.Reached), nullText(a, p), ""})
		for _, s := range p.Schemes {
			row := table.Row{s.Label, "–", "–", "–", "–", "–"}
			if d := s.At; d != nil {
				i := d.Interval()
				row = table.Row{s.Label, trajectory.EpochName(d.A.Epoch), m.Text(d.A.Value), m.Signed(d.A.Value - d.B.Value), interval(m, i.Low, i.High), chance(d.Better)}
			}
			worse := fmt.Sprintf("%d of %d", s.Worse, s.Compared)
			w.AppendRow(append(row, spread(m, s.Noise), reachText(a, s.Reached), spanText(a, s.Time.Longest), worse))
		}
		fmt.Fprintln(out, w.Render())
	}
	fmt.Fprintln(out)
	for _, note := range append([]string{sentences(a.Basis)}, answersLegend(a)...) {
		printParagraph(out, note)
	}
	for _, n := range a.Notes {
		sayNote(n)
	}
}

// printRanking writes AlgoPerf's scores.
func printRanking(out io.Writer, a *analysis.Answers) {
	for _, r := range a.AlgoPerf() {
		fmt.Fprintln(out)
		w := newTable("AlgoPerf", "score", "speed-up", "reaches the target")
		for _, s := range r.Schemes {
			up := "never"
			if !math.IsNaN(s.SpeedUp) {
				up = fmt.Sprintf("%.2f", s.SpeedUp)
			}
			w.AppendRow(table.Row{s.Label, fmt.Sprintf("%.3f", s.Score), up, fmt.Sprintf("%d of %d", s.Reached, r.Workloads)})
		}
		fmt.Fprintln(out, w.Render())
		text := fmt.Sprintf("Score: the share of workloads on which it takes at most τ times as long as the fastest, the mean over τ from 1 to 4 (Dahl et al. 2023, arXiv 2306.07179). Speed-up: against %s, never where one of the two never reaches the target. Workloads: %s under %s, with the targets above.", referenceName(a, analysis.AnswersOf{}), english.Plural(r.Workloads, "group of runs", "groups of runs"), r.Policy)
		if r.Workloads == 1 {
			text += " Of one workload the score says no more than the times do."
		}
		printParagraph(out, text)
	}
}

func referenceName(a *analysis.Answers, p analysis.AnswersOf) string {
	if a.Reference != "" {
		return a.Reference
	}
	return "baseline"
}

func interval(m metric.Metric, low, high float64) string {
	if math.IsNaN(low) {
		return "–"
	}
	return m.Signed(low) + " to " + m.Signed(high)
}

// chance is a probability as far as draws tell it.
func chance(p float64) string {
	switch {
	case math.IsNaN(p):
		return "–"
	case p > 0.999:
		return "> 99.9 %"
	case p < 0.001:
		return "< 0.1 %"
	}
	return fmt.Sprintf("%.1f %%", 100*p)
}

func spread(m metric.Metric, sd float64) string {
	if math.IsNaN(sd) {
		return "–"
	}
	return m.Text(sd)
}

// place is where a point stands on the axis of the answers.
func place(a *analysis.Answers, v float64) string {
	if a.Axis.Name == "epoch" {
		return trajectory.EpochName(math.Round(v*1e6) / 1e6)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

func reachText(a *analysis.Answers, r analysis.Reach) string {
	switch {
	case r.First == nil:
		return "never"
	case r.Stays == nil:
		return place(a, a.Axis.X(*r.First)) + ", does not stay"
	case r.Stays != r.First:
		return fmt.Sprintf("%s, stays from %s", place(a, a.Axis.X(*r.First)), place(a, a.Axis.X(*r.Stays)))
	}
	return place(a, a.Axis.X(*r.First))
}

func spanText(a *analysis.Answers, s analysis.Span) string {
	if math.IsNaN(s.Value) {
		return "–"
	}
	text := place(a, s.Value)
	if !math.IsNaN(s.Low) {
		text += fmt.Sprintf(" (%s to %s)", place(a, s.Low), place(a, s.High))
	}
	return text
}

func nullText(a *analysis.Answers, p analysis.AnswersOf) string {
	if p.Null == nil {
		return ""
	}
	return "null " + spanText(a, *p.Null)
}

// answersLegend explains the columns.
func answersLegend(a *analysis.Answers) []string {
	several, one, endpoints := false, false, 0
	whys := map[string]bool{}
	var why []string
	null := false
	for _, p := range a.Panels {
		null, endpoints = null || p.Null != nil, max(endpoints, p.Endpoints)
		for _, s := range p.Schemes {
			if s.At != nil {
				several = several || !math.IsNaN(s.At.Runs.Low)
				one = one || math.IsNaN(s.At.Runs.Low)
			}
			if s.Why != "" && !whys[s.Why] {
				whys[s.Why] = true
				why = append(why, s.Why)
			}
		}
	}
	over := "over the examples, which both were evaluated on (paired bootstrap)"
	switch {
	case several && one:
		over += "; of several seeds over the runs (Student's t)"
	case several:
		over = "over the runs (Student's t, with one degree of freedom less than there are runs)"
	}
	reference := "the baseline: each checkpoint itself"
	switch {
	case a.Against:
		reference = a.Reference + " at the same " + a.Axis.Name
	case a.Reference != "":
		reference = "the checkpoints of " + a.Reference + " at the same " + a.Axis.Name
	}
	if a.AgainstAt != nil {
		reference = strings.TrimSuffix(reference, " at the same "+a.Axis.Name) + ", of epoch " + trajectory.EpochName(*a.AgainstAt)
	}
	out := []string{
		fmt.Sprintf("Difference: from %s. Interval: %s. Better: how likely the scheme is. Noise: standard deviation over the last endpoints, %d at most. Reaches: the first %s at which the value is at least as good. "+
			"Longest saved: the largest, over all levels that both reach, in %s, with its interval over the examples; as the largest of many it is too large on average. Worse at: endpoints.", reference, over, endpoints, a.Axis.Name, axisUnit(a.Axis)),
	}
	if text := a.BillText(); text != "" {
		out = append(out, text)
	}
	if null {
		out = append(out, "Null: the longest time that the second run's checkpoints save against the first's, where nothing was averaged.")
	}
	if len(why) > 0 {
		text := "No interval, –: " + why[0]
		if n := len(why) - 1; n > 0 {
			text += fmt.Sprintf("; and of %s likewise", english.Plural(n, "other scheme", ""))
		}
		out = append(out, text+".")
	}
	return out
}

// axisUnit is what lengths along an axis are counted in.
func axisUnit(a analysis.Axis) string {
	return map[string]string{"epoch": "epochs", "step": "steps", "tokens": "tokens", "seconds": "the unit of " + strings.ToLower(a.Label), "device-hours": "device-hours"}[a.Name]
}
