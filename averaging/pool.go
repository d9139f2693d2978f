package averaging

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// pool hands out the memory of outputs: at most as many at a time as it was made for. What was put back
// last is handed out first, so that no more is ever touched than is in use at once.
type pool struct {
	turns  chan struct{}
	size   int64
	mu     sync.Mutex
	free   [][]byte
	closed bool
}

func newPool(most int, size int64) *pool {
	return &pool{turns: make(chan struct{}, most), size: size}
}

// get waits until there is room.
func (p *pool) get(ctx context.Context) ([]byte, error) {
	select {
	case p.turns <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		data := p.free[n-1]
		p.free = p.free[:n-1]
		return data, nil
	}
	return allocate(p.size)
}

func (p *pool) put(data []byte) {
	p.mu.Lock()
	if p.closed {
		deallocate(data)
	} else {
		p.free = append(p.free, data)
	}
	p.mu.Unlock()
	<-p.turns
}

// close gives the memory back to the system; what is still out follows when it is put.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, data := range p.free {
		deallocate(data)
	}
	p.free = nil
}

// allocate takes n bytes of zeros straight from the system, in large pages where it has them: much fewer
// faults when the memory is first written, by all cores, and it goes back as soon as it is done with.
func allocate(n int64) ([]byte, error) {
	if n == 0 {
		return []byte{}, nil
	}
	data, err := unix.Mmap(-1, 0, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("%d bytes of memory: %w", n, err)
	}
	_ = unix.Madvise(data, unix.MADV_HUGEPAGE) // advice
	return data, nil
}

func deallocate(data []byte) {
	if len(data) > 0 {
		_ = unix.Munmap(data) // it was mapped by allocate
	}
}
