package trajectory

import (
	"fmt"
	"io"
	"strconv"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// Files opens and writes files of weights. formats.Files, of checkpoint/formats, does it for all formats that are read.
type Files interface {
	// Open opens the checkpoint that a link refers to.
	Open(path string, o checkpoint.Options) (checkpoint.Checkpoint, error)
	// Own opens a file of the trajectory's own: its tensors have the names and the order that they have in it, and Stream
	// gives the file's own bytes.
	Own(path string) (checkpoint.Checkpoint, error)
	// Write writes such a file: data is the data section for the arranged tensors.
	Write(w io.Writer, tensors []checkpoint.Tensor, metadata map[string]string, data []byte) error
}

// Open opens checkpoint i (from 0): its tensors must have the names, shapes and types of the first one opened.
//
// Its list is read once, and kept as long as the trajectory is; its files are open only while its weights are read, and
// not before they are wanted, because a run may have more checkpoints than a process may have files. Where the tensors
// lie in each file is some hundred bytes a tensor; of a trajectory's own files, which are alike, the first one's list is
// that of all.
func (t *Trajectory) Open(i int) (checkpoint.Checkpoint, error) {
	c, err, _ := t.opening.Do(strconv.Itoa(i), func() (any, error) { // once, however many ask at a time
		t.mu.Lock()
		had := t.opened[i]
		t.mu.Unlock()
		if had != nil {
			return had, nil
		}
		c, err := t.open(i)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.Name(i), err)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if err := t.keep(i, c); err != nil {
			c.Close()
			return nil, err
		}
		return c, nil
	})
	if err != nil {
		return nil, err
	}
	return c.(checkpoint.Checkpoint), nil
}

func (t *Trajectory) open(i int) (checkpoint.Checkpoint, error) {
	if link := t.Checkpoints[i].Link; link != nil {
		return t.files.Open(link.Path, link.options())
	}
	return t.files.Own(t.Path(i))
}

// keep keeps what was opened, if its tensors are those of the others.
func (t *Trajectory) keep(i int, c checkpoint.Checkpoint) error {
	if t.layout == nil {
		t.layout = c.Tensors()
	}
	if err := checkpoint.SameTensors(t.layout, c.Tensors()); err != nil {
		return fmt.Errorf("%s: %w", t.Name(i), err)
	}
	if s, ok := c.(sharer); ok {
		s.Share(t.layout)
	}
	t.opened[i] = c
	return nil
}

// sharer is a checkpoint whose list of tensors may be that of another one.
type sharer interface {
	Share(tensors []checkpoint.Tensor)
}

// Tensors lists what checkpoint i (from 0) holds, without reading its weights. Begin and End are those of the
// arranged file.
func (t *Trajectory) Tensors(i int) ([]checkpoint.Tensor, error) {
	c, err := t.Open(i)
	if err != nil {
		return nil, err
	}
	return c.Tensors(), c.Close()
}
