package averaging

import (
	"context"
	"errors"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// When emit fails, the outputs that it did not get give their memory back.
func TestStreamReleasesWhatNobodyGot(t *testing.T) {
	stop := errors.New("stop")
	var first *Output
	err := Stream(context.Background(), write(t, 3, false, 5, 70000), planFor(t, 3, "lawa:k=1", "lawa:k=2", "lawa:k=3"), nil, Options{}, func(o *Output) error {
		if o.Average == 0 || first != nil {
			o.Release()
			return nil
		}
		first = o // the first of several of an endpoint
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatalf("%v", err)
	}
	first.Release()
	if n := len(first.pool.turns); n > 0 {
		t.Errorf("the memory of %d outputs is lost", n)
	}
}

// interrupting ends the stream while it computes.
type interrupting struct {
	*files
	cancel func()
}

func (i interrupting) Map(index int) (*checkpoint.Mapped, error) {
	if index == 2 {
		i.cancel()
	}
	return i.files.Map(index)
}

// So do those that were being computed when the stream was interrupted.
func TestStreamReleasesWhenInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var pool *pool
	err := Stream(ctx, interrupting{write(t, 3, false, 5, 70000), cancel}, planFor(t, 3, "lawa:k=1"), nil, Options{}, func(o *Output) error {
		pool = o.pool
		o.Release()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("%v", err)
	}
	if pool != nil && len(pool.turns) > 0 {
		t.Errorf("the memory of %d outputs is lost", len(pool.turns))
	}
}
