// Package results is the tidy table of a sweep's evaluations: one row per run, scheme, endpoint, policy,
// split and metric, as a Parquet file that pandas, polars and DuckDB read.
//
// It believes that a table is a view: the same evaluations give the same bytes, and a digest beside the
// file says whether they are still those that were written.
package results

import (
	"cmp"
	"slices"
)

// Row is one value. The Parquet columns have the names and types of the comments.
type Row struct {
	Run     string  // run: string
	Seed    int64   // seed: int64
	Scheme  string  // scheme: string, canonical spec such as lawa:k=6
	K       int32   // k: int32, checkpoints averaged; null (here 0) where the scheme fixes none
	Epoch   float64 // epoch: double, epochs completed at the endpoint
	Step    int64   // step: int64, optimizer steps completed at the endpoint
	Policy  string  // policy: string, what became of batch-norm statistics
	Split   string  // split: string
	Metric  string  // metric: string; loss in nats, top1 and top5 in percent
	Value   float64 // value: double
	StdErr  float64 // stderr: double, standard error of the mean over examples
	N       int64   // n: int64, examples
	Seconds float64 // seconds: double, time spent training up to the endpoint
	Key     string  // key: string, digest of all that the value depends on
}

// Table is a sweep's rows with its provenance (JSON).
type Table struct {
	Rows       []Row
	Provenance string
}

// Point is one value of a series.
type Point struct {
	Epoch, Value, StdErr, Seconds float64
	Step                          int64
}

// Series is one metric along the epochs, for one run, scheme, policy and split.
type Series struct {
	Run, Scheme, Policy string
	K                   int
	Points              []Point // by rising epoch
}

// Series groups the rows of a split and metric, in the order in which they first appear.
func (t *Table) Series(split, metric string) []*Series {
	type id struct{ run, scheme, policy string }
	index := map[id]*Series{}
	var out []*Series
	for _, r := range t.Rows {
		if r.Split != split || r.Metric != metric {
			continue
		}
		key := id{r.Run, r.Scheme, r.Policy}
		s := index[key]
		if s == nil {
			s = &Series{Run: r.Run, Scheme: r.Scheme, Policy: r.Policy, K: int(r.K)}
			index[key] = s
			out = append(out, s)
		}
		s.Points = append(s.Points, Point{r.Epoch, r.Value, r.StdErr, r.Seconds, r.Step})
	}
	for _, s := range out {
		slices.SortStableFunc(s.Points, func(a, b Point) int { return cmp.Compare(a.Epoch, b.Epoch) })
	}
	return out
}

// Values lists the different values that a column has, in the order in which they first appear.
func (t *Table) Values(column func(Row) string) []string {
	var out []string
	for _, r := range t.Rows {
		if v := column(r); !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}
