// Package results is the tidy table of a sweep's evaluations: one row per run, scheme, endpoint, policy,
// split and metric, as a Parquet file that pandas, polars and DuckDB read.
//
// It believes that a table is a view: the same evaluations give the same bytes, and a digest beside the
// file says whether they are still those that were written. A run is known by its name, its seed and the recipe that it
// was trained by, and by its folder where those repeat, so that runs which differ in more than their seed are not taken
// for seeds of one another. What is not known is null, never zero.
package results

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/results/metric"
)

// Row is one value. The Parquet columns have the names and types of the comments.
type Row struct {
	Run     string   // run: string, its name
	Seed    *int64   // seed: int64; null where it is not known
	Folder  string   // folder: string, as much of the run's path as tells it from the others of the sweep
	Config  string   // config: string, JSON of how it was trained, without the seed; training is null where that is not known
	Devices *int64   // devices: int64, how many it was trained on; null where that is not known
	Scheme  string   // scheme: string, canonical spec such as lawa:k=6
	K       int32    // k: int32, checkpoints averaged; null (here 0) where the scheme fixes none
	Epoch   float64  // epoch: double, epochs completed at the endpoint
	Step    *int64   // step: int64, optimizer steps completed at the endpoint; null where they are not known
	Policy  string   // policy: string, what became of batch-norm statistics
	Split   string   // split: string
	Metric  string   // metric: string; loss in nats, top1 and top5 in percent
	Value   float64  // value: double
	StdErr  float64  // stderr: double, standard error of the mean over examples
	N       int64    // n: int64, examples
	Seconds *float64 // seconds: double, time spent training up to the endpoint; null where it is not known
	LR      *float64 // lr: double, learning rate of the endpoint's last step; null where it is not known
	Tokens  *float64 // tokens: double, trained on up to the endpoint; null where they are not known
	// Examples, Low and High are null where the value rests on all examples of the split: otherwise on how many, drawn at random, and
	// the 95 % interval of the value on all of them, which holds for all points of the curve at once.
	Examples  *int64   // examples: int64
	Low, High *float64 // low, high: double
	// Difference is from the checkpoint itself with its own statistics, with its 95 % interval over the examples, paired; null of the
	// checkpoint itself, and the interval where it is not known what each example gave.
	Difference, DifferenceLow, DifferenceHigh *float64 // difference, difference_low, difference_high: double
	// device_seconds: double, seconds × devices; null where one of them is not known
	Key string // key: string, digest of all that the value depends on
}

// Table is a sweep's rows with its provenance (JSON) and what is known of its metrics.
type Table struct {
	Rows       []Row
	Provenance string
	Metrics    []metric.Metric // as whoever evaluated describes them; those that it does not, and all of older tables, are missing
}

// Metric describes a metric: as the table does, or else as its name says.
func (t *Table) Metric(name string) metric.Metric {
	for _, m := range t.Metrics {
		if m.Name == name {
			return m
		}
	}
	m := metric.Of(name)
	if name == metric.Loss.Name && t.Worker() {
		m.Label, m.Unit = name, "" // what its program means by it
	}
	return m
}

// Run is one training run of a table.
type Run struct {
	Name    string
	Seed    *int64
	Folder  string // as in Row; "" in tables of the first version, which knew a run by name and seed
	Config  string
	Devices *int64
}

// Recipe is a short digest of how the run was trained, by which runs are seeds of one another: the first 12 hexadecimal
// digits of the SHA-256 of Config. It is "" where that is not known. The column recipe holds it.
func (r Run) Recipe() string {
	if r.Config == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(r.Config))
	return hex.EncodeToString(sum[:6])
}

// RunOf is the run that a row is of.
func (r Row) RunOf() Run { return Run{r.Run, r.Seed, r.Folder, r.Config, r.Devices} }

// ID is different for different runs: of another name, seed, recipe or folder.
func (r Run) ID() string {
	return strings.Join([]string{r.Name, seedText(r.Seed), r.Config, r.Folder}, "\x00")
}

