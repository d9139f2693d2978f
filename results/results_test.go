package results

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/results/metric"
)

func sample(n int) *Table {
	t := &Table{Provenance: `{"software":"test"}`}
	for i := range n {
		t.Rows = append(t.Rows, Row{Run: "r", Seed: new(int64(3)), Folder: "a/r", Config: `{"lr":0.1}`, Devices: new(int64(2)), Scheme: fmt.Sprintf("lawa:k=%d", i%17), K: int32(i % 17), Epoch: float64(i) / 3, Step: new(int64(i)), Policy: "copy",
			Split: "val", Metric: []string{"loss", "top1"}[i%2], Value: float64(i) * 1.1, StdErr: 0.5, N: 10000, Seconds: new(1.5), LR: new(0.1 / float64(i+1)), Key: fmt.Sprintf("%064x", i*i)})
	}
	return t
}

func TestRoundTripAndSameBytes(t *testing.T) {
	want := sample(20000) // written in several parts
	want.Metrics = []metric.Metric{metric.Loss, {Name: "frobs", HigherBetter: true, Label: "frobs caught", Unit: "%"}}
	want.Rows[7].Value = math.Inf(1)
	want.Rows[8].Seed, want.Rows[8].Devices, want.Rows[8].Step, want.Rows[8].Seconds, want.Rows[8].LR = nil, nil, nil, nil, nil
	var first []byte
	for i := range 5 {
		path := filepath.Join(t.TempDir(), "results.parquet")
		if err := Write(path, want); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = b
		} else if !bytes.Equal(first, b) {
			t.Fatal("the same table has other bytes")
		}
		got, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if got.Provenance != want.Provenance || !reflect.DeepEqual(got.Metrics, want.Metrics) || len(got.Rows) != len(want.Rows) {
			t.Fatalf("%d rows, provenance %q", len(got.Rows), got.Provenance)
		}
		for i := range got.Rows {
			if !reflect.DeepEqual(got.Rows[i], want.Rows[i]) {
				t.Fatalf("row %d: %+v, wrote %+v", i, got.Rows[i], want.Rows[i])
			}
		}
	}
}

func TestNaNSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.parquet")
	table := sample(1)
	table.Rows[0].Value = math.NaN()
	if err := Write(path, table); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(path); err != nil || got.Rows[0].Value == got.Rows[0].Value {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDamageIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.parquet")
	if err := Write(path, sample(100)); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at += 97 {
		b := bytes.Clone(whole)
		b[at] ^= 0x40
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "altered") {
			t.Fatalf("byte %d changed: %v", at, err)
		}
	}
	if err := os.Remove(path + ".sha256"); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil {
		t.Error("a table without its digest was read")
	}
	if _, err := parse(whole[:len(whole)/2]); err == nil {
		t.Error("half a file was parsed")
	}
}

// FuzzParse reads what has the right digest, but is no table of ours.
func FuzzParse(f *testing.F) {
	for _, n := range []int{0, 3, 300} {
		path := filepath.Join(f.TempDir(), "results.parquet")
		if err := Write(path, sample(n)); err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) { _, _ = parse(data) })
}

func TestSeries(t *testing.T) {
	table := &Table{Rows: []Row{
		{Run: "a", Scheme: "last", Policy: "copy", Epoch: 2, Split: "val", Metric: "loss", Value: 2},
		{Run: "a", Scheme: "last", Policy: "copy", Epoch: 1, Split: "val", Metric: "loss", Value: 3},
		{Run: "a", Scheme: "last", Policy: "copy", Epoch: 1, Split: "train", Metric: "loss", Value: 9},
		{Run: "b", Scheme: "last", Policy: "copy", Epoch: 1, Split: "val", Metric: "loss", Value: 4},
	}}
	s := table.Series("val", "loss")
	if len(s) != 2 || len(s[0].Points) != 2 || s[0].Points[0].Value != 3 || s[1].Run.Name != "b" {
		t.Errorf("%+v", s)
	}
}

