// Package foreign reads the checkpoints that other programs wrote: PyTorch's files (zip and legacy), Lightning's,
// safetensors whole and in shards, and the folders of torch.distributed.checkpoint.
//
// It believes that a file is data. No code in it is ever run; what stands beside the weights (optimizer state
// above all) is never read; and a byte that does not match its checksum is an error, though torch.load lets it
// pass. Whatever the file looks like, a checkpoint comes out the same: a list of named tensors in the
// arrangement of a safetensors file, so that its digest does not depend on how it was stored.
package foreign

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"lawa-replay/internal/input"
	"lawa-replay/trajectory/safetensors"
)

// Options of opening.
type Options struct {
	// Key says where the state dict stands, as in "state_dict" or "model.ema"; "" finds it where there is one.
	Key string
	// Strict refuses a pickle that names anything but tensors, containers and numbers.
	Strict bool
}

// Checkpoint is a foreign checkpoint, opened: what is in it is known, its weights are not read yet.
type Checkpoint struct {
	Path    string
	Format  string            // such as "PyTorch zip", for messages
	Key     string            // where the state dict stood; "" at the root
	Tensors []Tensor          // arranged as a safetensors file of them is
	Tied    map[string]string // names that share the bytes of another, and that other
	Shards  map[string]string // the file of each tensor, where there are several
	Info    Info

	files []*file
}

// Info is what stands beside the weights.
type Info struct {
	Epoch, Step *float64           // as recorded, in the recorder's own way of counting
	Lightning   bool               // written by Lightning, which counts epochs from 0
	Numbers     map[string]float64 // other numbers at the root, by their keys
}

