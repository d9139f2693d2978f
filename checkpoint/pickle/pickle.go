// Package pickle reads Python's pickles, protocols 0 to 5, as data.
//
// It believes that a pickle is a program to be distrusted, not run. Nothing of a class is ever called: a
// caller may interpret a closed list of globals (Options.Call), and everything else becomes an inert Object
// that remembers its class, its arguments and its state. Every size is compared with what the file still
// holds before memory is asked for, and all that a pickle may build is bounded.
//
// The opcodes are those of Python's pickletools.
package pickle

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
)

// Limits of what one pickle may hold.
const (
	MaxBytes = 64 << 20 // read, where no other limit is given
	budget   = 8        // times that, in bytes of the objects built, roughly
	maxMarks = 4096     // nested
	maxLong  = 1 << 10  // bytes of one integer
	maxLine  = 4 << 10  // bytes of one line of the text opcodes
)

// Options say what is interpreted.
type Options struct {
	// Persistent resolves persistent ids; without it they are an error.
	Persistent func(id any) (any, error)
	// Call gives the value of a global called with arguments, or false to leave it inert.
	Call func(f Global, args Tuple) (any, bool, error)
	// Strict makes every global that Call does not take an error.
	Strict bool
}

// Reader reads pickles that follow one another.
type Reader struct {
	r      *bufio.Reader
	left   int64 // bytes that the source still holds, or that may still be read
	read   int64
	budget int64
	limit  int64
	capped bool // the source holds more than the limit
}

// NewReader reads from r, which holds size bytes, at most limit of them (0: MaxBytes). The limits are for all its
// pickles together.
func NewReader(r io.Reader, size, limit int64) *Reader {
	if limit <= 0 {
		limit = MaxBytes
	}
	limit = min(limit, math.MaxInt64/budget)
	return &Reader{bufio.NewReaderSize(r, 64<<10), min(size, limit), 0, budget * limit, limit, size > limit}
}

// Offset is the number of bytes that the pickles read so far take.
func (r *Reader) Offset() int64 { return r.read }

var (
	errCut   = errors.New("the pickle is cut short")
	errStack = errors.New("the pickle takes more from its stack than it put there")
)

// ErrLimit is in the errors of pickles that are larger, or build more, than is read: a greater limit may help.
var ErrLimit = errors.New("more than is read of a pickle")

// cut is the error of a pickle that goes on beyond what may be read.
func (r *Reader) cut() error {
	if r.capped {
		return fmt.Errorf("%w: at most %d MiB", ErrLimit, r.limit>>20)
	}
	return errCut
}

// Next reads one pickle.
func (r *Reader) Next(o Options) (any, error) {
	m := &machine{Reader: r, Options: o, memo: map[uint64]any{}}
	at := r.read
	v, err := m.run()
	if err != nil {
		return nil, fmt.Errorf("pickle at byte %d, after %d bytes of it: %w", at, r.read-at, err)
	}
	return v, nil
}
