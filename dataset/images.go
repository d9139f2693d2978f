package dataset

import (
	"encoding/binary"
	"image"
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
	data, labels := b.Arrays[0].Data, b.Arrays[1].Data
	size := int(s.fields[0].Bytes())
	height, width := int(s.fields[0].Shape[1]), int(s.fields[0].Shape[2])
	changes := s.augment.drawAll(draw, indices, func(int) (int, int) { return width, height }, width, height)
	return spread(len(indices), changes != nil && s.augment.costly(), s.file, func(j int) error {
		i := indices[j]
		binary.LittleEndian.PutUint64(labels[8*j:], uint64(s.labels[i]))
		dst, src := data[j*size:(j+1)*size], s.pixels[i*size:(i+1)*size]
		if changes == nil {
			copy(dst, src)
			return nil
		}
		p := &picture.Picture{Width: width, Height: height, Pix: src}
		return changes[j].image(dst, p, image.Rect(0, 0, width, height), height, width, s.fields[0].Normalize)
	})
}
