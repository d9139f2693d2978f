package sweep_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lawa-replay/lawa-replay/sweep"
)

// idle is a backend without a slot.
type idle struct{ mean }

func (idle) Open(context.Context, sweep.Job) (*sweep.Slots, error) { return &sweep.Slots{}, nil }

// mute is a backend that calls its evaluations done and gives no values.
type mute struct{ mean }

func (mute) Open(context.Context, sweep.Job) (*sweep.Slots, error) {
	return &sweep.Slots{Slots: []sweep.Slot{silent{}}}, nil
}

type silent struct{ slot }

func (silent) Evaluate(_ context.Context, units []*sweep.Unit) error {
	for _, u := range units {
		for i := range u.Splits {
			if err := u.Done(i, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// A backend that evaluates nothing is an error: it neither hangs nor leaves what nobody can read in the store.
func TestBackendsThatDoNothing(t *testing.T) {
	p := planned(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for want, b := range map[string]sweep.Backend{"no slot": idle{}, "no values on the split": mute{}} {
		store, err := sweep.OpenStore(t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sweep.Run(ctx, p, b, store, sweep.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %s", err, want)
		}
		if _, err := sweep.Table(p, nil, store); err == nil {
			t.Error("a table of nothing")
		} else if missing := (*sweep.Incomplete)(nil); !errors.As(err, &missing) {
			t.Errorf("the store cannot be read: %v", err)
		}
		if err := store.Put(sweep.Evaluation{}); err == nil {
			t.Error("an evaluation without values is kept")
		}
		store.Close()
	}
}

// A folder has one writer, which others can tell.
func TestLockedFolder(t *testing.T) {
	dir := t.TempDir()
	folder, err := sweep.OpenFolder(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if _, err := sweep.OpenFolder(dir, nil); !errors.Is(err, sweep.ErrLocked) {
		t.Errorf("%v", err)
	}
}
