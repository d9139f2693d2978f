// Package stored says where the bytes of a checkpoint's tensors lie, and puts the tensors together.
//
// It believes that formats differ in how they list tensors, not in what tensors are: each tensor is blocks of elements
// in records, runs of bytes of files, with strides, checksums or compression where there are some. A format makes a List
// of what a file holds under the names that it has there; Arrange makes a checkpoint of it, the same way for all:
// wrappers' names are taken off, tensors that share bytes are tied, and the rest is arranged as in a safetensors file.
package stored

import (
	"sync/atomic"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// List is what a format found in a file, or in several.
type List struct {
	checkpoint.About
	Tensors []Named
	Tied    map[string]string // names without bytes of their own, and the tensors whose bytes they share
	Files   []*checkpoint.File
}

// Lister is a format of single files, of which several may make one checkpoint.
type Lister interface {
	checkpoint.Format
	// List lists what a file in use holds.
	List(f *checkpoint.File, o checkpoint.Options) (*List, error)
}

// Tie says that alias shares the bytes of the tensor kept.
func (l *List) Tie(alias, kept string) {
	if l.Tied == nil {
		l.Tied = map[string]string{}
	}
	l.Tied[alias] = kept
}

// Bytes is the size of its files.
func (l *List) Bytes() int64 {
	n := int64(0)
	for _, f := range l.Files {
		n += f.Size()
	}
	return n
}

// Named is a tensor of a state dict.
type Named struct {
	Name   string
	Tensor *Tensor
}

// Tensor is what a file says of a tensor.
type Tensor struct {
	DType checkpoint.DType
	Shape []int64
	Parts []Part
	Fault string                  // why its bytes are not its values; "" where they are
	Load  func() (*Tensor, error) // of one whose parts are found when they are wanted
}

// Resolve finds the tensor's parts.
func (t *Tensor) Resolve() error {
	if t.Load == nil {
		return nil
	}
	real, err := t.Load()
	if err == nil {
		*t = *real
	}
	return err
}

// Single says whether the tensor is one number.
func (t *Tensor) Single() bool {
	if t.Fault != "" {
		return false
	}
	for _, n := range t.Shape {
		if n != 1 {
			return false
		}
	}
	return true
}

// Checkpoint is a checkpoint whose tensors lie in records of files. It implements checkpoint.Checkpoint.
type Checkpoint struct {
	about   checkpoint.About
	tensors []checkpoint.Tensor // arranged
	parts   [][]Part            // of each tensor
	tied    map[string]string
	files   []*checkpoint.File
	closed  atomic.Bool // the use of the files that opening began is over
}

// About implements checkpoint.Checkpoint.
func (c *Checkpoint) About() *checkpoint.About { return &c.about }

// Tensors implements checkpoint.Checkpoint.
func (c *Checkpoint) Tensors() []checkpoint.Tensor { return c.tensors }

// Share lets the list of tensors be that of another checkpoint, where both are the same.
func (c *Checkpoint) Share(tensors []checkpoint.Tensor) {
	c.tensors = checkpoint.Shared(c.tensors, tensors)
}

// Tied implements checkpoint.Checkpoint.
func (c *Checkpoint) Tied() map[string]string { return c.tied }

// Parts are where the bytes of the tensor of an index lie.
func (c *Checkpoint) Parts(i int) []Part { return c.parts[i] }

// Files are the files that it lies in.
func (c *Checkpoint) Files() []*checkpoint.File { return c.files }

// Close implements checkpoint.Checkpoint.
func (c *Checkpoint) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return closeAll(c.files)
}

// BytesRead is what was read of its files so far, without what was mapped.
func (c *Checkpoint) BytesRead() int64 {
	n := int64(0)
	for _, f := range c.files {
		n += f.BytesRead()
	}
	return n
}
