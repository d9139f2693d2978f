// Package foreign reads the checkpoints that other programs wrote: PyTorch's files (zip and legacy), Lightning's,
// safetensors whole and in shards, and the folders of torch.distributed.checkpoint.
//
// It believes that a file is data. No code in it is ever run; what stands beside the weights (optimizer state
// above all) is never read; and a byte that does not match its checksum is an error, though torch.load lets it
// pass. Whatever the file looks like, a checkpoint comes out the same: a list of named tensors in the
// arrangement of a safetensors file, so that its digest does not depend on how it was stored.
package foreign

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Options of opening.
type Options struct {
	// Key says where the state dict stands, as in "state_dict" or "model.ema"; "" finds it where there is one. A dict of
	// state dicts, or several keys as in "model,generator", are one model.
	Key string
	// Strip is prefixes that are taken off the tensors' names, as in "model.", one after the other.
	Strip []string
	// Skip is names of tensors to leave out, or patterns of them (path.Match).
	Skip []string
	// Untie is names that are tensors of their own, though they share the bytes of another.
	Untie []string
	// Strict refuses a pickle that names anything but tensors, arrays, containers and numbers.
	Strict bool
	// MaxPickle is how many bytes of pickle are read, and an eighth of what they may build; 0 is pickle.MaxBytes.
	MaxPickle int64
}

// Checkpoint is a foreign checkpoint, opened: what is in it is known, its weights are not read yet.
type Checkpoint struct {
	Path    string
	Within  string            // of a folder: what in it was taken for the model, and why; "" of a file
	Format  string            // such as "PyTorch zip", for messages
	Key     string            // where the state dict stood; "" at the root
	Tensors []Tensor          // arranged as a safetensors file of them is
	Tied    map[string]string // names that share the bytes of another, and that other
	Shards  map[string]string // the file of each tensor, where there are several
	Info    Info

	Weights    string   // which ones they are: Raw, EMA, Average, or "" where nothing tells
	WeightsWhy string   // what tells
	Notes      []string // what people should know: what was left out, joined, or cannot be averaged

	files  []*file
	opened string // the file or folder within Path
}

func (c *Checkpoint) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(c.Notes, text) {
		c.Notes = append(c.Notes, text)
	}
}

// Tensor is one tensor. Begin and End are its place in the data section of the arranged file.
type Tensor struct {
	checkpoint.Tensor
	parts []part
}

// part is a block of a tensor, and where its bytes are.
type part struct {
	record  *record
	offset  int64   // bytes into the record
	shape   []int64 // of the block
	strides []int64 // in elements; nil where the elements follow one another
	at      []int64 // first index of the block in the tensor; nil where it is all of it
}

// record is a run of bytes in a file, with its checksum where there is one.
type record struct {
	file     *file
	name     string
	offset   int64 // in the file
	size     int64 // in the file
	length   int64 // of what is stored: more than size where it is deflated
	crc      uint32
	checked  bool // crc is one
	deflated bool
	hollow   bool // its bytes were never written
}

// file is a file in use, or bytes in memory. It counts what is read of it.
type file struct {
	path string
	f    *os.File
	data []byte // in place of f
	size int64
	read atomic.Int64
}

func openFile(path string) (*file, error) {
	f, size, err := input.Open(path, input.Any)
	if err != nil {
		return nil, err
	}
	return &file{path: path, f: f, size: size}, nil
}

// ReadAt implements io.ReaderAt.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if f.f == nil {
		return bytes.NewReader(f.data).ReadAt(p, off)
	}
	n, err := f.f.ReadAt(p, off)
	f.read.Add(int64(n))
	return n, err
}

