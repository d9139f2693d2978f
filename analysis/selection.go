package analysis

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// Choice says which part of a table is looked at. What is empty is chosen, and said.
type Choice struct {
	Metric   string
	Better   string // higher or lower: which way the metric is better; "" as its name says
	Split    string
	Policies []string // of the averages; a name such as recompute also means its only one with samples
	Runs     []string // names or folders; nil for all
	Schemes  []string // in the order of the table; nil for all
	From, To float64  // epochs; 0 for all
}

// Selection is the part of a table that was chosen.
type Selection struct {
	Metric   metric.Metric
	Split    string
	Policies []string
	Groups   []*Group
	Panels   []Panel // groups × policies
	Notes    []Note

	tokens bool // values are means over tokens, not over examples
	partly bool // groups without a baseline are left out and noted: other selections of the same grid have them
}

// Note is something that a reader of the numbers should know: what was chosen, guessed or left out.
type Note = hint.Note

func (s *Selection) note(format string, args ...any) {
	s.Notes = append(s.Notes, Note{Text: fmt.Sprintf(format, args...)})
}

// noteChoice is a note on what was chosen, with the option that chooses otherwise.
func (s *Selection) noteChoice(option, help, format string, args ...any) {
	s.Notes = append(s.Notes, Note{Text: fmt.Sprintf(format, args...)}.With(option, help))
}

// Panel is what is compared: averages of one group of runs under one policy, and the group's baseline.
type Panel struct {
	Group    *Group
	Policy   string
	Baseline *Curve
	Curves   []*Curve // without the baseline
}

// All are the baseline and the curves.
func (p Panel) All() []*Curve { return append([]*Curve{p.Baseline}, p.Curves...) }

// Select takes the curves that the choice names, or the usual ones: the given metric, or one that is better in
// the same direction; the split val; and of several policies recompute.
func Select(table *results.Table, o Choice, usual string) (*Selection, error) {
	if len(o.Runs) > 0 {
		var err error
		if table, err = table.Only(o.Runs); err != nil {
			return nil, err
		}
	}
	s := &Selection{tokens: ofTokens(table)}
	name, err := chooseMetric(table, o.Metric, usual)
	if err != nil {
		return nil, err
	}
	if err := s.describe(table, name, o.Better); err != nil {
		return nil, err
	}
	if err := s.chooseSplit(table, o.Split); err != nil {
		return nil, err
	}
	if err := s.choosePolicies(table, o.Policies); err != nil {
		return nil, err
	}
	stopped := s.group(table)
	return s, s.panels(curves(table, s.Groups, s.Split, name, stopped), o)
}

// UsualMetric is the one by which schemes are compared where nobody names one: the loss of language models, otherwise top1.
func UsualMetric(table *results.Table) string {
	if ofTokens(table) {
		return metric.Loss.Name
	}
	return metric.Top1.Name
}

// ofTokens says whether a table is of language models.
func ofTokens(table *results.Table) bool {
	return slices.ContainsFunc(table.Rows, func(r results.Row) bool { return r.Metric == metric.Perplexity.Name })
}

// describe takes what is known of the metric, and which way it is better.
func (s *Selection) describe(table *results.Table, name, better string) error {
	s.Metric = table.Metric(name)
	switch {
	case better != "" && better != "higher" && better != "lower":
		return spec.Unknown("direction", better, []string{"higher", "lower"})
	case better != "":
		s.Metric.HigherBetter = better == "higher"
	case s.Metric.Guessed:
		s.noteChoice("better", "says it: higher or lower", "the name %s does not say whether more or less is better: less is taken for better", name)
	}
	return nil
}

// group finds the groups of the table's runs, and those runs whose seconds are of no use.
func (s *Selection) group(table *results.Table) (stopped map[string]bool) {
	runs := table.Runs()
	groups, notes := Groups(runs)
	s.Groups = groups
	for _, n := range notes {
		s.note("%s", n)
	}
	stopped = unrising(table)
	for i, name := range results.RunNames(runs) {
		if stopped[runs[i].ID()] {
			s.note("the seconds recorded of %s do not rise along the run: they are no time spent up to an epoch, and are not used", name)
		}
	}
	return stopped
}

// chooseMetric finds the one that is named, or the usual one, or else one of another task or a worker's own.
func chooseMetric(table *results.Table, name, usual string) (string, error) {
	known := table.Values(func(r results.Row) string { return r.Metric })
	if name == "" {
		name = usual
		if !slices.Contains(known, usual) && len(known) > 0 {
			name = known[0]
			for _, k := range known {
				if m := table.Metric(k); !m.Guessed && m.HigherBetter == metric.Of(usual).HigherBetter {
					name = k
					break
				}
			}
		}
	}
	if !slices.Contains(known, name) {
		return "", spec.Unknown("metric", name, known)
	}
	return name, nil
}

