package averaging

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

var bestKind = Kind{
	Name:     "best",
	About:    "mean of the n best checkpoints so far, by a metric of the training log",
	Source:   "the usual n-best averaging of speech toolkits, such as ESPnet's",
	Examples: []string{"best:n=5,by=val/loss"},
	Options: []spec.Option{
		{Name: "n", About: "how many checkpoints"},
		{Name: "by", About: "the metric, as the log calls it"},
		{Name: "order", About: "which are best, highest or lowest; accuracies rise and losses fall without it"},
		{Name: "partial", Default: "false", About: "true averages those that there are before the n-th checkpoint with the metric"},
	},
	Parse: func(s *spec.Spec) Scheme {
		s.Require("n", "best:n=5,by=val/loss")
		s.Require("by", "best:n=5,by=val/loss")
		return Best{N: s.Int("n", 1, 1), By: s.Text("by", ""), Order: s.Choice("order", "", "highest", "lowest"), Partial: s.Bool("partial", false)}
	},
}

// Best is the mean of the N checkpoints up to the endpoint that are best by a logged metric, as speech
// toolkits average them (ESPnet's n-best). Of equal ones the newer counts as better. Checkpoints without
// the metric, or with NaN, do not run. Before there are N there is no average, unless it may be partial.
type Best struct {
	N       int
	By      string // as in the log: val/loss
	Order   string // highest or lowest: which are best; "" as the name By says
	Partial bool
}

// Spec implements Scheme.
func (b Best) Spec() string {
	text := fmt.Sprintf("best:n=%d,by=%s", b.N, b.By)
	if b.Order != "" {
		text += ",order=" + b.Order
	}
	if b.Partial {
		text += ",partial=true"
	}
	return text
}

// K implements Scheme.
func (b Best) K() int { return b.N }

// Coefficients implements Scheme. It is an error where no checkpoint has the metric, and where neither its name nor
// Order says which way it is better.
func (b Best) Coefficients(points []Point, endpoint int) (Coefficients, error) {
	var candidates []int
	known := map[string]bool{}
	for i, p := range points {
		for name := range p.Metrics {
			known[name] = true
		}
		if v, ok := p.Metrics[b.By]; ok && i <= endpoint && !math.IsNaN(v) {
			candidates = append(candidates, i)
		}
	}
	if !known[b.By] {
		var names []string
		for name := range known {
			names = append(names, name)
		}
		slices.Sort(names)
		if len(names) == 0 {
			return Coefficients{}, fmt.Errorf("%s: the training log holds no metrics", b.Spec())
		}
		return Coefficients{}, fmt.Errorf("%s: %w", b.Spec(), spec.Unknown("metric in the training log", b.By, names))
	}
	if len(candidates) < b.N && !b.Partial || len(candidates) == 0 {
		return Coefficients{}, nil
	}
	m := metric.Of(b.By)
	switch {
	case b.Order != "":
		m.HigherBetter = b.Order == "highest"
	case m.Guessed:
		return Coefficients{}, fmt.Errorf("%s: the name %s does not say whether more or less is better: add order=highest or order=lowest", b.Spec(), b.By)
	}
	slices.Reverse(candidates)
	sort.SliceStable(candidates, func(x, y int) bool {
		return m.Better(points[candidates[x]].Metrics[b.By], points[candidates[y]].Metrics[b.By])
	})
	chosen := candidates[:min(b.N, len(candidates))]
	slices.Sort(chosen)
	c := mean(chosen)
	c.Gaps = true
	return c, nil
}
