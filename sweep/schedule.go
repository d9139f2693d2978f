package sweep

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// maxFailures is how many evaluations may fail before the sweep ends at once.
const maxFailures = 3

// schedule hands units to the slots of a backend: the only place that knows of groups, failures and second tries.
type schedule struct {
	slots []Slot
	units chan *Unit
	left  atomic.Int64 // units that no slot has taken yet

	mu     sync.Mutex
	failed []error
}

// newSchedule is one for a number of units.
func newSchedule(slots []Slot, units int) *schedule {
	waiting := 0
	for _, s := range slots {
		waiting += 2 * s.Group()
	}
	s := &schedule{slots: slots, units: make(chan *Unit, waiting)}
	s.left.Store(int64(units))
	return s
}

// put hands a unit in, when there is room for it.
func (s *schedule) put(ctx context.Context, u *Unit) error {
	select {
	case s.units <- u:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run evaluates all units that produce puts. What was evaluated is kept, whatever the error.
func (s *schedule) run(ctx context.Context, produce func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, slot := range s.slots {
		g.Go(func() error { return s.work(ctx, slot) })
	}
	g.Go(func() error {
		defer close(s.units)
		return produce(ctx)
	})
	err := g.Wait()
	for u := range s.units { // that nobody took
		u.Release()
	}
	if err != nil {
		return err
	}
	return errors.Join(s.failed...)
}

// work evaluates units on one slot until there are no more.
func (s *schedule) work(ctx context.Context, slot Slot) error {
	for {
		group := s.next(ctx, slot.Group())
		if len(group) == 0 {
			return ctx.Err()
		}
		err := evaluate(ctx, slot, group)
		var one failure
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.As(err, &one):
			return err
		default:
			if err := s.fail(one.error); err != nil {
				return err
			}
		}
	}
}

// evaluate evaluates a group, twice if it must.
func evaluate(ctx context.Context, slot Slot, group []*Unit) error {
	defer func() {
		for _, u := range group {
			u.Release()
		}
	}()
	begin := func() {
		for _, u := range group {
			u.begin(len(group))
		}
	}
	begin()
	err := slot.Evaluate(ctx, group)
	if one := (failure{}); ctx.Err() == nil && errors.As(err, &one) && one.again {
		begin()
		err = slot.Evaluate(ctx, group)
	}
	for _, u := range group {
		if err == nil {
			err = u.complete()
		}
	}
	return err
}

// fail keeps the error of an evaluation while others go on. It is an error when there are too many.
func (s *schedule) fail(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed = append(s.failed, err); len(s.failed) < maxFailures {
		return nil
	}
	return fmt.Errorf("three evaluations failed: %w", errors.Join(s.failed...))
}

// next waits for a unit and takes along what else is ready, up to most, but leaves enough for the other slots.
func (s *schedule) next(ctx context.Context, most int) (group []*Unit) {
	defer func() { s.left.Add(-int64(len(group))) }()
	select {
	case u, ok := <-s.units:
		if !ok {
			return nil
		}
		group = append(group, u)
	case <-ctx.Done():
		return nil
	}
	share := int(s.left.Load()) / (2 * len(s.slots))
	for len(group) < min(most, share) {
		select {
		case u, ok := <-s.units:
			if !ok {
				return group
			}
			group = append(group, u)
		default:
			return group
		}
	}
	return group
}