// A table of the first version has no folders, and zeros for what is not known of an imported run: none of its rows
// has seconds. The zero seed of a run that was trained is one.
func TestTablesOfTheFirstVersion(t *testing.T) {
	table, err := Read("../testdata/results/version1.parquet")
	if err != nil {
		t.Fatal(err)
	}
	runs := table.Runs()
	if len(table.Rows) != 6 || len(runs) != 2 || runs[0].Config != "" || runs[0].Devices != nil {
		t.Fatalf("%d rows, runs %+v", len(table.Rows), runs)
	}
	for _, r := range table.Rows {
		trained := r.Run == "trained"
		if (r.Seed != nil) != trained || (r.Seconds != nil) != trained || trained && (*r.Seed != 0 || *r.Seconds != 2*r.Epoch || *r.Step != int64(10*r.Epoch)) {
			t.Errorf("%+v", r)
		}
	}
}

// A table of the second version has no recipes: they follow from how the runs were trained. Only the seed is no part of
// one.
func TestTablesOfTheSecondVersion(t *testing.T) {
	table, err := Read("../testdata/results/version2.parquet")
	if err != nil {
		t.Fatal(err)
	}
	runs := table.Runs()
	if len(table.Rows) != 9 || len(runs) != 3 || *runs[0].Seed != 1 || *runs[1].Seed != 2 || *runs[2].Seed != 1 || *table.Rows[0].Step == 0 || table.Rows[0].LR != nil {
		t.Fatalf("%d rows, runs %+v", len(table.Rows), runs)
	}
	if r := runs[0].Recipe(); len(r) != 12 || r != runs[1].Recipe() || r == runs[2].Recipe() {
		t.Errorf("recipes %q, %q, %q", runs[0].Recipe(), runs[1].Recipe(), runs[2].Recipe())
	}
	if only, err := table.Only([]string{runs[0].Recipe()}); err != nil || len(only.Runs()) != 2 {
		t.Errorf("by the recipe: %v, %v", only, err)
	}
	if only, err := table.Only([]string{runs[2].Recipe() + "/seed=1"}); err != nil || len(only.Runs()) != 1 || only.Runs()[0].Folder != "r3" {
		t.Errorf("by the recipe and the seed: %v, %v", only, err)
	}
}

// Runs have the shortest names that tell them apart.
func TestRunNames(t *testing.T) {
	run := func(name string, seed int64, folder string) Run { return Run{Name: name, Seed: &seed, Folder: folder} }
	for _, c := range []struct {
		runs []Run
		want string
	}{
		{[]Run{run("a", 1, "x/a"), run("b", 1, "x/b")}, "a, b"},
		{[]Run{run("a", 1, "x/a"), run("a", 2, "y/a")}, "a, seeds 1, 2"},
		{[]Run{run("a", 1, "x/a"), run("a", 1, "y/a")}, "x/a, y/a"},
		{[]Run{run("a", 1, "x/a"), {Name: "a", Folder: "y/a"}}, "a (seed 1), a (seed –)"},
		{[]Run{run("a", 1, "a"), run("a", 2, "a"), run("b", 1, "a"), run("a", 1, "b")}, "a in a (seed 1, recipe ), a in a (seed 2, recipe ), b in a (seed 1, recipe ), a in b (seed 1, recipe )"},
	} {
		if got := RunList(c.runs); got != c.want {
			t.Errorf("%q, expected %q", got, c.want)
		}
	}
	var many []Run
	for i := range 20 {
		many = append(many, run(fmt.Sprint("r", i), 1, ""))
	}
	if got := RunList(many); got != "r0, r1, r2, r3, r4, r5, r6 and 13 more" {
		t.Errorf("%q", got)
	}
}

// What whoever evaluated says of a metric counts; what nobody said, the name says; and a worker's loss is what it is.
func TestMetricsOfATable(t *testing.T) {
	own := metric.Metric{Name: "frobs", HigherBetter: true, Label: "frobs caught", Unit: "%"}
	table := &Table{Metrics: []metric.Metric{own}, Provenance: `{"worker":"eval"}`}
	if m := table.Metric("frobs"); m != own || m.Heading() != "frobs (%)" {
		t.Errorf("%+v, in a table %s", m, m.Heading())
	}
	if m := table.Metric("knobs"); !m.Guessed || m.HigherBetter {
		t.Errorf("%+v", m)
	}
	if m := table.Metric("loss"); m.Label != "loss" || m.Unit != "" {
		t.Errorf("%+v", m)
	}
	if m := (&Table{}).Metric("loss"); m != metric.Loss {
		t.Errorf("%+v", m)
	}
}