func (s *Selection) chooseSplit(table *results.Table, name string) error {
	splits := table.Values(func(r results.Row) string { return r.Split })
	switch {
	case name != "" && !slices.Contains(splits, name):
		return spec.Unknown("split", name, splits)
	case name != "":
		s.Split = name
	case slices.Contains(splits, "val"):
		s.Split = "val"
	default:
		s.Split = splits[0]
	}
	if name == "" && len(splits) > 1 {
		s.noteChoice("split", "takes another", "of the splits %s this is %s", strings.Join(splits, ", "), s.Split)
	}
	return nil
}

// choosePolicies takes those of the averages; the baseline keeps its own statistics.
func (s *Selection) choosePolicies(table *results.Table, names []string) error {
	var known []string
	for _, r := range table.Rows {
		if r.Scheme != "last" && !slices.Contains(known, r.Policy) {
			known = append(known, r.Policy)
		}
	}
	if len(known) == 0 {
		return fmt.Errorf("the results hold no averages, only the baseline")
	}
	for _, name := range names {
		var meant []string
		for _, k := range known {
			if kind, _, _ := strings.Cut(k, ":"); k == name || kind == name && !slices.Contains(known, name) {
				meant = append(meant, k)
			}
		}
		switch {
		case len(meant) == 0:
			return spec.Unknown("policy", name, known)
		case len(meant) > 1:
			return fmt.Errorf("policy %s may be any of %s", name, strings.Join(meant, " and "))
		case !slices.Contains(s.Policies, meant[0]):
			s.Policies = append(s.Policies, meant[0])
		}
	}
	if len(names) > 0 {
		return nil
	}
	policy := known[0]
	for _, k := range known {
		if strings.HasPrefix(k, "recompute") {
			policy = k
			break
		}
	}
	s.Policies = []string{policy}
	if len(known) > 1 {
		s.noteChoice("policy", "takes another, or several side by side", "of the policies %s this is %s", strings.Join(known, "; "), policy)
	}
	return nil
}

// panels sorts the curves into groups × policies.
func (s *Selection) panels(all []*Curve, o Choice) error {
	var names []string
	left := 0
	for _, c := range all {
		if c.Left > left {
			left = c.Left
			s.note("%s of %s: %d epochs are left out, of which not every run has an evaluation", c.Scheme, strings.Join(results.RunNames(c.Group.Runs), ", "), c.Left)
		}
		if o.To > 0 || o.From > 0 {
			c.Points = slices.DeleteFunc(c.Points, func(p Point) bool { return p.Epoch < o.From || o.To > 0 && p.Epoch > o.To })
		}
	}
	for _, g := range s.Groups {
		var baseline *Curve
		for _, c := range all {
			if c.Group == g && c.IsBaseline() {
				baseline = c
			}
		}
		if s.partly && (baseline == nil || len(baseline.Points) == 0) {
			s.note("%s: no %s of the baseline on the split %s, where the run is left out", results.RunList(g.Runs), s.Metric.Name, s.Split)
			continue
		}
		if baseline == nil {
			return fmt.Errorf("the results have no baseline (scheme last, policy copy)")
		}
		if len(baseline.Points) == 0 {
			if o.To > 0 || o.From > 0 {
				return fmt.Errorf("no epochs between %g and %g", o.From, o.To)
			}
			return hint.With(fmt.Errorf("the runs %s have no epoch in common", strings.Join(results.RunNames(g.Runs), ", ")), "run", "takes one of them")
		}
		for _, policy := range s.Policies {
			p := Panel{Group: g, Policy: policy, Baseline: baseline}
			for _, c := range all {
				if c.Group != g || c == baseline || c.Policy != policy {
					continue
				}
				if !slices.Contains(names, c.Scheme) {
					names = append(names, c.Scheme)
				}
				if o.Schemes == nil || slices.Contains(o.Schemes, c.Scheme) {
					p.Curves = append(p.Curves, c)
				}
			}
			slices.SortStableFunc(p.Curves, byK)
			s.Panels = append(s.Panels, p)
		}
	}
	for _, name := range o.Schemes {
		if !s.partly && !slices.Contains(names, name) {
			return unknownScheme(name, names)
		}
	}
	return nil
}

// byK puts means of the latest k by their k, before the other schemes.
func byK(a, b *Curve) int {
	order := func(c *Curve) int {
		if LatestK(c) {
			return c.K
		}
		return math.MaxInt
	}
	return cmp.Compare(order(a), order(b))
}

// unknownScheme names the nearest scheme, unless it is another number of the same one that was meant.
func unknownScheme(name string, known []string) error {
	words := func(s string) string {
		return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r >= '0' && r <= '9' || r == '.' }), " ")
	}
	for _, k := range known {
		if words(k) == words(name) {
			return fmt.Errorf("no scheme %s in these results, which hold %s", name, strings.Join(known, ", "))
		}
	}
	return spec.Unknown("scheme in these results", name, known)
}
