package dataset

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// requests are batches of a split, of some of which two share a generator, as the parts of a step do.
func requests(n int) func() (Request, bool) {
	at := 0
	var draw *rand.Rand
	return func() (Request, bool) {
		if at == n {
			return Request{}, false
		}
		if at%2 == 0 {
			draw = rand.New(rand.NewPCG(5, uint64(at)))
		}
		at++
		return Request{[]int{at % 10, 3, 7, 3}[:1+at%4], draw}, true
	}
}

// Batches that are read ahead are those that are read one after another, with any number ahead.
func TestLoader(t *testing.T) {
	dir := t.TempDir()
	published(t, dir, cifar10Files)
	set, err := Open("cifar10:shift=4,flip=true,jitter=0.4/0.4", dir)
	if err != nil {
		t.Fatal(err)
	}
	const n = 40
	var want [][]byte
	next := requests(n)
	for r, ok := next(); ok; r, ok = next() {
		var b Batch
		if err := set.Train.Read(&b, r.Indices, r.Draw); err != nil {
			t.Fatal(err)
		}
		want = append(want, slices.Concat(b.Arrays[0].Data, b.Arrays[1].Data))
	}
	for _, ahead := range []int{0, 1, 3} {
		l := NewLoader(set.Train, ahead, requests(n))
		for i := range want {
			b, err := l.Next()
			if err != nil || !bytes.Equal(slices.Concat(b.Arrays[0].Data, b.Arrays[1].Data), want[i]) {
				t.Fatalf("%d ahead: batch %d is another: %v", ahead, i, err)
			}
		}
		if _, err := l.Next(); err == nil {
			t.Error("a batch that nobody asked for")
		}
		l.Close()
	}
}

// slow is a split that takes its time, counts how often it is read, and fails at one of its examples.
type slow struct {
	Split
	reads *atomic.Int64
	fails int
}

var errSlow = errors.New("this example cannot be read")

func (s slow) Read(b *Batch, indices []int, draw *rand.Rand) error {
	s.reads.Add(1)
	time.Sleep(5 * time.Millisecond)
	if slices.Contains(indices, s.fails) {
		return errSlow
	}
	return s.Split.Read(b, indices, draw)
}

// An error comes with its own batch; no more than asked for is read ahead; closing does not wait for who computes.
func TestLoaderEnds(t *testing.T) {
	set, err := Open("mnist", folder(t, 12, nil))
	if err != nil {
		t.Fatal(err)
	}
	s := slow{set.Train, new(atomic.Int64), 4}
	at := -1
	count := func() (Request, bool) { at++; return Request{Indices: []int{at}}, at < 12 }
	l := NewLoader(s, 2, count)
	for i := range 4 {
		if b, err := l.Next(); err != nil || b.N != 1 {
			t.Fatalf("batch %d: %v", i, err)
		}
	}
	if l.Waited() < 5*time.Millisecond {
		t.Errorf("waited %v for what takes 5 ms each", l.Waited())
	}
	if _, err := l.Next(); !errors.Is(err, errSlow) {
		t.Errorf("%v", err)
	}
	l.Close()
	if n := s.reads.Load(); n != 5 {
		t.Errorf("%d reads, expected none after the error", n)
	}

	s = slow{set.Train, new(atomic.Int64), -1}
	at = -1
	l = NewLoader(s, 2, count)
	if _, err := l.Next(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	l.Close()
	if n := s.reads.Load(); n > 4 {
		t.Errorf("%d batches were read while the first was used, expected at most 4", n)
	}

	l = NewLoader(short{set.Train}, 1, requests(1))
	defer l.Close()
	if _, err := l.Next(); err == nil || !strings.Contains(err.Error(), "where 2 were asked for") {
		t.Errorf("%v", err)
	}
}

// short gives fewer examples than asked for.
type short struct{ Split }

func (s short) Read(b *Batch, indices []int, draw *rand.Rand) error {
	return s.Split.Read(b, indices[1:], draw)
}
