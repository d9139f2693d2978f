package results

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow/memory"
)

// limited gives the Parquet reader memory, which takes as much as a page's header claims, up to a limit. Beyond that
// it panics, which parse makes an error.
type limited struct {
	memory.Allocator
	left int
}

func (l *limited) take(n int) {
	if l.left -= n; l.left < 0 {
		panic(fmt.Sprintf("it claims more than %d bytes of memory", maxMemory))
	}
}

// Allocate implements memory.Allocator.
func (l *limited) Allocate(size int) []byte {
	l.take(size)
	return l.Allocator.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (l *limited) Reallocate(size int, b []byte) []byte {
	l.take(size - len(b))
	return l.Allocator.Reallocate(size, b)
}

// Free implements memory.Allocator.
func (l *limited) Free(b []byte) {
	l.left += len(b)
	l.Allocator.Free(b)
}
