package dataset

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset/picture"
)

// images are pictures of one size with their classes: bytes in memory, or mapped.
type images struct {
	name    string
	fields  []Field // inputs: uint8 channels × height × width; targets: int64
	pixels  []byte
	labels  []int64
	file    string // that pixels are mapped from; "" where they are not
	augment Augment
	fill    []uint8 // what is erased becomes
	digest  func() (string, error)
}

// newImages makes a split of pixels, one picture behind the other, each of the shape channels × height × width, with
// labels below classes.
func newImages(name string, shape [3]int, classes int, norm Norm, pixels []byte, labels []int64) *images {
	s := &images{name: name, pixels: pixels, labels: labels, fill: norm.black(), fields: []Field{
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
	data, labels := b.Arrays[0].Data, b.Arrays[1].Data
	size := int(s.fields[0].Bytes())
	height, width := int(s.fields[0].Shape[1]), int(s.fields[0].Shape[2])
	for j, i := range indices {
		binary.LittleEndian.PutUint64(labels[8*j:], uint64(s.labels[i]))
	}
	changes := s.augment.drawAll(draw, indices, func(int) (int, int) { return width, height }, width, height)
	return spread(len(indices), changes != nil && s.augment.costly(), s.file, func(j int) error {
		dst, src := data[j*size:(j+1)*size], s.pixels[indices[j]*size:(indices[j]+1)*size]
		if changes == nil {
			copy(dst, src)
			return nil
		}
		return changes[j].apply(pixels{dst, width, height}, pixels{src, width, height}, picture.Filters()[0], s.fill)
	})
}
