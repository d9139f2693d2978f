package plots

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results"
)

var coefficientsKind = spec.Kind[Figure]{
	Name:     "coefficients",
	About:    "averages of the same checkpoints by uniform and by other coefficients: Figure 6 of the paper",
	Source:   thePaper,
	Examples: []string{"coefficients"},
	Parse:    func(*spec.Spec) Figure { return coefficients },
}

// coefficients shows the mean of the latest k beside other averages of the same k checkpoints, such as the two
// conventions of exponential ones, each group of runs in panels of its own (Figure 6 of the paper). Unless schemes are
// named, k is the paper's 10 where the results have such averages, else the k of which they have most.
func coefficients(table *results.Table, o Options) (*Drawing, error) {
	if o.Split == "" {
		o.Split = usualSplit(table)
	}
	g, err := analysis.SelectGrid(table, o.Choice, []string{"top1", "loss"})
	if err != nil {
		return nil, err
	}
	if err := o.one(g); err != nil {
		return nil, err
	}
	if o.Schemes == nil {
		if err := sameWindow(g); err != nil {
			return nil, err
		}
	}
	var panels []analysis.Panel
	for _, s := range g.All() {
		panels = append(panels, s.Panels...)
	}
	styles, legend := looksOf(themeOf(o.Style), &analysis.Selection{Policies: g.Policies}, panels)
	d := &Drawing{Notes: g.Notes}
	f := sheet{height: 1.9 * vg.Inch, columns: len(g.Metrics), lines: legend, caption: g.Basis()}
	for _, group := range g.Groups {
		for i, row := range g.Cells {
			var one *analysis.Selection
			for _, p := range panelsOf(row[0]) {
				if p.Group == group {
					copied := *row[0]
					copied.Panels, one = []analysis.Panel{p}, &copied
				}
			}
			if one == nil {
				f.cells = append(f.cells, cell{title: group.Name, empty: fmt.Sprintf("no %s on %s", g.Metrics[i], g.Splits[0])})
				continue
			}
			lines := slices.DeleteFunc(styles.lines(one.Panels[0]), func(l line) bool { return len(l.curve.Points) == 0 })
			if err := o.overlaid(&f, one, lines); err != nil {
				return nil, err
			}
			f.cells[len(f.cells)-1].title = group.Name
			d.addRows(one, len(g.Metrics) > 1)
		}
	}
	return o.figure(d, f), nil
}

func panelsOf(s *analysis.Selection) []analysis.Panel {
	if s == nil {
		return nil
	}
	return s.Panels
}

// usualSplit is val, or the first that was not trained on.
func usualSplit(table *results.Table) string {
	known := table.Values(func(r results.Row) string { return r.Split })
	if slices.Contains(known, "val") {
		return "val"
	}
	for _, s := range known {
		if !analysis.Training(s) {
			return s
		}
	}
	return known[0]
}

// sameWindow keeps the averages of one k: the mean and at least one that weighs the same checkpoints otherwise.
func sameWindow(g *analysis.Grid) error {
	uniform, others := map[int]bool{}, map[int][]string{}
	for _, s := range g.All() {
		for _, p := range s.Panels {
			for _, c := range p.Curves {
				switch {
				case len(c.Points) == 0 || c.K < 2:
				case analysis.LatestK(c):
					uniform[c.K] = true
				case analysis.Reweighs(c) && !slices.Contains(others[c.K], c.Scheme):
					others[c.K] = append(others[c.K], c.Scheme)
				}
			}
		}
	}
	best := 0
	var each []int
	for k := range others {
		if uniform[k] {
			each = append(each, k)
		}
	}
	slices.Sort(each)
	for _, k := range each {
		if best == 0 || len(others[k]) > len(others[best]) || k == paperWindow {
			best = k
		}
		if k == paperWindow {
			break
		}
	}
	if best == 0 {
		return hint.With(errors.New("the results hold no mean of the latest k beside an average of the same k by other coefficients, such as lawa:k=10 and exp:alpha=0.5,k=10"), "scheme", "names others")
	}
	if len(each) > 1 {
		var ks []string
		for _, k := range each {
			ks = append(ks, fmt.Sprint(k))
		}
		g.Notes = append(g.Notes, analysis.Note{Text: fmt.Sprintf("of the windows k = %s this is %d", strings.Join(ks, ", "), best)}.With("scheme", "takes others"))
	}
	g.Keep(func(c *analysis.Curve) bool { return c.K == best && (analysis.LatestK(c) || analysis.Reweighs(c)) })
	return nil
}

// paperWindow is the k of the paper's figure.
const paperWindow = 10
