package analysis

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/lawa-replay/lawa-replay/analysis/paired"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// Selecting says on what is chosen, and on what that is reported: two splits of a sweep, or two halves of one.
type Selecting struct {
	Select, Report string  // splits
	Half           *uint64 // seed of the halves of the split of the choice, instead of them
	Draws          int     // of the bootstrap; 0 is the usual number
}

// Pick is what was chosen, and what it gave where it was not chosen.
type Pick struct {
	Metric   metric.Metric
	Selected string // what on, in words
	Reported string
	Basis    []string
	Notes    []Note
	Panels   []PickOf
}

// PickOf is of a group of runs under a policy.
type PickOf struct {
	Panel
	Title    string
	Chosen   Candidate   // the best of all endpoints and schemes, by what was selected on
	Baseline Candidate   // the best checkpoint itself, chosen likewise
	Gain     *Paired     // Chosen minus Baseline where it is reported
	Ranking  []Candidate // by what was selected on, the best first
	Endpoint []Endpoint  // by epoch
	Schedule Schedule
}

// Candidate is a scheme at an endpoint, with its values where it is chosen and where it is reported.
type Candidate struct {
	Scheme, Label      string
	K                  int
	Epoch              float64
	Selected, Reported float64
	Than               *paired.Estimate // its difference from the chosen one where it is reported; nil of the chosen one, and where it was not computed
	Alike              bool             // the interval of Than holds 0: it cannot be told from the chosen one
	point              [2]Point         // where it is selected and where it is reported
}

// Optimism is by how much better the value is where it was chosen: what a report of that value would have claimed too much.
func (c Candidate) Optimism(m metric.Metric) float64 {
	if m.HigherBetter {
		return c.Selected - c.Reported
	}
	return c.Reported - c.Selected
}

// Endpoint is the best scheme of one epoch.
type Endpoint struct {
	Epoch    float64
	Chosen   Candidate
	Baseline Candidate
}

// Schedule is the best k of each epoch, smoothed, and what following it gives where it is reported, beside one k for all epochs, or
// as many as there are, and the checkpoints themselves: means over the epochs.
type Schedule struct {
	Epochs   []float64
	K        []int
	Value    float64
	FixedK   int // the best single k, by the mean where it is selected
	Fixed    float64
	Baseline float64
}

// rankedMost is how many candidates are compared with the chosen one.
const rankedMost = 20

// view gives the values of points, and what each example gave, on one side of the selection.
type view struct {
	examples *Examples
	half     []int // places of the examples, where the side is a half of a split
	clusters []int // the documents of the split's examples; nil where each is one of its own
	of       int   // examples that the split has
}

// value is a point's, over the examples of the view.
func (v *view) value(p Point) (float64, error) {
	if v.half == nil {
		return p.Value, nil
	}
	x, s, err := v.each(p)
	if err != nil {
		return 0, err
	}
	mean, _, _ := metric.Mean(x, s)
	return mean, nil
}

// each is what each example of the view gave at a point.
func (v *view) each(p Point) (x, s []float64, err error) {
	values, sizes, err := v.examples.each(p)
	if err != nil {
		return nil, nil, err
	}
	take := v.half
	if take != nil && len(values) != v.of {
		return nil, nil, errOthers
	}
	if take == nil {
		take = make([]int, len(values))
		for i := range take {
			take[i] = i
		}
	}
	for _, i := range take {
		x = append(x, values[i])
		if sizes != nil {
			s = append(s, float64(sizes[i]))
		}
	}
	return x, s, nil
}

// halves are the places of n examples in two halves, drawn by a seed; documents are in one half whole.
func halves(n int, clusters []int, documents int, seed uint64) [2][]int {
	m := n
	if clusters != nil {
		m = documents
	}
	order := rand.New(rand.NewPCG(seed, 0x6c617761)).Perm(m)
	var out [2][]int
	if clusters == nil {
		out = [2][]int{order[:n/2], order[n/2:]}
	} else {
		second := make([]bool, m)
		for _, d := range order[m/2:] {
			second[d] = true
		}
		for i, d := range clusters {
			side := 0
			if second[d] {
				side = 1
			}
			out[side] = append(out[side], i)
		}
	}
	slices.Sort(out[0])
	slices.Sort(out[1])
	return out
}

// documents are those of the view's examples; nil where each is one of its own.
func (v *view) documents() []int {
	if v.clusters == nil || v.half == nil {
		return v.clusters
	}
	number := map[int]int{}
	var out []int
	for _, i := range v.half {
		d, ok := number[v.clusters[i]]
		if !ok {
			d = len(number)
			number[v.clusters[i]] = d
		}
		out = append(out, d)
	}
	return out
}

