// Package dataset reads data sets and serves their examples by index.
//
// It believes that an example is a few named fields, that a split is known by a digest of what is in it rather than by
// its name or by how it is stored, and that pixels stay bytes until a device has them. Parts of a split, such as its
// first examples, its halves or a draw, are views that copy nothing. Augmentation belongs to the training step alone:
// evaluation and batch-norm statistics always see the examples as they are.
package dataset

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/zeebo/xxh3"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// Split is a list of examples. Goroutines may share it.
type Split interface {
	Name() string // train, val, val-half1
	Len() int
	// Digest tells what is in the split, in hexadecimal: the function Digest computes it. Evaluations are kept by it.
	Digest() (string, error)
	Fields() []Field
	// Read puts examples into b, which it first Resets to the split's fields, in the order of their indices, each
	// from 0 to below Len. draw makes the random changes of training; they are drawn one example after another, so that
	// equal generators give equal examples. nil: the examples as they are.
	Read(b *Batch, indices []int, draw *rand.Rand) error
}

// Set is a data set with its two splits.
type Set struct {
	Spec       string // canonical text that Open reads
	Train, Val Split  // Train may be nil
	Notes      []string

	mu    sync.Mutex
	parts map[string]Split // that were asked for
}

// Split returns a split by its name, a half of one (val-half1, val-half2), or so many of its examples, always the same ones
// (train-10000), or one that Part made.
func (s *Set) Split(name string) (Split, error) {
	if whole, n, ok := strings.Cut(name, half); ok && (n == "1" || n == "2") {
		return s.half(whole, name)
	}
	s.mu.Lock()
	made := s.parts[name]
	s.mu.Unlock()
	if made != nil {
		return made, nil
	}
	if whole, n, ok := strings.Cut(name, "-"); ok {
		if count, err := strconv.Atoi(n); err == nil && count > 0 && strconv.Itoa(count) == n {
			return s.sample(whole, name, count)
		}
	}
	switch {
	case name == "train" && s.Train != nil:
		return s.Train, nil
	case name == "train":
		return nil, fmt.Errorf("%s has no training split", s.Spec)
	case name == "val":
		return s.Val, nil
	}
	return nil, spec.Unknown("split", name, []string{"train", "val"})
}

// half finds a half. Parts stay the same ones: their digests take a while.
func (s *Set) half(whole, name string) (Split, error) {
	split, err := s.Split(whole)
	if err != nil {
		return nil, err
	}
	if n := split.Len(); n < 2 {
		return nil, fmt.Errorf("split %s holds %d examples: it has no halves", whole, n)
	}
	return s.part(name, func() {
		first, second := Halves(split)
		s.parts[first.Name()], s.parts[second.Name()] = first, second
	}), nil
}

// Part makes a split of its own of some examples of a split, in this order, and gives its name, by which Split finds it from then on.
func (s *Set) Part(of string, at []int) (string, error) {
	split, err := s.Split(of)
	if err != nil {
		return "", err
	}
	h := xxh3.New()
	for _, i := range at {
		if i < 0 || i >= split.Len() {
			return "", fmt.Errorf("split %s: example %d of %d", of, i, split.Len())
		}
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(i)))
	}
	name := fmt.Sprintf("%s~%d-%016x", of, len(at), h.Sum64())
	s.part(name, func() { s.parts[name] = newView(split, name, slices.Clone(at), len(at)) })
	return name, nil
}

// sample finds some examples of a split.
func (s *Set) sample(whole, name string, n int) (Split, error) {
	split, err := s.Split(whole)
	if err != nil {
		return nil, err
	}
	if have := split.Len(); n > have {
		return nil, fmt.Errorf("split %s: the split %s holds %d examples", name, whole, have)
	}
	return s.part(name, func() { s.parts[name] = Sample(split, n) }), nil
}

// part is one that was asked for before, or is made now.
func (s *Set) part(name string, create func()) Split {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parts == nil {
		s.parts = map[string]Split{}
	}
	if s.parts[name] == nil {
		create()
	}
	return s.parts[name]
}
