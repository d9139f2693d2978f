package averaging

import (
	"runtime"
	"sync"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// Source gives the checkpoints that coefficients index. Its methods may be called from several goroutines.
type Source interface {
	// Map maps a checkpoint into memory.
	Map(index int) (*checkpoint.Mapped, error)
	// Verify reads a mapped checkpoint and finds what is wrong with it; what it found right before it need
	// not read again.
	Verify(index int, w *checkpoint.Mapped) error
}

// loader maps checkpoints ahead of their use, and verifies them meanwhile, as many at a time as there are
// cores.
type loader struct {
	source  Source
	pending map[int]chan *loaded
	turns   chan struct{}
	// begin is closed when the first averages are computed: verification waits for that, because what is
	// made of them, such as a file, takes its time too.
	begin     chan struct{}
	mayVerify func() // closes begin
}

// loaded is a mapped checkpoint. It must not be closed before it is verified.
type loaded struct {
	*checkpoint.Mapped
	err      error         // of mapping it
	verified chan struct{} // closed when verify has its result
	verify   error
}

// wait waits until the checkpoint is verified.
func (c *loaded) wait() error {
	<-c.verified
	return c.verify
}

func newLoader(source Source) *loader {
	begin := make(chan struct{})
	return &loader{source, map[int]chan *loaded{}, make(chan struct{}, runtime.GOMAXPROCS(0)), begin, sync.OnceFunc(func() { close(begin) })}
}

// request starts to map a checkpoint, unless that is under way.
func (l *loader) request(index int) {
	if l.pending[index] != nil {
		return
	}
	ready := make(chan *loaded, 1)
	l.pending[index] = ready
	go func() {
		c := &loaded{verified: make(chan struct{})}
		defer close(c.verified)
		c.Mapped, c.err = l.source.Map(index)
		ready <- c
		if c.err == nil {
			<-l.begin
			l.turns <- struct{}{}
			c.verify = l.source.Verify(index, c.Mapped)
			<-l.turns
		}
	}()
}

// get waits until a checkpoint is mapped.
func (l *loader) get(index int) (*loaded, error) {
	l.request(index)
	c := <-l.pending[index]
	delete(l.pending, index)
	return c, c.err
}

// close waits for what is under way, and closes it.
func (l *loader) close() {
	l.mayVerify()
	for _, ready := range l.pending {
		if c := <-ready; c.err == nil {
			_ = c.wait()
			c.Close()
		}
	}
}
