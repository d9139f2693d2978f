package sweep

import (
	"bytes"
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// guessing is a backend that needs no network: each average guesses some of the examples right, most of which all agree on.
type guessing struct {
	constant
	margins []float64 // of the examples: how sure all averages are

	mu    sync.Mutex
	parts map[string][]int
	asked map[string]map[int]int // how often each example was asked, by average and policy
}

func newGuessing(n int) *guessing {
	g := &guessing{parts: map[string][]int{}, asked: map[string]map[int]int{}}
	rng := rand.New(rand.NewPCG(1, 1))
	for range n {
		g.margins = append(g.margins, 6*rng.Float64()-1)
	}
	return g
}

func (*guessing) Metrics() []metric.Metric   { return []metric.Metric{metric.Top1, metric.Loss} }
func (g *guessing) Size(string) (int, error) { return len(g.margins), nil }
func (g *guessing) Open(context.Context, Job) (*Slots, error) {
	return &Slots{Slots: []Slot{g, g}}, nil
}

func (g *guessing) Part(split string, at []int) (string, error) {
	h := fnv.New64()
	fmt.Fprint(h, at)
	name := fmt.Sprintf("%s~%x", split, h.Sum64())
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parts[name] = at
	return name, nil
}

func (g *guessing) Evaluate(_ context.Context, units []*Unit) error {
	for _, u := range units {
		h := fnv.New64()
		h.Write([]byte(u.Name))                   // the weights of several averages are alike here
		id, own := u.Name, float64(u.Data[12])/60 // later checkpoints are better
		seed := h.Sum64()
		u.Release()
		for i, split := range u.Splits {
			g.mu.Lock()
			at, part := g.parts[split]
			if !part {
				for j := range g.margins {
					at = append(at, j)
				}
			}
			if g.asked[id] == nil {
				g.asked[id] = map[int]int{}
			}
			for _, j := range at {
				g.asked[id][j]++
			}
			g.mu.Unlock()
			loss, hits := make([]float64, len(at)), make([]float64, len(at))
			for k, j := range at {
				score := g.margins[j] + own + 0.4*rand.New(rand.NewPCG(seed, uint64(j))).NormFloat64()
				if loss[k] = math.Log1p(math.Exp(-score)); score > 0 {
					hits[k] = 100
				}
			}
			set := examples.Set{examples.Of("top1", hits, nil), examples.Of("loss", loss, nil)}
			var values []Value
			for _, m := range set {
				mean, stderr, n := m.Mean()
				values = append(values, Value{m.Name, trajectory.Number(mean), trajectory.Number(stderr), n})
			}
			if err := u.Keep(i, set); err != nil {
				return err
			}
			if err := u.Done(i, values); err != nil {
				return err
			}
		}
	}
	return nil
}

// guessed is a plan over some checkpoints.
func guessed(t *testing.T, b Backend) *Plan {
	t.Helper()
	run := longRun(t, 12)
	spec := Spec{Trajectories: []*trajectory.Trajectory{run}, Policies: []bn.Policy{{Kind: bn.Copy}}, Splits: []string{"val"}}
	for i := range run.Checkpoints {
		spec.Endpoints = [][]int{append(append([]int{}, firstOf(spec.Endpoints)...), i)}
	}
	for _, text := range []string{"lawa:k=2", "lawa:k=4"} {
		s, err := averaging.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		spec.Schemes = append(spec.Schemes, s)
	}
	p, err := NewPlan(context.Background(), spec, b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func firstOf(all [][]int) []int {
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

func bytesOf(t *testing.T, table *results.Table) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t.parquet")
	if err := results.Write(path, table); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func storeAt(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := OpenStore(dir, func(n Note) { t.Error(n.Text) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// atOnce is a plan, and its table where every average is evaluated on all examples at once.
func atOnce(t *testing.T, g *guessing) (*Plan, *results.Table) {
	t.Helper()
	p := guessed(t, g)
	whole := storeAt(t, filepath.Join(t.TempDir(), "store"))
	defer whole.Close()
	if _, err := Run(t.Context(), p, g, whole, Options{}); err != nil {
		t.Fatal(err)
	}
	table, err := Table(p, nil, whole)
	if err != nil {
		t.Fatal(err)
	}
	return p, table
}

// What is known in parts is extended and never asked again, and with all of it known the table is that of a sweep which knows no parts,
// to the last byte; a sweep that was given up in between changes nothing.
func TestUntilExtends(t *testing.T) {
	g := newGuessing(1000)
	p, reference := atOnce(t, g)
	g.asked = map[string]map[int]int{}
	dir := filepath.Join(t.TempDir(), "store")
	var before int
	for i, width := range []float64{-60, 3, 3, 1.5, 0} {
		store := storeAt(t, dir)
		u := Until{HalfWidth: width, Metric: "top1", Seed: 5}
		if width < 0 { // a number of examples
			u.HalfWidth, u.Examples = 0, int(-width)
		}
		sum, s, err := RunUntil(t.Context(), p, g, store, Options{}, u)
		if err != nil {
			t.Fatal(err)
		}
		table, err := TableWith(p, s, nil, store)
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		for id, each := range g.asked {
			for example, n := range each {
				if asked++; n != 1 {
					t.Fatalf("width %v: example %d of %s was asked %d times", width, example, id, n)
				}
			}
		}
		switch {
		case i == 0 && (s.Partly() == 0 || sum.Evaluated != len(p.Cells)):
			t.Errorf("%+v, %d in parts", sum, s.Partly())
		case i == 0:
			for _, r := range table.Rows {
				if r.Scheme != "last" && (r.Examples == nil || *r.Examples != 63) { // the next of 1/16, 1/8, … of 1000
					t.Fatalf("%d examples were wanted: %+v", u.Examples, r)
				}
			}
		case i == 1 && asked <= before:
			t.Errorf("a narrow interval asked nothing more than 60 examples")
		case i == 2 && (asked != before || sum.Evaluated != 0):
			t.Errorf("the same once more: %d examples were asked, %d before, %+v", asked, before, sum)
		case i == 3 && asked <= before:
			t.Errorf("a narrower interval asked nothing")
		case width == 0 && (s.Partly() != 0 || !bytes.Equal(bytesOf(t, table), bytesOf(t, reference))):
			t.Error("the table is not that of a sweep without parts")
		}
		if len(table.Rows) != len(reference.Rows) {
			t.Errorf("%d rows, %d without parts", len(table.Rows), len(reference.Rows))
		}
		before = asked
		store.Close()
	}
}

// In at least 93 % of 200 repetitions with other seeds the interval of every point of a curve holds the value on all examples, with
// fewer of them asked; and no interval is wider than was asked for.
func TestUntilHolds(t *testing.T) {
	const repetitions = 200
	g := newGuessing(2000)
	p, reference := atOnce(t, g)
	truth := map[string]float64{}
	for _, r := range reference.Rows {
		truth[r.Key+r.Metric] = r.Value
	}
	held, curves, examplesAsked, of := 0, 0, 0, 0
	for seed := range uint64(repetitions) {
		store := storeAt(t, filepath.Join(t.TempDir(), "store"))
		_, s, err := RunUntil(t.Context(), p, g, store, Options{}, Until{HalfWidth: 2, Metric: "top1", Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		table, err := TableWith(p, s, nil, store)
		if err != nil {
			t.Fatal(err)
		}
		store.Close()
		examplesAsked, of = examplesAsked+s.Passed, of+s.Of
		good := map[string]bool{}
		for _, r := range table.Rows {
			id := r.Scheme + r.Metric
			if _, ok := good[id]; !ok && r.Scheme != "last" {
				good[id] = true
			}
			if r.Low == nil {
				if r.Value != truth[r.Key+r.Metric] {
					t.Fatalf("%s at epoch %v: %v, without parts %v", r.Scheme, r.Epoch, r.Value, truth[r.Key+r.Metric])
				}
				continue
			}
			if r.Metric == "top1" && (*r.High-*r.Low)/2 > 2 || *r.Examples < 125 {
				t.Fatalf("%+v", r)
			}
			if v := truth[r.Key+r.Metric]; v < *r.Low || v > *r.High {
				good[id] = false
			}
		}
		for _, ok := range good {
			if curves++; ok {
				held++
			}
		}
	}
	if share := float64(held) / float64(curves); share < 0.93 {
		t.Errorf("all intervals of a curve hold in %.1f %% of %d", 100*share, curves)
	} else {
		t.Logf("all intervals of a curve hold in %.1f %%; %.1f %% of the examples were asked", 100*share, 100*float64(examplesAsked)/float64(of))
	}
	if examplesAsked > of/2 {
		t.Errorf("%d of %d examples were asked", examplesAsked, of)
	}
}
