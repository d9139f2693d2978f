package sweep

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
)

// broken is a slot that fails at once.
type broken struct{ wait chan struct{} }

func (broken) Group() int   { return 4 }
func (broken) Close() error { return nil }
func (b broken) Evaluate(context.Context, []*Unit) error {
	<-b.wait
	return errors.New("broken")
}

// A sweep that ends with an error gives the memory of all averages back, those that no slot took among them.
func TestAllUnitsAreReleased(t *testing.T) {
	b := broken{make(chan struct{})}
	s := newSchedule([]Slot{b}, 100)
	var held atomic.Int64
	err := s.run(context.Background(), func(ctx context.Context) error {
		for i := range 100 {
			held.Add(1)
			u := &Unit{release: func() { held.Add(-1) }}
			if i == 5 {
				close(b.wait)
			}
			if err := s.put(ctx, u); err != nil {
				u.Release()
				return err
			}
		}
		return nil
	})
	if err == nil || held.Load() != 0 {
		t.Errorf("%v, %d are held", err, held.Load())
	}
}
