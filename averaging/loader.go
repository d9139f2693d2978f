package averaging

import (
	"runtime"

	"lawa-replay/trajectory"
)

// loader maps checkpoints ahead of their use, as many at a time as there are cores: the first time, all
// bytes of a checkpoint are read and checked.
type loader struct {
	source  Source
	pending map[int]chan loaded
	turns   chan struct{}
}

type loaded struct {
	w   *trajectory.Weights
	err error
}

func newLoader(source Source) *loader {
	return &loader{source, map[int]chan loaded{}, make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// request starts to map a checkpoint, unless that is under way.
func (l *loader) request(index int) {
	if l.pending[index] != nil {
		return
	}
	done := make(chan loaded, 1)
	l.pending[index] = done
	go func() {
		l.turns <- struct{}{}
		w, err := l.source.Map(index)
		<-l.turns
		done <- loaded{w, err}
	}()
}

// get waits for a checkpoint.
func (l *loader) get(index int) (*trajectory.Weights, error) {
	l.request(index)
	r := <-l.pending[index]
	delete(l.pending, index)
	return r.w, r.err
}

// close waits for what is under way, and closes it.
func (l *loader) close() {
	for _, done := range l.pending {
		if r := <-done; r.err == nil {
			r.w.Close()
		}
	}
}
