package sweep_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/lawa-replay/lawa-replay/sweep"
)

// faulty is mean, but for what happens before an evaluation.
type faulty struct {
	mean
	group  int
	before func(u *sweep.Unit, times int) error

	mu    sync.Mutex
	times map[*sweep.Unit]int
	most  int // units that came together
}

// errSkipped makes it leave a unit out, and say nothing.
var errSkipped = errors.New("skipped")

func (f *faulty) Open(context.Context, sweep.Job) (*sweep.Slots, error) {
	f.times = map[*sweep.Unit]int{}
	return &sweep.Slots{Slots: []sweep.Slot{f, f}}, nil
}
func (f *faulty) Group() int   { return f.group }
func (f *faulty) Close() error { return nil }
func (f *faulty) Evaluate(ctx context.Context, units []*sweep.Unit) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.most = max(f.most, len(units))
	for _, u := range units {
		f.times[u]++
		if err := f.before(u, f.times[u]); err == errSkipped {
			continue
		} else if err != nil {
			return err
		}
		if err := (slot{}).Evaluate(ctx, []*sweep.Unit{u}); err != nil {
			return err
		}
	}
	return nil
}

// What fails by an evaluation's own fault is tried once more where that may help, others go on, and the third failure
// ends it; any other error ends it at once. What was evaluated is kept.
func TestFailures(t *testing.T) {
	fault := errors.New("fault")
	at := func(epochs string, again bool, tries int) func(*sweep.Unit, int) error {
		return func(u *sweep.Unit, times int) error {
			_, epoch, _ := strings.Cut(u.Name, "epoch ")
			if strings.Contains(u.Name, "the checkpoint of") && strings.Contains(epochs, epoch[:1]) && times <= tries {
				return sweep.Failed(fault, again)
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		before func(*sweep.Unit, int) error
		want   string // of the error; "" for none
		least  int    // evaluations that are kept
	}{
		"none":             {at("", true, 1), "", 0},
		"once":             {at("2", true, 1), "", 0},
		"twice":            {at("2", true, 2), "fault", 20},
		"once, for good":   {at("2", false, 1), "fault", 20},
		"two of them":      {at("23", true, 2), "fault\nfault", 20},
		"three of them":    {at("234", true, 2), "three evaluations failed: fault\nfault\nfault", 0},
		"everybody's":      {func(*sweep.Unit, int) error { return fault }, "fault", 0},
		"without an error": {func(*sweep.Unit, int) error { return errSkipped }, "the backend gave no values", 0},
	} {
		p := planned(t)
		first := p.Shard(sweep.Shard{I: 1, N: 2})
		store, err := sweep.OpenStore(t.TempDir(), func(sweep.Note) {})
		if err != nil {
			t.Fatal(err)
		}
		f := &faulty{group: 1, before: c.before}
		sum, err := sweep.Run(context.Background(), first, f, store, sweep.Options{})
		store.Close()
		switch {
		case c.want == "" && (err != nil || sum.Evaluated != len(first.Cells)):
			t.Errorf("%s: %+v, %v", name, sum, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || sum.Evaluated < c.least || sum.Evaluated == len(first.Cells)):
			t.Errorf("%s: %+v, %v, expected %s", name, sum, err, c.want)
		}
	}
}

// A slot takes along what is ready, up to its group, but leaves enough for the other.
func TestGroups(t *testing.T) {
	p := planned(t)
	store, err := sweep.OpenStore(t.TempDir(), func(sweep.Note) {})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	f := &faulty{group: 3, before: func(*sweep.Unit, int) error { return nil }}
	sum, err := sweep.Run(context.Background(), p, f, store, sweep.Options{})
	if err != nil || sum.Evaluated != len(p.Cells) || f.most > 3 {
		t.Errorf("%+v, %v, up to %d together", sum, err, f.most)
	}
}
