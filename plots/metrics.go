package plots

import (
	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results"
)

var metricsKind = spec.Kind[Figure]{
	Name:     "metrics",
	About:    "a grid of loss, top-1 and top-5 on training and validation examples: Figure 3 of the paper",
	Source:   thePaper,
	Examples: []string{"metrics"},
	Parse:    func(*spec.Spec) Figure { return metrics },
}

// metrics shows each metric on each split: baselines and, unless told otherwise, the averages of one k, which is the
// paper's 6 where the results have it (Figure 3 of the paper).
func metrics(table *results.Table, o Options) (*Drawing, error) {
	g, err := analysis.SelectGrid(table, o.Choice, []string{"loss", "top1", "top5"})
	if err != nil {
		return nil, err
	}
	if o.Schemes == nil {
		if err := g.ChooseMean(6, 10); err != nil {
			return nil, err
		}
	}
	return overlay(g, o)
}
