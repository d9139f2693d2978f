package safetensors

import (
	"fmt"
	"sync/atomic"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Map maps a file and checks its header. The Tensors' offsets are those of the data section, which Data is.
func Map(path string) (*checkpoint.Mapped, error) {
	c, err := OpenPlain(path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Map()
}

// plain is a file as it stands: its tensors under their names and in their order. It implements checkpoint.Checkpoint.
type plain struct {
	file    *checkpoint.File
	about   checkpoint.About
	tensors []checkpoint.Tensor
	data    int64 // where the data section begins
	closed  atomic.Bool
}

// OpenPlain opens a file whose tensors are to have the names and the order that they have in it, as those of a trajectory
// do: nothing is taken off, tied or arranged anew, and Stream gives the file's own bytes.
func OpenPlain(path string) (checkpoint.Checkpoint, error) {
	f, err := checkpoint.OpenFile(path)
	if err != nil {
		return nil, err
	}
	header, err := ReadHeader(f, f.Size())
	if err != nil {
		f.Close()
		return nil, err
	}
	return &plain{file: f, about: checkpoint.About{Path: path, Format: Format.Kind().Name, FileBytes: f.Size()}, tensors: header.Tensors, data: header.Data}, nil
}

// About implements checkpoint.Checkpoint.
func (p *plain) About() *checkpoint.About { return &p.about }

// Tensors implements checkpoint.Checkpoint.
func (p *plain) Tensors() []checkpoint.Tensor { return p.tensors }

// Tied implements checkpoint.Checkpoint.
func (p *plain) Tied() map[string]string { return nil }

// Share lets the list be that of another checkpoint, where both are the same.
func (p *plain) Share(tensors []checkpoint.Tensor) { p.tensors = checkpoint.Shared(p.tensors, tensors) }

// Map implements checkpoint.Checkpoint.
func (p *plain) Map() (*checkpoint.Mapped, error) {
	if err := p.file.Use(); err != nil {
		return nil, err
	}
	defer p.file.Close()
	m, err := checkpoint.MapFile(p.file)
	if err != nil {
		return nil, err
	}
	m.Tensors, m.Head, m.Data = p.tensors, m.Data[:p.data], m.Data[p.data:]
	return m, nil
}

// Stream implements checkpoint.Checkpoint.
func (p *plain) Stream(emit func(t *checkpoint.Tensor, data []byte) error) error {
	if err := p.file.Use(); err != nil {
		return fmt.Errorf("%s: %w", p.about.Path, input.Cause(err))
	}
	defer p.file.Close()
	const chunk = 1 << 20
	buffer := make([]byte, max(p.data, chunk))
	give := func(t *checkpoint.Tensor, begin, end, most int64) error {
		for at := begin; at < end; at += most {
			part := buffer[:min(most, end-at)]
			if _, err := p.file.ReadAt(part, at); err != nil {
				return fmt.Errorf("%s: %w", p.about.Path, input.Cause(err))
			}
			if err := emit(t, part); err != nil {
				return err
			}
		}
		return nil
	}
	if err := give(nil, 0, p.data, p.data); err != nil {
		return err
	}
	for i := range p.tensors {
		t := &p.tensors[i]
		if err := give(t, p.data+t.Begin, p.data+t.End, chunk); err != nil {
			return err
		}
	}
	return nil
}

// Close implements checkpoint.Checkpoint.
func (p *plain) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	return p.file.Close()
}