// Open opens a file, or a folder that is one checkpoint. What fails names the file.
func Open(path string, o Options) (*Checkpoint, error) {
	c := &Checkpoint{Path: path}
	err := c.open(o)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// Close closes its files: the weights can no longer be read.
func (c *Checkpoint) Close() error {
	var errs []error
	for _, f := range c.files {
		if f.f != nil {
			errs = append(errs, f.f.Close())
			f.f = nil
		}
	}
	return errors.Join(errs...)
}

// BytesRead is what was read of its files so far.
func (c *Checkpoint) BytesRead() int64 {
	n := int64(0)
	for _, f := range c.files {
		n += f.read.Load()
	}
	return n
}

// FileBytes is the size of its files.
func (c *Checkpoint) FileBytes() int64 {
	n := int64(0)
	for _, f := range c.files {
		n += f.size
	}
	return n
}

// Bytes is the size of its weights.
func (c *Checkpoint) Bytes() int64 {
	if n := len(c.Tensors); n > 0 {
		return c.Tensors[n-1].End
	}
	return 0
}

// Layout lists the tensors as a header of the arranged file does.
func (c *Checkpoint) Layout() []checkpoint.Tensor {
	out := make([]checkpoint.Tensor, len(c.Tensors))
	for i, t := range c.Tensors {
		out[i] = t.Tensor
	}
	return out
}

func (c *Checkpoint) open(o Options) error {
	info, err := os.Stat(c.Path)
	if err != nil {
		return input.Cause(err)
	}
	c.opened = c.Path
	if !info.IsDir() {
		return c.openFile(c.Path, o)
	}
	path, why, err := Within(c.Path)
	var none *NotOne
	if errors.As(err, &none) && none.Reason == "" && len(none.Files) == 1 {
		path, why, err = filepath.Join(c.Path, none.Files[0]), none.Files[0]+", the only file that may hold weights", nil
	}
	switch {
	case errors.As(err, &none):
		return errors.New(strings.TrimPrefix(none.Error(), c.Path+": "))
	case err != nil:
		return input.Cause(err)
	}
	c.Within, c.opened = why, path
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return c.openDCP(path, o)
	}
	return c.openFile(path, o)
}

// openFile opens a checkpoint that is one file, or an index of shards.
func (c *Checkpoint) openFile(path string, o Options) error {
	if strings.HasSuffix(path, ".index.json") {
		return c.openShards(path, o)
	}
	return c.openOne(path, o)
}

// openOne opens a checkpoint that is one file.
func (c *Checkpoint) openOne(path string, o Options) error {
	tensors, err := c.list(path, o)
	if err != nil {
		return err
	}
	return c.arrange(tensors, o)
}

// list reads one file's list of tensors.
func (c *Checkpoint) list(path string, o Options) ([]named, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, input.Cause(err)
	}
	c.files = append(c.files, f)
	if f.size == 0 {
		return nil, errors.New("the file is empty")
	}
	head := make([]byte, min(f.size, sniffed))
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, input.Cause(err)
	}
	safe := len(head) > 8 && head[8] == '{' && binary.LittleEndian.Uint64(head) <= safetensors.MaxHeader
	if !safe {
		if what := notCheckpoint(f, head); what != "" {
			return nil, errors.New(what)
		}
	}
	switch {
	case safe:
	case strings.HasPrefix(string(head), "PK"):
		c.Format = zipFormat
		z := &zipFile{file: f, start: 0, size: f.size}
		root, err := z.open(o)
		if err != nil {
			return nil, err
		}
		return c.find(root, o)
	case head[0] == 0x80 && !strings.HasSuffix(path, ".safetensors") || pickledText(string(head)):
		var root any
		root, c.Format, err = openLegacy(f, o)
		if err != nil {
			return nil, err
		}
		return c.find(root, o)
	}
	c.Format = "safetensors"
	if o.Key != "" {
		return nil, fmt.Errorf("--key %s: a safetensors file has no keys", o.Key)
	}
	header, err := safetensors.ReadHeader(f, f.size)
	if err != nil {
		if !strings.HasSuffix(path, ".safetensors") {
			err = fmt.Errorf("neither a PyTorch file nor safetensors: %w", err)
		}
		return nil, err
	}
	return fromSafetensors(f, header, c), nil
}

// fromSafetensors lists a file's tensors, and the names that its metadata say are tied to one of them.
func fromSafetensors(f *file, h *safetensors.Header, c *Checkpoint) []named {
	var out []named
	have := map[string]bool{}
	for _, t := range h.Tensors {
		have[t.Name] = true
		r := &record{file: f, name: t.Name, offset: h.Data + t.Begin, size: t.End - t.Begin, length: t.End - t.Begin}
		out = append(out, named{t.Name, &tensor{dtype: t.DType, shape: t.Shape, parts: []part{{record: r, shape: t.Shape}}}})
	}
	for alias, kept := range h.Metadata {
		if have[kept] && !have[alias] && alias != "format" {
			c.tie(alias, kept)
		}
	}
	return out
}