// PickBest chooses on one side and reports on the other.
func PickBest(table *results.Table, o Choice, how Selecting, kept *examples.Store) (*Pick, error) {
	splits := table.Values(func(r results.Row) string { return r.Split })
	if how.Half == nil && (how.Select == "" || how.Report == "") {
		err := fmt.Errorf("a best scheme is chosen on one split and reported on another; the results have %v", splits)
		return nil, hint.With(hint.With(hint.With(err, "split-half SEED", "halves a split"), "select SPLIT", "names the one to choose on"), "report SPLIT", "the one to report on")
	}
	if how.Half == nil && how.Select == how.Report {
		return nil, fmt.Errorf("the split %s to select on is that to report: what is chosen there looks better than it is", how.Select)
	}
	out := &Pick{}
	if how.Half != nil {
		how.Select, how.Report = o.Split, o.Split
	}
	var sides [2]*Selection
	for i, split := range []string{how.Select, how.Report} {
		o := o
		o.Split = split
		var err error
		if sides[i], err = Select(table, o, UsualMetric(table)); err != nil {
			return nil, err
		}
		sides[i].dropBaselines()
	}
	out.Metric, out.Basis, out.Notes = sides[0].Metric, sides[1].Basis(), sides[0].Notes
	out.Selected, out.Reported = "split "+sides[0].Split, "split "+sides[1].Split
	if how.Half != nil {
		out.Selected = fmt.Sprintf("one half of the split %s, drawn by seed %d", sides[0].Split, *how.Half)
		out.Reported = "the other half"
	}
	for i, p := range sides[0].Panels {
		one, err := bestOf(sides[0], [2]Panel{p, sides[1].Panels[i]}, out.Metric, how, kept)
		if err != nil {
			return nil, err
		}
		out.Panels = append(out.Panels, one)
	}
	return out, nil
}

