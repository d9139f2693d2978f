package plots

import (
	"errors"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results"
)

var optimizersKind = spec.Kind[Figure]{
	Name:     "optimizers",
	About:    "runs of several recipes, such as SGD and Lookahead, and averages of each, on training and validation examples: Figure 5 of the paper",
	Source:   thePaper,
	Examples: []string{"optimizers"},
	Parse:    func(*spec.Spec) Figure { return optimizers },
}

// optimizers shows groups of runs in the same panels, each with a baseline of its own and, unless told otherwise, the
// averages of one k, which is the paper's 10 where the results have it (Figure 5 of the paper).
func optimizers(table *results.Table, o Options) (*Drawing, error) {
	g, err := analysis.SelectGrid(table, o.Choice, []string{"top1", "loss"})
	if err != nil {
		return nil, err
	}
	if len(g.Groups) < 2 {
		return nil, errors.New("the results hold runs of one recipe only: it compares several, such as SGD and Lookahead")
	}
	if o.Schemes == nil {
		if err := g.ChooseMean(10, 6); err != nil {
			return nil, err
		}
	}
	return overlay(g, o)
}
