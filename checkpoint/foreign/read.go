package foreign

import (
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
)

// chunk is how much is read at a time.
const chunk = 1 << 20

// WriteTo writes the checkpoint as a safetensors file, arranged.
func (c *Checkpoint) WriteTo(w io.Writer) (int64, error) {
	written := int64(0)
	err := c.Stream(func(_ *Tensor, data []byte) error {
		n, err := w.Write(data)
		written += int64(n)
		return err
	})
	return written, err
}

// Stream gives the bytes of the arranged file, piece by piece: the header, for which the tensor is nil, and
// then whole elements of one tensor after another. Every record that a tensor lies in is compared with its
// checksum, where it has one. A piece is valid until emit returns.
func (c *Checkpoint) Stream(emit func(t *Tensor, data []byte) error) error {
	header, err := safetensors.EncodeHeader(c.Layout(), safetensors.Metadata())
	if err != nil {
		return fmt.Errorf("%s: %w", c.Path, err)
	}
	if err := emit(nil, header); err != nil {
		return err
	}
	whole, err := c.checkShared()
	if err != nil {
		return fmt.Errorf("%s: %w", c.Path, err)
	}
	buffer := make([]byte, chunk)
	for i := range c.Tensors {
		t := &c.Tensors[i]
		if err := t.stream(whole, buffer, func(data []byte) error { return emit(t, data) }); err != nil {
			return fmt.Errorf("%s: tensor %s: %w", c.Path, t.Name, err)
		}
	}
	return nil
}

// checkShared compares the records of which more or less than one whole tensor is wanted with their checksums;
// of the others, which it returns, that is done while the tensor is read.
func (c *Checkpoint) checkShared() (whole map[*record]bool, err error) {
	uses := map[*record]int{}
	whole = map[*record]bool{}
	for _, t := range c.Tensors {
		for _, p := range t.parts {
			uses[p.record]++
			if len(t.parts) == 1 && p.offset == 0 && p.strides == nil && t.End-t.Begin == p.record.length {
				whole[p.record] = true
			}
		}
	}
	for r, n := range uses {
		if n > 1 {
			delete(whole, r)
		}
		if !whole[r] && r.checked {
			sum := crc32.NewIEEE()
			if _, err := io.Copy(sum, r.reader()); err != nil {
				return nil, fmt.Errorf("%s: %w", r.name, err)
			}
			if sum.Sum32() != r.crc {
				return nil, fmt.Errorf("%s: %w", r.name, errChecksum)
			}
		}
	}
	return whole, nil
}

// stream gives the tensor's bytes in the order of its indices.
func (t *Tensor) stream(whole map[*record]bool, buffer []byte, emit func([]byte) error) error {
	size := t.End - t.Begin
	if size == 0 {
		return nil
	}
	if len(t.parts) != 1 || t.parts[0].strides != nil {
		data := make([]byte, size)
		if err := t.gather(data); err != nil {
			return err
		}
		return emit(data)
	}
	p := t.parts[0]
	var sum hash.Hash32
	if p.record.checked && whole[p.record] {
		sum = crc32.NewIEEE()
	}
	r, err := p.record.from(p.offset)
	if err != nil {
		return err
	}
	for left := size; left > 0; {
		part := buffer[:min(chunk, left)]
		if _, err := io.ReadFull(r, part); err != nil {
			return fmt.Errorf("%s: %w", p.record.name, short(err))
		}
		if sum != nil {
			sum.Write(part)
		}
		if err := emit(part); err != nil {
			return err
		}
		left -= int64(len(part))
	}
	if sum != nil && sum.Sum32() != p.record.crc {
		return fmt.Errorf("%s: %w", p.record.name, errChecksum)
	}
	return nil
}

func short(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("the file became shorter while it was read")
	}
	return err
}

// from reads what is stored, from an offset on.
func (r *record) from(offset int64) (io.Reader, error) {
	if !r.deflated {
		return io.NewSectionReader(r.file, r.offset+offset, r.size-offset), nil
	}
	in := r.reader()
	if _, err := io.CopyN(io.Discard, in, offset); err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	return in, nil
}

// gather puts the tensor's elements into data, in the order of its indices.
func (t *Tensor) gather(data []byte) error {
	width := int64(t.DType.Size())
	for _, p := range t.parts {
		if p.strides == nil && p.at == nil {
			r, err := p.record.from(p.offset)
			if err == nil {
				_, err = io.ReadFull(r, data)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", p.record.name, short(err))
			}
			continue
		}
		if width == 0 || slices.Contains(p.shape, 0) {
			continue
		}
		strides := p.strides
		if strides == nil {
			strides = rowMajor(p.shape)
		}
		// From the first to the last element that it reaches: no more than the record.
		reach := int64(1)
		for i, n := range p.shape {
			reach += (n - 1) * strides[i]
		}
		r, err := p.record.from(p.offset)
		if err != nil {
			return err
		}
		source := make([]byte, reach*width)
		if _, err := io.ReadFull(r, source); err != nil {
			return fmt.Errorf("%s: %w", p.record.name, short(err))
		}
		place := rowMajor(t.Shape)
		first := int64(0)
		for i, n := range p.at {
			first += n * place[i]
		}
		scatter(data[first*width:], place, source, strides, p.shape, width)
	}
	return nil
}

// scatter copies a block of elements between two arrays with strides of their own.
func scatter(to []byte, toStrides []int64, from []byte, fromStrides, shape []int64, width int64) {
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
		scatter(to[i*a:], toStrides[1:], from[i*b:], fromStrides[1:], shape[1:], width)
	}
}

func rowMajor(shape []int64) []int64 {
	out := make([]int64, len(shape))
	n := int64(1)
	for i := len(shape) - 1; i >= 0; i-- {
		out[i] = n
		n *= shape[i]
	}
	return out
}

// Place is where a tensor lies: a file of Mapped, and the byte at which it begins there.
type Place struct {
	File   int
	Offset int64
}

// Mapped says which files to map to have all tensors without a copy, and where they lie: only where each is stored
// as it is.
func (c *Checkpoint) Mapped() (paths []string, places []Place, ok bool) {
	for _, t := range c.Tensors {
		if t.End == t.Begin {
			places = append(places, Place{})
			continue
		}
		if len(t.parts) != 1 {
			return nil, nil, false
		}
		p := t.parts[0]
		if p.strides != nil || p.at != nil || p.record.deflated || p.record.file.data != nil {
			return nil, nil, false
		}
		i := slices.Index(paths, p.record.file.path)
		if i < 0 {
			i = len(paths)
			paths = append(paths, p.record.file.path)
		}
		places = append(places, Place{i, p.record.offset + p.offset})
	}
	return paths, places, len(paths) > 0
}

// Read puts the data section of the arranged file into data, which has Bytes() bytes. Checksums are left to
// WriteTo, and to whoever compares the digest.
func (c *Checkpoint) Read(data []byte) error {
	for _, t := range c.Tensors {
		if err := t.gather(data[t.Begin:t.End]); err != nil {
			return fmt.Errorf("%s: tensor %s: %w", c.Path, t.Name, err)
		}
	}
	return nil
}
