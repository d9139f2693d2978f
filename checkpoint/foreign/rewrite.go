package foreign

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Record is one of the records of a PyTorch file, to be written again.
type Record struct {
	Name  string
	Size  int64
	Write func(w io.Writer) error // writes Size bytes
}

// ErrNotWhole is wrapped by the error of a checkpoint that cannot be written again with other weights.
var ErrNotWhole = errors.New("only PyTorch's zip files can be written again with other weights in them")

// Rewritten lists the records of the checkpoint's file with other values in its tensors, and the name of the folder in
// which they lie. values writes those of a tensor: as many bytes as it has, by its own dtype and shape. What stands
// beside the weights, such as the optimizer's state, is as it was. The checkpoint must stay open meanwhile.
func (c *Checkpoint) Rewritten(values func(w io.Writer, t *Tensor) error) (records []Record, folder string, err error) {
	if len(c.files) != 1 || c.Format != zipFormat {
		return nil, "", fmt.Errorf("%s (%s): %w", c.Path, c.Format, ErrNotWhole)
	}
	file := c.files[0]
	r, err := zip.NewReader(file, file.size)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", c.Path, err)
	}
	touched := map[int64][]*Tensor{} // by where the record's data begin
	for i := range c.Tensors {
		t := &c.Tensors[i]
		if len(t.parts) != 1 || t.parts[0].record.file != file {
			if t.End > t.Begin {
				return nil, "", fmt.Errorf("%s: tensor %s does not lie in one record of the file: %w", c.Path, t.Name, ErrNotWhole)
			}
			continue
		}
		at := t.parts[0].record.offset
		touched[at] = append(touched[at], t)
	}
	z := &zipFile{file: file, size: file.size}
	for _, f := range r.File {
		if prefix, ok := bytes.CutSuffix([]byte(f.Name), []byte("data.pkl")); ok {
			folder = string(prefix)
		}
		rec, err := z.record(f)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", c.Path, err)
		}
		tensors := touched[rec.offset]
		if rec.length == 0 {
			tensors = nil // it shares its place with the next one
		}
		records = append(records, Record{f.Name, rec.length, func(w io.Writer) error {
			if err := rec.rewrite(w, tensors, values); err != nil {
				return fmt.Errorf("%s: %s: %w", c.Path, rec.name, err)
			}
			return nil
		}})
	}
	return records, folder, nil
}

// copy writes a record as it is: an optimizer's state may be larger than the memory.
func (r *record) copy(w io.Writer) error {
	sum := crc32.NewIEEE()
	if _, err := io.CopyN(io.MultiWriter(w, sum), r.reader(), r.length); err != nil {
		return short(err)
	}
	if r.checked && sum.Sum32() != r.crc {
		return errChecksum
	}
	return nil
}

// rewrite writes a record with other values in the tensors that lie in it.
func (r *record) rewrite(w io.Writer, tensors []*Tensor, values func(io.Writer, *Tensor) error) error {
	if len(tensors) == 1 {
		t := tensors[0]
		if p := t.parts[0]; p.offset == 0 && p.strides == nil && t.End-t.Begin == r.length {
			return values(w, t) // all of it
		}
	}
	if len(tensors) == 0 {
		return r.copy(w)
	}
	content := make([]byte, r.length)
	if _, err := io.ReadFull(r.reader(), content); err != nil {
		return short(err)
	}
	if r.checked && crc32.ChecksumIEEE(content) != r.crc {
		return errChecksum
	}
	for _, t := range tensors {
		var data bytes.Buffer
		data.Grow(int(t.End - t.Begin))
		if err := values(&data, t); err != nil {
			return err
		}
		p, width := t.parts[0], int64(t.DType.Size())
		if p.strides == nil {
			copy(content[p.offset:], data.Bytes())
			continue
		}
		scatter(content[p.offset:], p.strides, data.Bytes(), rowMajor(t.Shape), t.Shape, width)
	}
	_, err := w.Write(content)
	return err
}