// Tensor is one tensor. Begin and End are its place in the data section of the arranged file.
type Tensor struct {
	safetensors.Tensor
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

// file is a file in use. It counts what is read of it.
type file struct {
	path string
	f    *os.File
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
func (c *Checkpoint) Layout() []safetensors.Tensor {
	out := make([]safetensors.Tensor, len(c.Tensors))
	for i, t := range c.Tensors {
		out[i] = t.Tensor
	}
	return out
}

// The names of the files by which a folder is known to be one checkpoint, best first.
const dcpMetadata = ".metadata"

var (
	indexNames  = []string{"model.safetensors.index.json", "pytorch_model.bin.index.json"}
	singleNames = []string{"model.safetensors", "pytorch_model.bin"}
)

// IsCheckpoint says whether a folder is one checkpoint, rather than a folder of them.
func IsCheckpoint(dir string) bool {
	for _, name := range slices.Concat([]string{dcpMetadata}, indexNames, singleNames) {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

func (c *Checkpoint) open(o Options) error {
	info, err := os.Stat(c.Path)
	if err != nil {
		return bare(err)
	}
	if !info.IsDir() {
		if strings.HasSuffix(c.Path, ".index.json") {
			return c.openShards(c.Path, o)
		}
		return c.openOne(c.Path, o)
	}
	exists := func(name string) bool {
		_, err := os.Stat(filepath.Join(c.Path, name))
		return err == nil
	}
	defer c.trainerState()
	if exists(dcpMetadata) {
		return c.openDCP(o)
	}
	for _, name := range indexNames {
		if exists(name) {
			return c.openShards(filepath.Join(c.Path, name), o)
		}
	}
	for _, name := range singleNames {
		if exists(name) {
			return c.openOne(filepath.Join(c.Path, name), o)
		}
	}
	return fmt.Errorf("a folder without %s, %s, %s or %s: it is no checkpoint", dcpMetadata, indexNames[0], singleNames[0], singleNames[1])
}

// bare is err without its path, which the caller says.
func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// openOne opens a checkpoint that is one file.
func (c *Checkpoint) openOne(path string, o Options) error {
	tensors, err := c.list(path, o)
	if err != nil {
		return err
	}
	return c.arrange(tensors)
}

// list reads one file's list of tensors.
func (c *Checkpoint) list(path string, o Options) ([]named, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, bare(err)
	}
	c.files = append(c.files, f)
	if f.size == 0 {
		return nil, errors.New("the file is empty")
	}
	head := make([]byte, min(f.size, 512))
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, bare(err)
	}
	switch {
	case strings.HasPrefix(string(head), "PK"):
		c.Format = "PyTorch zip"
		z := &zipFile{file: f, start: 0, size: f.size}
		root, err := z.open(o)
		if err != nil {
			return nil, err
		}
		return c.find(root, o.Key)
	case head[0] == 0x80 && !strings.HasSuffix(path, ".safetensors"):
		c.Format = "PyTorch legacy"
		root, err := openLegacy(f, o)
		if err != nil {
			return nil, err
		}
		return c.find(root, o.Key)
	case len(head) > 262 && string(head[257:262]) == "ustar":
		return nil, errors.New("a tar archive: PyTorch wrote such files before 0.1.10; load and save it with a current one")
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

func (c *Checkpoint) tie(alias, kept string) {
	if c.Tied == nil {
		c.Tied = map[string]string{}
	}
	c.Tied[alias] = kept
}

// named is a tensor of a state dict.
type named struct {
	name string
	t    *tensor
}

// tensor is what a file says of a tensor.
type tensor struct {
	dtype safetensors.DType
	shape []int64
	parts []part
	fault string // why its bytes are not its values
}

// slack is by how much a checkpoint's tensors may be larger than its files: tensors may be expanded.
const slack = 64 << 20

// arrange takes over the tensors: prefixes stripped, tied ones once, in the order of the arranged file.
func (c *Checkpoint) arrange(tensors []named) error {
	if len(tensors) == 0 {
		return errors.New("it holds no tensors")
	}
	prefix := wrappers(tensors)
	ties, shards := c.Tied, c.Shards // by the names in the files
	c.Tied, c.Shards = nil, nil
	for alias, kept := range ties {
		c.tie(strings.TrimPrefix(alias, prefix), strings.TrimPrefix(kept, prefix))
	}
	type place struct {
		record         *record
		offset         int64
		dtype          safetensors.DType
		shape, strides string
	}
	first := map[place]string{}
	seen := map[string]bool{}
	var layout []safetensors.Tensor
	parts := map[string][]part{}
	total, limit := int64(0), c.FileBytes()+slack
	for _, n := range tensors {
		name := strings.TrimPrefix(n.name, prefix)
		if seen[name] {
			return fmt.Errorf("two tensors are called %s", name)
		}
		seen[name] = true
		if n.t.fault != "" {
			return fmt.Errorf("tensor %s: %s", name, n.t.fault)
		}
		entry := safetensors.Tensor{Name: name, DType: n.t.dtype, Shape: n.t.shape}
		size, err := entry.ByteSize()
		if err != nil {
			return fmt.Errorf("tensor %s: %w", name, err)
		}
		if p := n.t.parts; len(p) == 1 && size > 0 {
			at := place{p[0].record, p[0].offset, n.t.dtype, fmt.Sprint(n.t.shape), fmt.Sprint(p[0].strides)}
			if kept, tied := first[at]; tied {
				c.tie(name, kept)
				continue
			}
			first[at] = name
		}
		if size > limit-total {
			return fmt.Errorf("tensor %s: %s is more than the files hold", name, entry)
		}
		total += size
		layout = append(layout, entry)
		parts[name] = n.t.parts
		if file, ok := shards[n.name]; ok {
			if c.Shards == nil {
				c.Shards = map[string]string{}
			}
			c.Shards[name] = file
		}
	}
	for _, t := range safetensors.Arrange(layout) {
		c.Tensors = append(c.Tensors, Tensor{t, parts[t.Name]})
	}
	return nil
}

// wrappers is the prefix that every name has from what the model was wrapped in: DistributedDataParallel's
// "module." and torch.compile's "_orig_mod.".
func wrappers(tensors []named) string {
	prefix := ""
	for {
		found := ""
		for _, p := range []string{"module.", "_orig_mod."} {
			if !slices.ContainsFunc(tensors, func(n named) bool { return !strings.HasPrefix(n.name, prefix+p) }) {
				found = p
			}
		}
		if found == "" {
			return prefix
		}
		prefix += found
	}
}
