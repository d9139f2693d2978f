package stored

import (
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// chunk is how much is read at a time, in bytes.
const chunk = 1 << 20

// WriteTo writes the checkpoint as a safetensors file, arranged.
func (c *Checkpoint) WriteTo(w io.Writer) (int64, error) {
	written := int64(0)
	err := c.Stream(func(_ *checkpoint.Tensor, data []byte) error {
		n, err := w.Write(data)
		written += int64(n)
		return err
	})
	return written, err
}

// Stream implements checkpoint.Checkpoint. Every record that a tensor lies in is compared with its checksum, where it
// has one.
func (c *Checkpoint) Stream(emit func(t *checkpoint.Tensor, data []byte) error) error {
	header, err := checkpoint.EncodeHeader(c.tensors, checkpoint.Metadata())
	if err != nil {
		return c.wrong(err)
	}
	done, err := c.use()
	if err != nil {
		return err
	}
	defer done()
	if err := emit(nil, header); err != nil {
		return err
	}
	whole, err := c.checkShared()
	if err != nil {
		return c.wrong(err)
	}
	buffer := make([]byte, chunk)
	for i := range c.tensors {
		t := &c.tensors[i]
		if err := c.stream(i, whole, buffer, func(data []byte) error { return emit(t, data) }); err != nil {
			return c.wrong(fmt.Errorf("tensor %s: %w", t.Name, err))
		}
	}
	return nil
}

// checkShared compares the records of which more or less than one whole tensor is wanted with their checksums;
// of the others, which it returns, that is done while the tensor is read.
func (c *Checkpoint) checkShared() (whole map[*Record]bool, err error) {
	uses := map[*Record]int{}
	whole = map[*Record]bool{}
	for i, t := range c.tensors {
		for _, p := range c.parts[i] {
			uses[p.Record]++
			if len(c.parts[i]) == 1 && p.Offset == 0 && p.Strides == nil && t.End-t.Begin == p.Record.Length {
				whole[p.Record] = true
			}
		}
	}
	for r, n := range uses {
		if n > 1 {
			delete(whole, r)
		}
		if !whole[r] {
			if err := r.Check(); err != nil {
				return nil, err
			}
		}
	}
	return whole, nil
}

// stream gives the bytes of the tensor of an index in the order of its elements.
func (c *Checkpoint) stream(i int, whole map[*Record]bool, buffer []byte, emit func([]byte) error) error {
	size := c.tensors[i].End - c.tensors[i].Begin
	if size == 0 {
		return nil
	}
	if parts := c.parts[i]; len(parts) != 1 || parts[0].Strides != nil {
		data := make([]byte, size)
		if err := gather(data, &c.tensors[i], parts); err != nil {
			return err
		}
		return emit(data)
	}
	p := c.parts[i][0]
	var sum hash.Hash32
	if p.Record.Checked && whole[p.Record] {
		sum = crc32.NewIEEE()
	}
	r, err := p.Record.From(p.Offset)
	if err != nil {
		return err
	}
	for left := size; left > 0; {
		part := buffer[:min(chunk, left)]
		if _, err := io.ReadFull(r, part); err != nil {
			return fmt.Errorf("%s: %w", p.Record.Name, Short(err))
		}
		if sum != nil {
			sum.Write(part)
		}
		if err := emit(part); err != nil {
			return err
		}
		left -= int64(len(part))
	}
	if sum != nil && sum.Sum32() != p.Record.CRC {
		return fmt.Errorf("%s: %w", p.Record.Name, ErrChecksum)
	}
	return nil
}
