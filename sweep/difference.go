package sweep

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// normal95 is the quantile of the normal distribution that leaves 2.5 % above it.
const normal95 = 1.959963984540054

// rowAt is where a row of a table stands, but for its scheme and its policy.
type rowAt struct {
	run, split, metric string
	epoch              float64
}

func rowAtOf(r *results.Row) rowAt { return rowAt{r.RunOf().ID(), r.Split, r.Metric, r.Epoch} }

// Differences gives the rows of a table their differences from the baseline, with 95 % intervals from what each example gave, paired: the
// mean of the differences and its standard error, over documents where examples belong to such, by the normal distribution. Where it is
// not known what each example gave there is no interval. before may be an earlier table of the same sweep: what two evaluations differ by
// is not computed again.
func Differences(t, before *results.Table, stores Stores) {
	base := baselines(t)
	known := map[[3]string]*results.Row{} // by the keys of both and the metric
	if before != nil {
		was := baselines(before)
		for i := range before.Rows {
			r := &before.Rows[i]
			if b := was[rowAtOf(r)]; b != nil && r.DifferenceLow != nil && r.Examples == nil {
				known[[3]string{r.Key, b.Key, r.Metric}] = r
			}
		}
	}
	var todo []int
	for i := range t.Rows {
		r := &t.Rows[i]
		b := base[rowAtOf(r)]
		switch {
		case b == nil || b.Key == r.Key:
			continue
		case r.Examples != nil: // a part of them: the baseline is known whole
			r.Difference, r.DifferenceLow, r.DifferenceHigh = new(r.Value-b.Value), new(*r.Low-b.Value), new(*r.High-b.Value)
			continue
		}
		r.Difference = new(r.Value - b.Value)
		if was := known[[3]string{r.Key, b.Key, r.Metric}]; was != nil {
			r.DifferenceLow, r.DifferenceHigh = was.DifferenceLow, was.DifferenceHigh
			continue
		}
		todo = append(todo, i)
	}
	stores.intervals(t, base, todo)
}

// baselines are the rows of the checkpoints themselves, with their own statistics.
func baselines(t *results.Table) map[rowAt]*results.Row {
	out := map[rowAt]*results.Row{}
	for i := range t.Rows {
		if r := &t.Rows[i]; r.Scheme == (averaging.Last{}).Spec() && r.Policy == "copy" {
			out[rowAtOf(r)] = r
		}
	}
	return out
}

// intervals computes those of some rows, on all cores. Rows of one evaluation follow one another, and share what is read of it.
func (s Stores) intervals(t *results.Table, base map[rowAt]*results.Row, todo []int) {
	var groups [][]int
	for _, i := range todo {
		if n := len(groups); n > 0 && t.Rows[groups[n-1][0]].Key == t.Rows[i].Key {
			groups[n-1] = append(groups[n-1], i)
			continue
		}
		groups = append(groups, []int{i})
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(groups)) {
		workers.Go(func() {
			var of string // the baseline that set is of
			var set examples.Set
			for n := int(next.Add(1)) - 1; n < len(groups); n = int(next.Add(1)) - 1 {
				first := &t.Rows[groups[n][0]]
				own, err := s.examples(first.Key)
				if err != nil {
					continue // nobody knows what each example gave
				}
				if key := base[rowAtOf(first)].Key; key != of {
					if set, err = s.examples(key); err != nil {
						of = ""
						continue
					}
					of = key
				}
				for _, i := range groups[n] {
					t.Rows[i].DifferenceLow, t.Rows[i].DifferenceHigh = intervalOf(own, set, t.Rows[i].Metric)
				}
			}
		})
	}
	workers.Wait()
}

// intervalOf is that of the difference of a metric between two evaluations of the same examples; nil where they are not of the same.
func intervalOf(a, b examples.Set, name string) (low, high *float64) {
	x, ok1 := a.Find(name)
	y, ok2 := b.Find(name)
	if !ok1 || !ok2 || len(x.Values) != len(y.Values) || len(x.Values) < 2 {
		return nil, nil
	}
	differences, sizes := make([]float32, len(x.Values)), x.Sizes
	for i := range differences {
		differences[i] = x.Values[i] - y.Values[i]
	}
	if clusters, n := x.Clusters(); clusters != nil { // the sums of each document
		sums, counts := make([]float32, n), make([]float32, n)
		for i, c := range clusters {
			sums[c] += differences[i]
			if counts[c]++; sizes != nil {
				counts[c] += sizes[i] - 1
			}
		}
		differences, sizes = sums, counts
	}
	mean, stderr, _ := metric.Mean(differences, sizes)
	return new(mean - normal95*stderr), new(mean + normal95*stderr)
}
