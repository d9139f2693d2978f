package dataset

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
)

// view is some examples of another split, in an order of its own. It copies nothing.
type view struct {
	of     Split
	name   string
	at     []int // of, by the view's indices; nil where they are of's own first n
	n      int
	digest func() (string, error)
}

// rememberer is a split that keeps digests of its views, because making one takes minutes. at are the examples of v,
// nil for the first ones.
type rememberer interface {
	remembered(v Split, at []int) (string, error)
}

// Head is the first n examples of a split.
func Head(s Split, n int) Split {
	if n == s.Len() {
		return s
	}
	return newView(s, s.Name(), nil, n)
}

// Shuffled is n examples drawn without repetition by a generator seeded with seed.
func Shuffled(s Split, seed uint64, n int) Split {
	return newView(s, s.Name(), rand.New(rand.NewPCG(seed, 0)).Perm(s.Len())[:n], n)
}

// Sample is n examples of a split, drawn once and for all and in the split's order: those of a smaller n are among those of a
// larger one. Its name is train-10000.
func Sample(s Split, n int) Split {
	at := rand.New(rand.NewPCG(1, 0)).Perm(s.Len())[:n]
	slices.Sort(at)
	return newView(s, fmt.Sprintf("%s-%d", s.Name(), n), at, n)
}

// half is what the names of halves have behind that of their split: val-half1, val-half2.
const half = "-half"

// Halves divides the examples of a split, in an order drawn once and for all, so that something can be chosen on one
// half and reported on the other. Of an odd number the first half has one more.
func Halves(s Split) (first, second Split) {
	order := rand.New(rand.NewPCG(1, 0)).Perm(s.Len())
	n := (s.Len() + 1) / 2
	return newView(s, s.Name()+half+"1", order[:n], n), newView(s, s.Name()+half+"2", order[n:], len(order)-n)
}

func newView(s Split, name string, at []int, n int) Split {
	if under, ok := s.(*view); ok { // of what it is of itself
		switch {
		case at == nil && under.at != nil:
			at = under.at[:n]
		case under.at != nil:
			outer := at
			at = make([]int, len(outer))
			for i, j := range outer {
				at[i] = under.at[j]
			}
		}
		s = under.of
	}
	v := &view{of: s, name: name, at: at, n: n}
	v.digest = sync.OnceValues(func() (string, error) {
		if r, ok := v.of.(rememberer); ok {
			return r.remembered(v, v.at)
		}
		return Digest(v)
	})
	return v
}

func (v *view) Name() string            { return v.name }
func (v *view) Len() int                { return v.n }
func (v *view) Fields() []Field         { return v.of.Fields() }
func (v *view) Digest() (string, error) { return v.digest() }

func (v *view) Read(b *Batch, indices []int, draw *rand.Rand) error {
	if v.at == nil {
		return v.of.Read(b, indices, draw)
	}
	there := b.indices[:0]
	for _, i := range indices {
		there = append(there, v.at[i])
	}
	b.indices = there
	return v.of.Read(b, there, draw)
}
