// Package dataset reads data sets, keeps them decoded as bytes, and serves them as batches.
//
// It believes that pixels stay uint8 until a batch is needed, that a split is known by a digest of what is
// in it rather than by its name, and that augmentation belongs to the training step alone: evaluation and
// batch-norm statistics always see the images as they are.
package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// Set is a data set with its two splits.
type Set struct {
	Spec       string // canonical text that Open reads
	Train, Val *Split // Train may be nil
	Augment    Augment

	mu     sync.Mutex
	halves map[string]*Split // that were asked for
}

// Split is a list of labelled images, or of tensors of any shape (Inputs is not nil then, and the fields of
// images are empty).
type Split struct {
	Name                    string // train or val
	N                       int
	Channels, Height, Width int
	Classes                 int
	Images                  []uint8 // N×Channels×Height×Width
	Labels                  []int64 // N, each below Classes
	Mean, Std               []float32
	Inputs, Targets         *Array // tensors instead of images; Targets may be nil

	digest func() string
}

// Digest is a digest of the split's content, shape and normalisation, in hexadecimal.
func (s *Split) Digest() string { return s.digest() }

func (s *Split) seal() *Split {
	if s.Inputs != nil {
		s.digest = s.sealTensors()
		return s
	}
	s.digest = sync.OnceValue(func() string {
		h := sha256.New()
		fmt.Fprintf(h, "images %d %d %d %d %d %v %v\n", s.N, s.Channels, s.Height, s.Width, s.Classes, s.Mean, s.Std)
		h.Write(s.Images)
		buf := make([]byte, 0, 8*len(s.Labels))
		for _, l := range s.Labels {
			buf = binary.LittleEndian.AppendUint64(buf, uint64(l))
		}
		h.Write(buf)
		return hex.EncodeToString(h.Sum(nil))
	})
	return s
}

// Size is the bytes of one image.
func (s *Split) Size() int { return s.Channels * s.Height * s.Width }

// Head returns the first n examples.
func (s *Split) Head(n int) *Split {
	h := *s
	h.N = n
	if s.Inputs != nil {
		h.Inputs, h.Targets = s.Inputs.head(n), s.Targets.head(n)
		return h.seal()
	}
	h.Images, h.Labels = s.Images[:n*s.Size()], s.Labels[:n]
	return h.seal()
}

// Shuffled returns n examples drawn without repetition by a generator seeded with seed.
func (s *Split) Shuffled(seed uint64, n int) *Split {
	return s.of(rand.New(rand.NewPCG(seed, 0)).Perm(s.N)[:n])
}

// Halves divides the examples, in an order drawn once and for all, so that something can be chosen on one half and
// reported on the other. Of an odd number the first half has one more.
func (s *Split) Halves() (first, second *Split) {
	order := rand.New(rand.NewPCG(1, 0)).Perm(s.N)
	n := (s.N + 1) / 2
	first, second = s.of(order[:n]), s.of(order[n:])
	first.Name, second.Name = s.Name+half+"1", s.Name+half+"2"
	return first, second
}

// half is what the names of halves have behind that of their split: val-half1, val-half2.
const half = "-half"

// of is the examples of the given indices, in this order.
func (s *Split) of(order []int) *Split {
	n := len(order)
	h := *s
	h.N = n
	if s.Inputs != nil {
		h.Inputs, h.Targets = s.Inputs.gather(order), s.Targets.gather(order)
		return h.seal()
	}
	h.Images, h.Labels = make([]uint8, n*s.Size()), make([]int64, n)
	s.Gather(h.Images, h.Labels, order, Augment{}, nil)
	return h.seal()
}

// Gather copies the examples of the given indices, augmented with draws of rng, into images and labels.
func (s *Split) Gather(images []uint8, labels []int64, indices []int, augment Augment, rng *rand.Rand) {
	size := s.Size()
	for j, i := range indices {
		labels[j] = s.Labels[i]
		dst, src := images[j*size:(j+1)*size], s.Images[i*size:(i+1)*size]
		if augment == (Augment{}) {
			copy(dst, src)
			continue
		}
		augment.apply(dst, src, s.Height, s.Width, rng)
	}
}

// Augment is what random changes training images undergo.
type Augment struct {
	Shift int  // up to so many pixels in each direction, black moving in
	Flip  bool // left to right, every other time
}

