package trajectory

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/hint"
)

// Seal reads the checkpoints of the given indices (from 0) that have no digest yet, gives them theirs, and
// verifies them meanwhile, unless they are trusted. progress, if it is not nil, is told how many of them are done.
func (t *Trajectory) Seal(ctx context.Context, indices []int, allowNonFinite bool, progress func(done, total int)) error {
	var missing []int
	for _, i := range indices {
		if t.Checkpoints[i].SHA256 == "" && !t.trusted {
			missing = append(missing, i)
		}
	}
	var mu sync.Mutex
	done := 0
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, i := range missing {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			d, err := t.seal(ctx, i, allowNonFinite)
			if err != nil {
				return fmt.Errorf("%s: %w", t.Name(i), err)
			}
			mu.Lock()
			defer mu.Unlock()
			t.mu.Lock()
			t.Checkpoints[i].SHA256, t.Checkpoints[i].XXH3, t.verified[i] = d.SHA256(), d.XXH3(), true
			t.mu.Unlock()
			if done++; progress != nil {
				progress(done, len(missing))
			}
			return nil
		})
	}
	return g.Wait()
}

func (t *Trajectory) seal(ctx context.Context, i int, allowNonFinite bool) (*digest, error) {
	if t.Checkpoints[i].Link == nil {
		return nil, errors.New("it has no digest, and is no link whose digest could be made")
	}
	c, err := t.Open(i)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	d := newDigest(true)
	var bad []string
	err = c.Stream(func(x *checkpoint.Tensor, data []byte) error {
		d.Write(data)
		if x != nil && x.DType.Part() != "" && !checkpoint.Finite(x.DType.Part(), data) && !slices.Contains(bad, x.Name) {
			bad = append(bad, x.Name)
		}
		return ctx.Err()
	})
	if err == nil && !allowNonFinite {
		err = nonFinite(bad)
	}
	return d, err
}

// nonFinite is an error if there are such tensors.
func nonFinite(bad []string) error {
	if len(bad) == 0 {
		return nil
	}
	return hint.With(fmt.Errorf("NaN or infinite values in %s", checkpoint.Few(bad, 5)), "allow-nonfinite", "goes on all the same")
}
