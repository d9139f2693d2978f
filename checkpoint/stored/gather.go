package stored

import (
	"fmt"
	"io"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// Read puts the data section of the arranged file into data, which has checkpoint.Size(c) bytes. Checksums are left to
// Stream, and to whoever compares the digest.
func (c *Checkpoint) Read(data []byte) error {
	done, err := c.use()
	if err != nil {
		return err
	}
	defer done()
	for i := range c.tensors {
		t := &c.tensors[i]
		if err := gather(data[t.Begin:t.End], t, c.parts[i]); err != nil {
			return c.wrong(fmt.Errorf("tensor %s: %w", t.Name, err))
		}
	}
	return nil
}

// gather puts a tensor's elements into data, in the order of its indices.
func gather(data []byte, t *checkpoint.Tensor, parts []Part) error {
	width := int64(t.DType.Size())
	for _, p := range parts {
		if p.Strides == nil && p.At == nil {
			r, err := p.Record.From(p.Offset)
			if err == nil {
				_, err = io.ReadFull(r, data)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", p.Record.Name, Short(err))
			}
			continue
		}
		if width == 0 || slices.Contains(p.Shape, 0) {
			continue
		}
		strides := p.Strides
		if strides == nil {
			strides = RowMajor(p.Shape)
		}
		// From the first to the last element that it reaches: no more than the record.
		reach := int64(1)
		for i, n := range p.Shape {
			reach += (n - 1) * strides[i]
		}
		r, err := p.Record.From(p.Offset)
		if err != nil {
			return err
		}
		source := make([]byte, reach*width)
		if _, err := io.ReadFull(r, source); err != nil {
			return fmt.Errorf("%s: %w", p.Record.Name, Short(err))
		}
		place := RowMajor(t.Shape)
		first := int64(0)
		for i, n := range p.At {
			first += n * place[i]
		}
		Scatter(data[first*width:], place, source, strides, p.Shape, width)
	}
	return nil
}

// Scatter copies a block of elements of width bytes between two arrays with strides of their own, in elements.
func Scatter(to []byte, toStrides []int64, from []byte, fromStrides, shape []int64, width int64) {
	if len(shape) == 0 {
		copy(to[:width], from)
		return
	}
	n, a, b := shape[0], toStrides[0]*width, fromStrides[0]*width
	if len(shape) == 1 {
		if a == width && b == width {
			copy(to[:n*width], from)
			return
		}
		for i := range n {
			copy(to[i*a:i*a+width], from[i*b:])
		}
		return
	}
	for i := range n {
		Scatter(to[i*a:], toStrides[1:], from[i*b:], fromStrides[1:], shape[1:], width)
	}
}

// RowMajor is the strides, in elements, of an array whose last index changes fastest.
func RowMajor(shape []int64) []int64 {
	out := make([]int64, len(shape))
	n := int64(1)
	for i := len(shape) - 1; i >= 0; i-- {
		out[i] = n
		n *= shape[i]
	}
	return out
}

// Contiguous says whether elements with these strides follow one another.
func Contiguous(shape, strides []int64) bool {
	want := int64(1)
	for i := len(shape) - 1; i >= 0; i-- {
		if shape[i] == 0 {
			return true
		}
		if shape[i] != 1 && strides[i] != want {
			return false
		}
		want *= shape[i]
	}
	return true
}