func (a Augment) apply(dst, src []uint8, height, width int, rng *rand.Rand) {
	dy, dx, flip := 0, 0, false
	if a.Shift > 0 {
		dy, dx = rng.IntN(2*a.Shift+1)-a.Shift, rng.IntN(2*a.Shift+1)-a.Shift
	}
	if a.Flip {
		flip = rng.IntN(2) == 1
	}
	clear(dst)
	for at := 0; at < len(src); at += height * width {
		for y := max(0, dy); y < min(height, height+dy); y++ {
			to := dst[at+y*width : at+(y+1)*width]
			from := src[at+(y-dy)*width : at+(y-dy+1)*width]
			copy(to[max(0, dx):], from[max(0, -dx):width-max(0, dx)])
			if flip {
				slices.Reverse(to)
			}
		}
	}
}

// reader reads a data set from a folder. norms are the statistics by which its images can be normalised, the
// first of them unless norm=NAME says another.
type reader struct {
	open  func(dir string) (*Set, error)
	norms []norm
}

type norm struct {
	name      string
	mean, std []float32
}

// readers has a line for each kind of data set.
var readers = map[string]reader{
	"mnist":         {openMNIST, nil},
	"fashion-mnist": {openFashionMNIST, nil},
	"cifar10":       {openCIFAR10, cifar10Norms},
}

// Open reads the data set that text names, from dir, or where the data set is found by itself if dir is
// empty. Options of all image sets: train=N and val=N take the first N examples; shift=N and flip=true
// augment training. norm=NAME chooses among the normalisations of a set that has several.
func Open(text, dir string) (*Set, error) {
	if IsTensors(text) {
		split, err := OpenTensors(text)
		if err != nil {
			return nil, err
		}
		return &Set{Spec: text, Val: split}, nil
	}
	s, err := spec.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("data %w", err)
	}
	reader, ok := readers[s.Name]
	if !ok {
		names := []string{}
		for name := range readers {
			names = append(names, name)
		}
		slices.Sort(names)
		return nil, spec.Unknown("data set", s.Name, names)
	}
	train, val := s.Int("train", 0, 1), s.Int("val", 0, 1)
	augment := Augment{s.Int("shift", 0, 0), s.Bool("flip", false)}
	normalise := ""
	if len(reader.norms) > 0 {
		var names []string
		for _, n := range reader.norms {
			names = append(names, n.name)
		}
		normalise = s.Choice("norm", names[0], names...)
	}
	if err := s.Done(); err != nil {
		return nil, fmt.Errorf("data %w", err)
	}
	set, err := reader.open(dir)
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", s.Name, err)
	}
	for _, n := range reader.norms {
		if n.name != normalise {
			continue
		}
		for _, split := range []*Split{set.Train, set.Val} {
			if split != nil {
				split.Mean, split.Std = n.mean, n.std
				split.seal()
			}
		}
	}
	if h, w := set.Val.Height, set.Val.Width; augment.Shift >= min(h, w) {
		return nil, fmt.Errorf("data %q: shift=%d on images of %d×%d", text, augment.Shift, h, w)
	}
	set.Augment = augment
	set.Spec = s.Name
	options := []string{}
	if len(reader.norms) > 0 && normalise != reader.norms[0].name {
		options = append(options, "norm="+normalise)
	}
	for _, o := range []struct {
		n     int
		split **Split
		key   string
	}{{train, &set.Train, "train"}, {val, &set.Val, "val"}} {
		if o.n == 0 {
			continue
		}
		if *o.split == nil {
			return nil, fmt.Errorf("data %q: %s=%d, but %s holds no such split", text, o.key, o.n, dir)
		}
		if o.n > (*o.split).N {
			return nil, fmt.Errorf("data %q: %s=%d, the split holds %d examples", text, o.key, o.n, (*o.split).N)
		}
		*o.split = (*o.split).Head(o.n)
		options = append(options, fmt.Sprintf("%s=%d", o.key, o.n))
	}
	if augment.Shift > 0 {
		options = append(options, fmt.Sprintf("shift=%d", augment.Shift))
	}
	if augment.Flip {
		options = append(options, "flip=true")
	}
	for i, o := range options {
		set.Spec += []string{":", ","}[min(i, 1)] + o
	}
	return set, nil
}

// Split returns a split by its name, or a half of one: val-half1, val-half2.
func (s *Set) Split(name string) (*Split, error) {
	if whole, n, ok := strings.Cut(name, half); ok && (n == "1" || n == "2") {
		return s.half(whole, name)
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

// half finds a half, which stays the same one: its digest takes a while.
func (s *Set) half(whole, name string) (*Split, error) {
	split, err := s.Split(whole)
	if err != nil {
		return nil, err
	}
	if split.N < 2 {
		return nil, fmt.Errorf("split %s holds %d examples: it has no halves", whole, split.N)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.halves == nil {
		s.halves = map[string]*Split{}
	}
	if s.halves[name] == nil {
		first, second := split.Halves()
		s.halves[first.Name], s.halves[second.Name] = first, second
	}
	return s.halves[name], nil
}
