package analysis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// Grid is several metrics on several splits, of the same groups of runs and under the same policies.
type Grid struct {
	Metrics  []string
	Splits   []string
	Policies []string
	Groups   []*Group
	Cells    [][]*Selection // by metric and split; nil where the results have none
	Notes    []Note
}

// SelectGrid takes the curves of the usual metrics that the results have, on the splits that they have: one that was
// trained on, and those that were not. A choice of a metric or a split is a grid of it alone. What the results have not
// is in the notes.
func SelectGrid(table *results.Table, o Choice, usual []string) (*Grid, error) {
	if len(o.Runs) > 0 {
		var err error
		if table, err = table.Only(o.Runs); err != nil {
			return nil, err
		}
	}
	all := &Selection{}
	if err := all.choosePolicies(table, o.Policies); err != nil {
		return nil, err
	}
	stopped := all.group(table)
	g := &Grid{Policies: all.Policies, Groups: all.Groups, Notes: all.Notes}
	if err := g.chooseMetrics(table, o.Metric, usual); err != nil {
		return nil, err
	}
	if err := g.chooseSplits(table, o.Split); err != nil {
		return nil, err
	}
	known := table.Values(func(r results.Row) string { return r.Scheme })
	for _, name := range o.Schemes {
		if !slices.Contains(known, name) {
			return nil, unknownScheme(name, known)
		}
	}
	some := false
	for _, name := range g.Metrics {
		row := make([]*Selection, len(g.Splits))
		for i, split := range g.Splits {
			s := &Selection{Split: split, Policies: g.Policies, Groups: g.Groups, tokens: ofTokens(table), partly: true}
			if err := s.describe(table, name, o.Better); err != nil {
				return nil, err
			}
			if err := s.panels(curves(table, g.Groups, split, name, stopped), o); err != nil {
				return nil, err
			}
			g.add(s.Notes...)
			if len(s.Panels) > 0 {
				row[i], some = s, true
			}
		}
		g.Cells = append(g.Cells, row)
	}
	if !some {
		if o.To > 0 || o.From > 0 {
			return nil, fmt.Errorf("no epochs between %g and %g", o.From, o.To)
		}
		return nil, fmt.Errorf("the results have no baseline (scheme last, policy copy) of any of its metrics")
	}
	return g, nil
}

// add adds notes that are not there.
func (g *Grid) add(notes ...Note) {
	for _, n := range notes {
		if !slices.ContainsFunc(g.Notes, func(m Note) bool { return m.Text == n.Text }) {
			g.Notes = append(g.Notes, n)
		}
	}
}

// chooseMetrics takes the one that is named, or the usual ones that there are, or else what there is.
func (g *Grid) chooseMetrics(table *results.Table, name string, usual []string) error {
	known := table.Values(func(r results.Row) string { return r.Metric })
	if name != "" {
		g.Metrics = []string{name}
		if !slices.Contains(known, name) {
			return spec.Unknown("metric", name, known)
		}
		return nil
	}
	var missing []string
	for _, m := range usual {
		if slices.Contains(known, m) {
			g.Metrics = append(g.Metrics, m)
		} else {
			missing = append(missing, metric.Of(m).Heading())
		}
	}
	if len(g.Metrics) == 0 {
		g.Metrics = known[:min(len(known), len(usual))]
		known = known[len(g.Metrics):]
		if len(known) > 0 {
			g.add(Note{Text: "left out: " + strings.Join(known, ", ")}.With("metric", "draws one alone"))
		}
		return nil
	}
	if len(missing) > 0 {
		g.add(Note{Text: "not in these results, and left out: " + strings.Join(missing, ", ")})
	}
	return nil
}

// Training says whether a split is one that was trained on, or a part of it: train, train-10000.
func Training(split string) bool { return split == "train" || strings.HasPrefix(split, "train-") }

