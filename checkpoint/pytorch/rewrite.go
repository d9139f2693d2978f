package pytorch

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Record is one of the records of a PyTorch file, to be written again.
type Record struct {
	Name  string
	Size  int64
	Write func(w io.Writer) error // writes Size bytes
}

// ErrNotWhole is wrapped by the error of a checkpoint that cannot be written again with other weights.
var ErrNotWhole = errors.New("only PyTorch's zip files can be written again with other weights in them")

// Rewritten lists the records of a checkpoint's file with other values in its tensors, and the name of the folder in
// which they lie. values writes those of a tensor: as many bytes as it has, by its own dtype and shape. What stands
// beside the weights, such as the optimizer's state, is as it was.
func Rewritten(from checkpoint.Checkpoint, values func(w io.Writer, t *checkpoint.Tensor) error) (records []Record, folder string, err error) {
	path, format := from.About().Path, from.About().Format
	c, ok := from.(*stored.Checkpoint)
	if !ok || format != zipKind.Name || len(c.Files()) != 1 {
		return nil, "", fmt.Errorf("%s (%s): %w", path, format, ErrNotWhole)
	}
	file := c.Files()[0]
	if err := file.Use(); err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, input.Cause(err))
	}
	defer file.Close()
	touched, err := touchedBy(c, file)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	z := &archive{File: file, size: file.Size()}
	r, err := zip.NewReader(file, file.Size())
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	for _, f := range r.File {
		if prefix, ok := strings.CutSuffix(f.Name, "data.pkl"); ok {
			folder = prefix
		}
		rec, err := z.record(f)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", path, err)
		}
		tensors := touched[rec.Offset]
		if rec.Length == 0 {
			tensors = nil // it shares its place with the next one
		}
		records = append(records, Record{f.Name, rec.Length, func(w io.Writer) error {
			err := file.Use()
			if err == nil {
				defer file.Close()
				err = rewrite(w, rec, tensors, values)
			}
			if err != nil {
				return fmt.Errorf("%s: %s: %w", path, rec.Name, err)
			}
			return nil
		}})
	}
	return records, folder, nil
}

// lying is a tensor, and where in its record it lies.
type lying struct {
	*checkpoint.Tensor
	at stored.Part
}

// touchedBy is which tensors lie in which records, by where a record's bytes begin in the file.
func touchedBy(c *stored.Checkpoint, file *checkpoint.File) (map[int64][]lying, error) {
	touched := map[int64][]lying{}
	tensors := c.Tensors()
	for i := range tensors {
		t, parts := &tensors[i], c.Parts(i)
		if len(parts) != 1 || parts[0].Record.File != file {
			if t.End > t.Begin {
				return nil, fmt.Errorf("tensor %s does not lie in one record of the file: %w", t.Name, ErrNotWhole)
			}
			continue
		}
		at := parts[0].Record.Offset
		touched[at] = append(touched[at], lying{t, parts[0]})
	}
	return touched, nil
}

// copyRecord writes a record as it is: an optimizer's state may be larger than the memory.
func copyRecord(w io.Writer, r *stored.Record) error {
	sum := crc32.NewIEEE()
	if _, err := io.CopyN(io.MultiWriter(w, sum), r.Reader(), r.Length); err != nil {
		return stored.Short(err)
	}
	if r.Checked && sum.Sum32() != r.CRC {
		return stored.ErrChecksum
	}
	return nil
}

// rewrite writes a record with other values in the tensors that lie in it.
func rewrite(w io.Writer, r *stored.Record, tensors []lying, values func(io.Writer, *checkpoint.Tensor) error) error {
	if len(tensors) == 1 {
		t := tensors[0]
		if p := t.at; p.Offset == 0 && p.Strides == nil && t.End-t.Begin == r.Length {
			return values(w, t.Tensor) // all of it
		}
	}
	if len(tensors) == 0 {
		return copyRecord(w, r)
	}
	content := make([]byte, r.Length)
	if _, err := io.ReadFull(r.Reader(), content); err != nil {
		return stored.Short(err)
	}
	if r.Checked && crc32.ChecksumIEEE(content) != r.CRC {
		return stored.ErrChecksum
	}
	for _, t := range tensors {
		var data bytes.Buffer
		data.Grow(int(t.End - t.Begin))
		if err := values(&data, t.Tensor); err != nil {
			return err
		}
		p, width := t.at, int64(t.DType.Size())
		if p.Strides == nil {
			copy(content[p.Offset:], data.Bytes())
			continue
		}
		stored.Scatter(content[p.Offset:], p.Strides, data.Bytes(), stored.RowMajor(t.Shape), t.Shape, width)
	}
	_, err := w.Write(content)
	return err
}
