package dataset

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Request is a batch that will be wanted: examples, and what draws the changes of training (see Split.Read).
type Request struct {
	Indices []int
	Draw    *rand.Rand
}

// Loader reads batches, in the order in which they are asked for, while the ones before are computed with. So many as
// are read ahead of time lie in memory, and two more: that which is used and that which is being read. One goroutine at a
// time reads; a split whose examples take long to make makes those of a batch on all cores. The bits are those of
// reading one batch after another.
type Loader struct {
	ready  chan loaded
	free   chan *Batch
	done   chan struct{} // closed by Close
	ended  chan struct{} // closed when nothing is read any more
	used   *Batch
	waited time.Duration
}

type loaded struct {
	batch *Batch
	err   error
}

// NewLoader begins to read. next says which batch comes next, false where none does; it is called by one goroutine, of
// the loader's, and requests may share a generator. The caller closes the loader.
func NewLoader(s Split, ahead int, next func() (Request, bool)) *Loader {
	l := &Loader{ready: make(chan loaded, ahead), free: make(chan *Batch, ahead+2), done: make(chan struct{}), ended: make(chan struct{})}
	for range ahead + 2 {
		l.free <- &Batch{}
	}
	go l.read(s, next)
	return l
}

func (l *Loader) read(s Split, next func() (Request, bool)) {
	defer close(l.ended)
	defer close(l.ready)
	for {
		var b *Batch
		select {
		case b = <-l.free:
		case <-l.done:
			return
		}
		r, ok := next()
		if !ok {
			return
		}
		err := s.Read(b, r.Indices, r.Draw)
		if err == nil && b.N != len(r.Indices) {
			err = fmt.Errorf("split %s: a batch of %d examples where %d were asked for", s.Name(), b.N, len(r.Indices))
		}
		select {
		case l.ready <- loaded{b, err}:
		case <-l.done:
			return
		}
		if err != nil {
			return
		}
	}
}

// Next is the next batch, which is the caller's until the next call. After an error, or where no more was asked for, it
// gives an error.
func (l *Loader) Next() (*Batch, error) {
	if l.used != nil {
		l.free <- l.used
		l.used = nil
	}
	began := time.Now()
	got, ok := <-l.ready
	l.waited += time.Since(began)
	if !ok {
		return nil, fmt.Errorf("no more batches were asked for")
	}
	if got.err != nil {
		return nil, got.err
	}
	l.used = got.batch
	return got.batch, nil
}

// Waited is how long Next has waited for batches that were not ready.
func (l *Loader) Waited() time.Duration { return l.waited }

// Close ends reading, and waits for what is being read.
func (l *Loader) Close() {
	close(l.done)
	<-l.ended
}