// chooseSplits takes the one that is named, or one that was trained on and up to two others.
func (g *Grid) chooseSplits(table *results.Table, name string) error {
	known := table.Values(func(r results.Row) string { return r.Split })
	if name != "" {
		g.Splits = []string{name}
		if !slices.Contains(known, name) {
			return spec.Unknown("split", name, known)
		}
		return nil
	}
	var train, others, left []string
	for _, s := range known {
		switch {
		case strings.Contains(s, "-half"): // of sweeps that choose on one half and report on the other
			left = append(left, s)
		case Training(s):
			train = append(train, s)
		case s == "val":
			others = append([]string{s}, others...)
		default:
			others = append(others, s)
		}
	}
	if len(train)+len(others) == 0 {
		others, left = left, nil
	}
	cut := func(list []string, most int) []string {
		n := min(len(list), most)
		left = append(left, list[n:]...)
		return list[:n]
	}
	g.Splits = append(cut(train, 1), cut(others, 2)...)
	if len(left) > 0 {
		g.add(Note{Text: "splits left out: " + strings.Join(left, ", ")}.With("split", "draws one alone"))
	}
	if len(train) == 0 {
		g.add(Note{Text: "the results have no split of examples that were trained on (such as train-10000): their curves are left out"})
	}
	return nil
}

// Means are the means of the latest k in the grid, without k = 1, by their k.
func (g *Grid) Means() []*Curve {
	var out []*Curve
	for _, s := range g.All() {
		for _, p := range s.Panels {
			for _, c := range p.Curves {
				if LatestK(c) && c.K > 1 && len(c.Points) > 0 && !slices.ContainsFunc(out, func(d *Curve) bool { return d.Scheme == c.Scheme }) {
					out = append(out, c)
				}
			}
		}
	}
	slices.SortStableFunc(out, byK)
	return out
}

// ChooseMean keeps the baselines and one mean of the latest k: the first of the preferred k that there is, else the
// largest below it, else the smallest; and says so where there are several.
func (g *Grid) ChooseMean(preferred ...int) error {
	means := g.Means()
	if len(means) == 0 {
		return hint.With(fmt.Errorf("the results hold no averages over the latest k"), "scheme", "names others")
	}
	chosen := means[0]
	for _, c := range means {
		if c.K <= preferred[0] {
			chosen = c
		}
	}
	for _, k := range slices.Backward(preferred) {
		if i := slices.IndexFunc(means, func(c *Curve) bool { return c.K == k }); i >= 0 {
			chosen = means[i]
		}
	}
	if len(means) > 1 {
		g.add(Note{Text: fmt.Sprintf("of the %d means of the latest k this is %s, the paper's where the results hold it; it was not chosen by its values", len(means), chosen.Scheme)}.With("scheme", "takes others"))
	}
	g.Keep(func(c *Curve) bool { return c.Scheme == chosen.Scheme })
	return nil
}

// Keep keeps those averages of which it is true, beside the baselines.
func (g *Grid) Keep(want func(*Curve) bool) {
	for _, s := range g.All() {
		for i, p := range s.Panels {
			s.Panels[i].Curves = slices.DeleteFunc(p.Curves, func(c *Curve) bool { return !want(c) })
		}
	}
}

// All are the selections that there are.
func (g *Grid) All() []*Selection {
	var out []*Selection
	for _, row := range g.Cells {
		for _, s := range row {
			if s != nil {
				out = append(out, s)
			}
		}
	}
	return out
}

// Basis says what the numbers rest on, as Selection.Basis does.
func (g *Grid) Basis() []string {
	all := g.All()
	var splits []string
	for i, split := range g.Splits {
		for _, row := range g.Cells {
			if row[i] != nil {
				splits = append(splits, row[i].examples(split))
				break
			}
		}
	}
	text := "split "
	if len(splits) > 1 {
		text = "splits "
	}
	return sentences(all[0].policy(), text+strings.Join(splits, "; "), all[0].runs())
}
