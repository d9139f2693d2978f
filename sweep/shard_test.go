package sweep_test

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// planned is a plan of two runs, one of which shares checkpoints with the other, under two policies.
func planned(t *testing.T) *sweep.Plan {
	t.Helper()
	var s sweep.Spec
	for _, c := range [][2]int{{1, 7}, {4, 4}} {
		run, err := record(filepath.Join(t.TempDir(), "run"), c[0], c[1])
		if err != nil {
			t.Fatal(err)
		}
		one := spec(run)
		s.Trajectories, s.Endpoints = append(s.Trajectories, run), append(s.Endpoints, one.Endpoints...)
	}
	var err error
	if s.Schemes, err = averaging.ParseAll([]string{"lawa:k=1..3", "ema:decay=0.5"}); err != nil {
		t.Fatal(err)
	}
	s.Splits, s.Policies = []string{"val", "train"}, []bn.Policy{{Kind: bn.Copy}, {Kind: bn.Average}}
	p, err := sweep.NewPlan(context.Background(), s, mean{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Every cell is in exactly one shard, whatever their number, in the plan's order; an endpoint is in one shard.
func TestShardsAreDisjointAndWhole(t *testing.T) {
	p := planned(t)
	for _, n := range []int{1, 2, 3, 5, 7, 40} {
		var cells []sweep.Cell
		most := 0
		for i := range n {
			s := p.Shard(sweep.Shard{I: i + 1, N: n}).Cells
			cells = append(cells, s...)
			most = max(most, len(s))
		}
		if !reflect.DeepEqual(cells, p.Cells) {
			t.Errorf("%d shards hold %d cells, the plan %d, or another order", n, len(cells), len(p.Cells))
		}
		if even := len(p.Cells) / n; n < 5 && most > even+16 { // an endpoint has up to 16
			t.Errorf("of %d shards one has %d cells, evenly cut they had %d", n, most, even)
		}
	}
	keys := map[string]bool{}
	for _, c := range p.Cells {
		if keys[c.Key] {
			t.Errorf("%s is there twice", c.Key)
		}
		keys[c.Key] = true
	}
	for _, text := range []string{"", "1", "0/2", "3/2", "a/b", "1/2/3", "-1/2", "1/9223372036854775807"} {
		if s, err := sweep.ParseShard(text); err == nil {
			t.Errorf("%q is %v", text, s)
		}
	}
}

// A plan that was written down is made again, without what evaluates; shards that are missing are told; joined, the
// stores make the table that one store makes.
func TestMergedShardsAreTheSweep(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	p := planned(t)
	none := func(n sweep.Note) { t.Errorf("%v", n) }
	whole, err := sweep.OpenStore(filepath.Join(dir, "whole"), none)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	if _, err := sweep.Run(ctx, p, mean{}, whole, sweep.Options{}); err != nil {
		t.Fatal(err)
	}
	want, err := sweep.Table(p, nil, whole)
	if err != nil {
		t.Fatal(err)
	}

	if err := p.Write(dir, "test", []string{"--", "run"}, mean{}); err != nil {
		t.Fatal(err)
	}
	w, err := sweep.ReadPlan(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Same(p, mean{}); err != nil {
		t.Error(err)
	}
	main, err := sweep.OpenFolder(dir, none)
	if err != nil {
		t.Fatal(err)
	}
	defer main.Close()
	for _, i := range []int{3, 1, 2} {
		s := sweep.Shard{I: i, N: 3}
		folder, err := sweep.OpenShard(dir, s, none)
		if err != nil {
			t.Fatal(err)
		}
		others, err := sweep.ReadStores(dir, s.Dir(dir), none)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := sweep.Run(ctx, p.Shard(s), mean{}, folder.Store, sweep.Options{Others: others})
		if err := errors.Join(err, folder.Close()); err != nil || sum.Evaluated != len(p.Shard(s).Cells) {
			t.Fatalf("%+v, %v", sum, err)
		}
		others.Close()
		merged, err := sweep.ReadStores(dir, dir, none)
		if err != nil {
			t.Fatal(err)
		}
		s2, err := w.Spec(p.Spec.Trajectories)
		if err != nil {
			t.Fatal(err)
		}
		again, err := w.Plan(ctx, s2, merged)
		if err != nil || again.Numeric() != "float64" {
			t.Fatalf("by %q, %v", again.Numeric(), err)
		}
		if _, err := main.Join(again, merged); err != nil {
			t.Fatal(err)
		}
		merged.Close()
		have, err := sweep.Table(again, nil, main.Store)
		var incomplete *sweep.Incomplete
		if i != 2 {
			if !errors.As(err, &incomplete) || len(incomplete.Missing) == 0 || len(have.Rows) == 0 {
				t.Errorf("with some shards: %v", err)
			}
		} else if err != nil || !reflect.DeepEqual(have, want) {
			t.Errorf("the merged table is another, %v", err)
		}
	}
}

// A plan of other checkpoints, or by another backend, is not taken for the one that was written down.
func TestAnotherPlanIsRefused(t *testing.T) {
	dir := t.TempDir()
	p := planned(t)
	if err := p.Write(dir, "test", nil, mean{}); err != nil {
		t.Fatal(err)
	}
	w, err := sweep.ReadPlan(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Same(p, mean{}); err != nil {
		t.Error(err)
	}
	s := p.Spec
	run, err := record(filepath.Join(t.TempDir(), "run"), 3, 4)
	if err != nil {
		t.Fatal(err)
	}
	s.Trajectories = []*trajectory.Trajectory{s.Trajectories[0], run}
	other, err := sweep.NewPlan(context.Background(), s, mean{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Same(other, mean{}); err == nil || !strings.Contains(err.Error(), "trajectory example: its checkpoints") {
		t.Errorf("of other checkpoints: %v", err)
	}
	p2, err := sweep.NewPlan(context.Background(), p.Spec, onMoreData{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Same(p2, onMoreData{}); err == nil || err.Error() != "the plan's evaluations on val are others: its data was val, here it is more val" {
		t.Errorf("%v", err)
	}
}

// onMoreData is mean with other data.
type onMoreData struct{ mean }

func (onMoreData) Inputs(policy bn.Policy, split string) (sweep.Inputs, error) {
	return mean{}.Inputs(policy, "more "+split)
}