// Is says whether name is one by which the run may be called: its name, its folder, its recipe, or one of them with the
// seed, as in run/seed=2.
func (r Run) Is(name string) bool {
	one := func(name string) bool { return name == r.Name || name == r.Folder || name != "" && name == r.Recipe() }
	base, seed, has := strings.Cut(name, "/seed=")
	return one(name) || has && one(base) && r.Seed != nil && seed == seedText(r.Seed)
}

func seedText(seed *int64) string {
	if seed == nil {
		return "–"
	}
	return fmt.Sprint(*seed)
}

// Runs lists the table's runs, in the order in which they first appear.
func (t *Table) Runs() []Run {
	var out []Run
	seen := map[string]bool{}
	for i := range t.Rows {
		if r := t.Rows[i].RunOf(); !seen[r.ID()] {
			seen[r.ID()] = true
			out = append(out, r)
		}
	}
	return out
}

// RunNames gives the runs the shortest names that tell them apart: their own, with the seed where that is not
// enough, else their folders, and else all that is known of them.
func RunNames(runs []Run) []string {
	for _, name := range []func(Run) string{
		func(r Run) string { return r.Name },
		func(r Run) string { return r.Name + " (seed " + seedText(r.Seed) + ")" },
		func(r Run) string { return r.Folder },
		func(r Run) string {
			return fmt.Sprintf("%s in %s (seed %s, recipe %s)", r.Name, r.Folder, seedText(r.Seed), r.Recipe())
		},
	} {
		var names []string
		for _, r := range runs {
			if n := name(r); !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
		if len(names) == len(runs) {
			return names
		}
	}
	panic("one run twice")
}

// RunList names several runs in a line: run, seeds 1, 2, 3, where only the seeds differ. More than eight are counted.
func RunList(runs []Run) string {
	names := RunNames(runs)
	seeds := ""
	for _, r := range runs {
		if len(runs) < 2 || r.Name != runs[0].Name || r.Seed == nil {
			seeds = ""
			break
		}
		seeds += ", " + seedText(r.Seed)
	}
	const most = 8
	switch {
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most-1], ", "), len(names)-most+1)
	case seeds != "" && strings.HasSuffix(names[0], ")"):
		return runs[0].Name + ", seeds " + strings.TrimPrefix(seeds, ", ")
	}
	return strings.Join(names, ", ")
}

// Only is the table with those runs that the names call; each must call one at least.
func (t *Table) Only(names []string) (*Table, error) {
	runs := t.Runs()
	for _, name := range names {
		if !slices.ContainsFunc(runs, func(r Run) bool { return r.Is(name) }) {
			return nil, fmt.Errorf("no run %q in these results, which hold %s", name, strings.Join(RunNames(runs), ", "))
		}
	}
	out := &Table{Provenance: t.Provenance, Metrics: t.Metrics}
	for _, row := range t.Rows {
		if slices.ContainsFunc(names, row.RunOf().Is) {
			out.Rows = append(out.Rows, row)
		}
	}
	return out, nil
}

// Worker says whether a program of one's own evaluated: then a metric means what that program says.
func (t *Table) Worker() bool {
	var p struct {
		Worker string `json:"worker"`
	}
	return json.Unmarshal([]byte(t.Provenance), &p) == nil && p.Worker != ""
}

// Point is one value of a series.
type Point struct {
	Epoch, Value, StdErr float64
	N                    int64
	Step                 *int64
	Seconds              *float64
	LR                   *float64
	Tokens               *float64
	Key                  string // of the evaluation
	Low, High            *float64
}

// Series is one metric along the epochs, for one run, scheme, policy and split.
type Series struct {
	Run            Run
	Scheme, Policy string
	K              int
	Points         []Point // by rising epoch
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
		run := r.RunOf()
		key := id{run.ID(), r.Scheme, r.Policy}
		s := index[key]
		if s == nil {
			s = &Series{Run: run, Scheme: r.Scheme, Policy: r.Policy, K: int(r.K)}
			index[key] = s
			out = append(out, s)
		}
		s.Points = append(s.Points, Point{r.Epoch, r.Value, r.StdErr, r.N, r.Step, r.Seconds, r.LR, r.Tokens, r.Key, r.Low, r.High})
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