func bestOf(s *Selection, panels [2]Panel, m metric.Metric, how Selecting, kept *examples.Store) (PickOf, error) {
	out := PickOf{Panel: panels[0], Title: s.Title(panels[0])}
	views, err := newViews(panels, m, how, kept)
	if err != nil {
		return out, err
	}
	labels := Labels(panels[0].All())
	var all []Candidate
	for i, c := range panels[0].All() {
		other := panels[1].like(c)
		if other == nil {
			continue
		}
		for _, p := range c.Points {
			q, ok := other.At(p.Epoch)
			if !ok {
				continue
			}
			one := Candidate{Scheme: c.Scheme, Label: labels[i], K: c.K, Epoch: p.Epoch, point: [2]Point{p, q}}
			if c == panels[0].Baseline {
				one.Label, one.K = "baseline", 1
			}
			if one.Selected, err = views[0].value(p); err == nil {
				one.Reported, err = views[1].value(q)
			}
			if err != nil {
				return out, err
			}
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		return out, errors.New("no scheme has values on both sides")
	}
	better := func(a, b Candidate) int {
		switch {
		case math.IsNaN(b.Selected) && !math.IsNaN(a.Selected), m.Better(a.Selected, b.Selected):
			return -1
		case math.IsNaN(a.Selected) && !math.IsNaN(b.Selected), m.Better(b.Selected, a.Selected):
			return 1
		}
		return 0
	}
	out.Endpoint = endpoints(all, better)
	out.Schedule = schedule(panels[0], all, m)
	ranked := slices.Clone(all)
	slices.SortStableFunc(ranked, better)
	out.Chosen = ranked[0]
	for _, c := range ranked {
		if c.Label == "baseline" {
			out.Baseline = c
			break
		}
	}
	out.Ranking = ranked[:min(rankedMost, len(ranked))]
	if how.Half == nil && kept == nil {
		return out, nil
	}
	for i := range out.Ranking {
		if i == 0 {
			continue
		}
		e, err := views[1].than(out.Ranking[i], out.Chosen, how)
		if errors.Is(err, ErrNoExamples) {
			break
		}
		if err != nil {
			return out, err
		}
		out.Ranking[i].Than, out.Ranking[i].Alike = &e, e.Low <= 0 && e.High >= 0
	}
	e, err := views[1].than(out.Chosen, out.Baseline, how)
	if err == nil {
		out.Gain = &Paired{A: out.Chosen.point[1], B: out.Baseline.point[1], Examples: e, Runs: paired.OverRuns(nil), Better: e.Above}
		if !m.HigherBetter {
			out.Gain.Better = 1 - e.Above
		}
	} else if !errors.Is(err, ErrNoExamples) {
		return out, err
	}
	return out, nil
}

// newViews are the two sides.
func newViews(panels [2]Panel, m metric.Metric, how Selecting, kept *examples.Store) (views [2]*view, err error) {
	for i := range views {
		views[i] = &view{}
		if kept != nil {
			if views[i].examples, err = ExamplesOf(kept, m); err != nil {
				if how.Half != nil {
					return views, err
				}
				views[i].examples = nil
			}
		}
	}
	if how.Half == nil {
		return views, nil
	}
	if kept == nil || len(panels[0].Baseline.Points) == 0 {
		return views, ErrNoExamples
	}
	x, _, err := views[0].examples.each(panels[0].Baseline.Points[0])
	if err != nil {
		return views, err
	}
	documents := len(x)
	clusters, n, err := views[0].examples.clusters(panels[0].Baseline.Points[0])
	if err != nil {
		return views, err
	}
	if clusters != nil {
		documents = n
	}
	if documents < 4 {
		return views, fmt.Errorf("%d examples of %d documents cannot be halved", len(x), documents)
	}
	for i, half := range halves(len(x), clusters, documents, *how.Half) {
		views[i].half, views[i].of, views[i].clusters = half, len(x), clusters
	}
	return views, nil
}

// than is the difference of two candidates where they are reported.
func (v *view) than(a, b Candidate, how Selecting) (paired.Estimate, error) {
	if v.examples == nil {
		return paired.Estimate{}, ErrNoExamples
	}
	x, s, err := v.each(a.point[1])
	if err != nil {
		return paired.Estimate{}, err
	}
	y, others, err := v.each(b.point[1])
	if err != nil {
		return paired.Estimate{}, err
	}
	if len(x) != len(y) || !slices.Equal(s, others) {
		return paired.Estimate{}, errOthers
	}
	for i := range x {
		x[i] -= y[i]
	}
	seed := uint64(0)
	if how.Half != nil {
		seed = *how.Half
	}
	clusters := v.documents()
	if how.Half == nil {
		if clusters, _, err = v.examples.clusters(a.point[1]); err != nil {
			return paired.Estimate{}, err
		}
	}
	return paired.Mean(x, s, paired.Options{Draws: how.Draws, Seed: seed, Clusters: clusters})
}

// endpoints are the best of each epoch.
func endpoints(all []Candidate, better func(a, b Candidate) int) []Endpoint {
	var out []Endpoint
	for _, c := range all {
		i := slices.IndexFunc(out, func(e Endpoint) bool { return same(e.Epoch, c.Epoch) })
		if i < 0 {
			i = len(out)
			out = append(out, Endpoint{Epoch: c.Epoch, Chosen: c})
		}
		if better(c, out[i].Chosen) < 0 {
			out[i].Chosen = c
		}
		if c.Label == "baseline" {
			out[i].Baseline = c
		}
	}
	slices.SortFunc(out, func(a, b Endpoint) int {
		switch {
		case a.Epoch < b.Epoch:
			return -1
		case a.Epoch > b.Epoch:
			return 1
		}
		return 0
	})
	return out
}

// schedule takes the best k of each epoch at which there are several plain means of the latest k, the median of three neighbours. Where
// an epoch has no mean of as many, that of the next fewer stands for it.
func schedule(p Panel, all []Candidate, m metric.Metric) Schedule {
	values := map[float64]map[int]Candidate{} // by epoch and k; 0 is the baseline
	var ks []int
	for _, c := range p.Curves {
		if LatestK(c) {
			ks = append(ks, c.K)
		}
	}
	slices.Sort(ks)
	for _, c := range all {
		k := c.K
		if c.Label == "baseline" {
			k = 0
		} else if !slices.ContainsFunc(p.Curves, func(x *Curve) bool { return x.Scheme == c.Scheme && LatestK(x) }) {
			continue
		}
		if values[c.Epoch] == nil {
			values[c.Epoch] = map[int]Candidate{}
		}
		values[c.Epoch][k] = c
	}
	// of is the mean of the latest k of an epoch, or of the next fewer.
	of := func(epoch float64, k int) Candidate {
		for _, other := range slices.Backward(ks) {
			if c, ok := values[epoch][other]; ok && other <= k {
				return c
			}
		}
		return values[epoch][ks[0]]
	}
	var out Schedule
	var best []int
	for _, b := range p.Baseline.Points {
		at := values[b.Epoch]
		if _, ok := at[0]; !ok || len(ks) == 0 || len(at) < 3 {
			continue
		}
		if _, ok := at[ks[0]]; !ok {
			continue
		}
		k := ks[0]
		for _, other := range ks {
			if c, ok := at[other]; ok && m.Better(c.Selected, at[k].Selected) {
				k = other
			}
		}
		out.Epochs, best = append(out.Epochs, b.Epoch), append(best, k)
	}
	n := float64(len(best))
	if n == 0 {
		return Schedule{}
	}
	sums := map[int]float64{} // of what was selected on
	for i, epoch := range out.Epochs {
		near := slices.Sorted(slices.Values(best[max(0, i-1):min(len(best), i+2)]))
		c := of(epoch, near[len(near)/2])
		out.K = append(out.K, c.K)
		out.Value += c.Reported / n
		out.Baseline += values[epoch][0].Reported / n
		for _, k := range ks {
			sums[k] += of(epoch, k).Selected / n
		}
	}
	out.FixedK = ks[0]
	for _, k := range ks {
		if m.Better(sums[k], sums[out.FixedK]) {
			out.FixedK = k
		}
	}
	for _, epoch := range out.Epochs {
		out.Fixed += of(epoch, out.FixedK).Reported / n
	}
	return out
}
