package trajectory

import (
	"errors"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
)

// mapLink maps another program's checkpoint: its file where the tensors are stored in it as they are, and
// else a copy of them.
func mapLink(link Link) (*checkpoint.Mapped, error) {
	c, err := link.Open()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	tensors := c.Layout()
	head, err := safetensors.EncodeHeader(tensors, safetensors.Metadata())
	if err != nil {
		return nil, err
	}
	var w *checkpoint.Mapped
	if paths, places, ok := c.Mapped(); ok {
		var bases, sizes []int64
		if w, bases, sizes, err = checkpoint.MapFiles(link.Path, paths); err != nil {
			return nil, err
		}
		for i, at := range places {
			n := tensors[i].End - tensors[i].Begin
			begin := bases[at.File] + at.Offset
			if at.Offset+n > sizes[at.File] {
				w.Close()
				return nil, errors.New("its size changed while it was opened")
			}
			tensors[i].Begin, tensors[i].End = begin, begin+n
		}
	} else {
		if w, err = checkpoint.Allocate(link.Path, c.Bytes()); err != nil {
			return nil, err
		}
		if err := c.Read(w.Data); err != nil {
			w.Close()
			return nil, err
		}
	}
	w.Tensors, w.Head, w.Size = tensors, head, c.FileBytes()
	return w, nil
}

// scan reads the whole file once, into the digest, and gives the names of the tensors that are not finite.
func scan(w *checkpoint.Mapped, d *digest) (nonFinite []string, err error) {
	err = checkpoint.Guard(w.Path, func() error {
		const bytes = 1 << 17 // in cache from one use to the next
		d.Write(w.Head)
		for _, t := range w.Tensors { // in a file of ours back to back: that is all there is
			ok := true
			for begin := t.Begin; begin < t.End; begin += bytes {
				part := w.Data[begin:min(begin+bytes, t.End)]
				d.Write(part)
				ok = ok && (t.DType.Part() == "" || checkpoint.Finite(t.DType.Part(), part))
			}
			if !ok {
				nonFinite = append(nonFinite, t.Name)
			}
		}
		return nil
	})
	return nonFinite, err
}
