package dataset

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// images are pictures of one size with their classes: bytes in memory, or mapped.
type images struct {
	name    string
	fields  []Field // inputs: uint8 channels × height × width; targets: int64
	pixels  []byte
	labels  []int64
	file    string // that pixels are mapped from; "" where they are not
	augment Augment
	digest  func() (string, error)
}

// newImages makes a split of pixels, one picture behind the other, each of the shape channels × height × width, with
// labels below classes.
func newImages(name string, shape [3]int, classes int, norm Norm, pixels []byte, labels []int64) *images {
	s := &images{name: name, pixels: pixels, labels: labels, fields: []Field{
		{Name: Inputs, DType: "U8", Shape: []int64{int64(shape[0]), int64(shape[1]), int64(shape[2])}, Normalize: &norm},
		{Name: Targets, DType: checkpoint.I64, Classes: classes},
	}}
	s.digest = sync.OnceValues(func() (string, error) { return Digest(s) })
	return s
}

func (s *images) Name() string            { return s.name }
func (s *images) Len() int                { return len(s.labels) }
func (s *images) Fields() []Field         { return s.fields }
func (s *images) Digest() (string, error) { return s.digest() }

func (s *images) Read(b *Batch, indices []int, draw *rand.Rand) error {
	b.Reset(len(indices), s.fields...)
	pixels, labels := b.Arrays[0].Data, b.Arrays[1].Data
	size := int(s.fields[0].Bytes())
	height, width := int(s.fields[0].Shape[1]), int(s.fields[0].Shape[2])
	gather := func() error {
		for j, i := range indices {
			binary.LittleEndian.PutUint64(labels[8*j:], uint64(s.labels[i]))
			dst, src := pixels[j*size:(j+1)*size], s.pixels[i*size:(i+1)*size]
			if draw == nil || s.augment == (Augment{}) {
				copy(dst, src)
				continue
			}
			s.augment.apply(dst, src, height, width, draw)
		}
		return nil
	}
	if s.file == "" {
		return gather()
	}
	return checkpoint.Guard(s.file, gather)
}

// Augment is what random changes training images undergo.
type Augment struct {
	Shift int  // up to so many pixels in each direction, black moving in
	Flip  bool // left to right, every other time
}

// check says whether the images are large enough.
func (a Augment) check(f Field) error {
	if h, w := f.Shape[1], f.Shape[2]; int64(a.Shift) >= min(h, w) {
		return fmt.Errorf("shift=%d on images of %d×%d", a.Shift, h, w)
	}
	return nil
}

// apply draws the changes of one image: rows, columns, mirror, in this order.
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
