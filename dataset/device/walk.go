package device

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// Walk reads a feed batch by batch, for one goroutine. Where the split does not lie on the device, the batch that would
// come next, of the same size, is read while the one before is computed with.
type Walk struct {
	f     *Feed
	ahead *reading // nil where nothing is being read
	spare *dataset.Batch
}

// reading is a batch on its way into the host's memory.
type reading struct {
	from, to int
	batch    *dataset.Batch
	done     chan error
}

// Walk begins one. The caller closes it.
func (f *Feed) Walk() *Walk { return &Walk{f: f, spare: &dataset.Batch{}} }

// Batch brings examples [from, to) of the feed. What goes wrong the scope says.
func (w *Walk) Batch(s *torch.Scope, from, to int) *Batch {
	if w.f.whole != nil {
		b := &Batch{N: to - from, Fields: w.f.fields}
		for i, field := range w.f.fields {
			b.Tensors = append(b.Tensors, seen(s, w.f.whole[i], field, from, to))
		}
		return b
	}
	now := w.ahead
	if now == nil || now.from != from || now.to != to {
		w.Close()
		now = w.read(from, to, &dataset.Batch{})
	}
	w.ahead = nil
	if err := <-now.done; err != nil {
		s.Fail(err)
		return &Batch{N: to - from}
	}
	if next := min(to+to-from, w.f.Len()); next > to {
		w.ahead = w.read(to, next, w.spare)
	}
	w.spare = now.batch
	if n := now.batch.N; n != to-from {
		s.Fail(fmt.Errorf("split %s: a batch of %d examples where %d were asked for", w.f.Name(), n, to-from))
	}
	return Place(s, w.f.Device, now.batch, dataset.Names(w.f.fields))
}

// read begins to read a batch into memory that nobody else uses.
func (w *Walk) read(from, to int, into *dataset.Batch) *reading {
	r := &reading{from, to, into, make(chan error, 1)}
	go func() { r.done <- w.f.Read(into, span(from, to), nil) }()
	return r
}

// Close waits for what is still being read.
func (w *Walk) Close() {
	if w.ahead != nil {
		<-w.ahead.done
		w.ahead = nil
	}
}
