package stored

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Map implements checkpoint.Checkpoint: the files are mapped one behind the other, or, where some tensor is not stored
// as it is, the tensors are put together in memory.
func (c *Checkpoint) Map() (*checkpoint.Mapped, error) {
	head, err := checkpoint.EncodeHeader(c.tensors, checkpoint.Metadata())
	if err != nil {
		return nil, err
	}
	done, err := c.use()
	if err != nil {
		return nil, err
	}
	defer done()
	var w *checkpoint.Mapped
	files, places, ok := c.mappable()
	if ok {
		w, err = c.mapped(files, places)
	} else if w, err = checkpoint.Allocate(c.about.Path, checkpoint.Size(c)); err == nil {
		if err = c.Read(w.Data); err != nil {
			w.Close()
		}
		w.Tensors = c.tensors
	}
	if err != nil {
		return nil, err
	}
	w.Head, w.Size = head, c.about.FileBytes
	return w, nil
}

func (c *Checkpoint) mapped(files []*checkpoint.File, places []place) (*checkpoint.Mapped, error) {
	w, bases, err := checkpoint.MapFiles(c.about.Path, files)
	if err != nil {
		return nil, err
	}
	w.Tensors = slices.Clone(c.tensors)
	for i, at := range places {
		t := &w.Tensors[i]
		n := t.End - t.Begin
		if at.offset+n > files[at.file].Size() {
			w.Close()
			return nil, fmt.Errorf("tensor %s ends at byte %d of a file of %d", t.Name, at.offset+n, files[at.file].Size())
		}
		t.Begin = bases[at.file] + at.offset
		t.End = t.Begin + n
	}
	return w, nil
}

// place is where a tensor lies: a file of those that are mapped, and the byte at which it begins there.
type place struct {
	file   int
	offset int64
}

// mappable says which files to map to have all tensors without a copy, and where they lie: only where each is stored
// as it is.
func (c *Checkpoint) mappable() (files []*checkpoint.File, places []place, ok bool) {
	for i, t := range c.tensors {
		if t.End == t.Begin {
			places = append(places, place{})
			continue
		}
		if len(c.parts[i]) != 1 {
			return nil, nil, false
		}
		p := c.parts[i][0]
		if p.Strides != nil || p.At != nil || p.Record.Deflated || p.Record.File.InMemory() {
			return nil, nil, false
		}
		at := slices.Index(files, p.Record.File)
		if at < 0 {
			at = len(files)
			files = append(files, p.Record.File)
		}
		places = append(places, place{at, p.Record.Offset + p.Offset})
	}
	return files, places, len(files) > 0
}

// use opens its files; done ends that.
func (c *Checkpoint) use() (done func(), err error) {
	done, err = checkpoint.Use(c.files)
	var p *os.PathError
	switch {
	case err == nil:
	case errors.As(err, &p) && p.Path != c.about.Path:
		err = c.wrong(fmt.Errorf("%s: %w", filepath.Base(p.Path), p.Err))
	default:
		err = c.wrong(input.Cause(err))
	}
	return done, err
}

// wrong is an error that names the checkpoint.
func (c *Checkpoint) wrong(err error) error { return fmt.Errorf("%s: %w", c.about.Path, err) }

func closeAll(files []*checkpoint.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
