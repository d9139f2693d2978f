// Package dcp reads the folders of torch.distributed.checkpoint.
package dcp

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/folder"
	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/pytorch"
	"github.com/lawa-replay/lawa-replay/checkpoint/rebuild"
	"github.com/lawa-replay/lawa-replay/checkpoint/statedict"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Format reads such folders, by the file .metadata in them.
var Format checkpoint.Format = format{}

type format struct{}

// Kind implements checkpoint.Format.
func (format) Kind() checkpoint.Kind {
	return checkpoint.Kind{
		Name:     "torch.distributed.checkpoint",
		About:    "a folder of .distcp files, in which each process wrote its chunks of the tensors; they are put together",
		Source:   "torch/distributed/checkpoint/metadata.py and filesystem.py",
		Examples: []string{folder.DCPMetadata},
	}
}

// Sniff implements checkpoint.Format.
func (format) Sniff(path string, _ []byte) bool { return filepath.Base(path) == folder.DCPMetadata }

// Open implements checkpoint.Format: .metadata is one pickle of dataclasses, which say of each tensor its chunks, and of
// each chunk at which bytes of which .distcp file a torch.save archive of it lies.
func (format) Open(f *checkpoint.File, o checkpoint.Options) (checkpoint.Checkpoint, error) {
	d := &dcp{dir: filepath.Dir(f.Path()), files: map[string]*checkpoint.File{}, items: map[string][]item{}}
	d.Path, d.Format, d.Files = d.dir, Format.Kind().Name, []*checkpoint.File{f}
	c, err := d.open(f, o)
	if err != nil {
		for _, f := range d.Files[1:] {
			f.Close()
		}
	}
	return c, err
}

func (d *dcp) open(f *checkpoint.File, o checkpoint.Options) (checkpoint.Checkpoint, error) {
	whole, err := d.stateDict(f, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", folder.DCPMetadata, err)
	}
	if err := statedict.Find(&d.List, whole, o); err != nil {
		return nil, err
	}
	return stored.Arrange(&d.List, o)
}

// stateDict reads the metadata. The state dict was flattened: it is put back, as far as names tell, to find the model in
// it.
func (d *dcp) stateDict(f *checkpoint.File, o checkpoint.Options) (*pickle.Dict, error) {
	root, err := pickle.NewReader(io.NewSectionReader(f, 0, f.Size()), f.Size(), o.MaxPickle).Next(pickle.Options{Call: rebuild.Call})
	if err != nil {
		return nil, pytorch.Raised(err)
	}
	m := statedict.Mapping(root)
	if m == nil {
		return nil, errors.New("not the metadata of a distributed checkpoint")
	}
	tensors, _ := m.Get("state_dict_metadata")
	storage, _ := m.Get("storage_data")
	plan, _ := m.Get("planner_data")
	if err := d.index(statedict.Mapping(storage)); err != nil {
		return nil, err
	}
	list := statedict.Mapping(tensors)
	if list == nil {
		return nil, errors.New("no state_dict_metadata in it")
	}
	whole := &pickle.Dict{}
	paths := statedict.Mapping(plan)
	for i, k := range list.Keys {
		name, ok := k.(string)
		if !ok {
			continue
		}
		var v any = &statedict.Lazy{Load: func() (any, error) { return d.object(name) }}
		if meta := statedict.Mapping(list.Values[i]); meta != nil {
			if _, isTensor := meta.Get("chunks"); isTensor {
				v = d.entry(name, meta)
			}
		}
		put(whole, flattened(paths, name), v)
	}
	return whole, nil
}

// flattened is where a flattened name stood: the planner keeps it as a tuple of keys.
func flattened(plan *pickle.Dict, name string) []string {
	if plan != nil {
		v, _ := plan.Get(name)
		if t, ok := v.(pickle.Tuple); ok {
			var out []string
			for _, k := range t {
				s, ok := statedict.KeyName(k)
				if !ok {
					return []string{name}
				}
				out = append(out, s)
			}
			if len(out) > 0 && len(out) <= statedict.MaxDepth {
				return out
			}
		}
	}
	return []string{name}
}

// put puts a value into dicts within d, by its keys. A dict takes the place of a value of its key.
func put(d *pickle.Dict, path []string, v any) {
	for ; len(path) > 1; path = path[1:] {
		at, _ := d.Get(path[0])
		next, ok := at.(*pickle.Dict)
		if !ok {
			next = &pickle.Dict{}
			d.Set(path[0], next)
		}
		d = next
	}
	d.Set(path[0], v)
}

// item is a chunk's archive.
type item struct {
	at             []int64 // its first index in the tensor; nil for a whole one
	path           string
	offset, length int64
}

type dcp struct {
	stored.List
	dir   string
	files map[string]*checkpoint.File // in use, by their paths within
	items map[string][]item           // by the names of what they store
}

// index reads storage_data: MetadataIndex(fqn, offset) → _StorageInfo(relative_path, offset, length).
func (d *dcp) index(storage *pickle.Dict) error {
	if storage == nil {
		return errors.New("no storage_data in it")
	}
	for i, k := range storage.Keys {
		key, info := statedict.Mapping(k), statedict.Mapping(storage.Values[i])
		if key == nil || info == nil {
			return errors.New("a storage that is not described as expected")
		}
		name, _ := key.Get("fqn")
		fqn, ok := name.(string)
		if !ok {
			return errors.New("a storage without a name")
		}
		var it item
		if at, _ := key.Get("offset"); at != nil {
			var err error
			if it.at, err = rebuild.Shape(at); err != nil {
				return fmt.Errorf("%s: %w", fqn, err)
			}
		}
		path, _ := info.Get("relative_path")
		offset, _ := info.Get("offset")
		length, _ := info.Get("length")
		var ok1, ok2, ok3 bool
		it.path, ok1 = path.(string)
		it.offset, ok2 = offset.(int64)
		it.length, ok3 = length.(int64)
		if !ok1 || !ok2 || !ok3 || it.offset < 0 || it.length < 0 {
			return fmt.Errorf("%s: a storage that is not described as expected", fqn)
		}
		if err := input.Local(it.path); err != nil {
			return fmt.Errorf("%s: the file that stores it: %w", fqn, err)
		}
		if t, _ := info.Get("transform_descriptors"); t != nil {
			return fmt.Errorf("%s: its bytes are transformed (compressed), which is not read", fqn)
		}
		d.items[fqn] = append(d.items[fqn], it)
	}
	return nil
}

func (d *dcp) file(path string) (*checkpoint.File, error) {
	if f := d.files[path]; f != nil {
		return f, nil
	}
	f, err := checkpoint.OpenFile(filepath.Join(d.dir, path))
	if err != nil {
		return nil, err
	}
	d.files[path] = f
	d.Files = append(d.Files, f)
	return f, nil
}

// entry is a tensor whose chunks are opened when it is wanted.
func (d *dcp) entry(name string, meta *pickle.Dict) *stored.Tensor {
	size, _ := meta.Get("size")
	shape, err := rebuild.Shape(size)
	if err != nil {
		return &stored.Tensor{Fault: err.Error()}
	}
	return &stored.Tensor{Shape: shape, Load: func() (*stored.Tensor, error) { return d.tensor(name, meta) }}
}

// object reads what is no tensor, such as an epoch.
func (d *dcp) object(name string) (any, error) {
	if len(d.items[name]) != 1 {
		return nil, fmt.Errorf("nothing says where %s is stored", name)
	}
	it := d.items[name][0]
	f, err := d.file(it.path)
	if err != nil {
		return nil, err
	}
	if it.length > f.Size() || it.offset > f.Size()-it.length {
		return nil, fmt.Errorf("%s: %d bytes at %d in a file of %d", it.path, it.length, it.offset, f.Size())
	}
	return pytorch.OpenArchive(f, it.offset, it.length, checkpoint.Options{})
}

// tensor puts a tensor together from its chunks, which must cover it and not overlap.
func (d *dcp) tensor(name string, meta *pickle.Dict) (*stored.Tensor, error) {
	size, _ := meta.Get("size")
	shape, err := rebuild.Shape(size)
	if err != nil {
		return nil, err
	}
	list, _ := meta.Get("chunks")
	chunks, ok := list.(*pickle.List)
	if !ok {
		return nil, errors.New("no chunks")
	}
	t := &stored.Tensor{Shape: shape}
	var blocks [][2][]int64
	covered := int64(0)
	for _, v := range chunks.Items {
		m := statedict.Mapping(v)
		if m == nil {
			return nil, errors.New("a chunk that is not described as expected")
		}
		o, _ := m.Get("offsets")
		s, _ := m.Get("sizes")
		at, err1 := rebuild.Shape(o)
		extent, err2 := rebuild.Shape(s)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		if len(at) != len(shape) || len(extent) != len(shape) {
			return nil, fmt.Errorf("a chunk of shape %v at %v in a tensor of shape %v", extent, at, shape)
		}
		volume := int64(1)
		for i := range shape {
			if at[i] > shape[i] || extent[i] > shape[i]-at[i] {
				return nil, fmt.Errorf("a chunk of shape %v at %v reaches out of the shape %v", extent, at, shape)
			}
			volume *= extent[i] // at most the tensor's, which arrange checks; an overflow cannot equal it below
		}
		for _, b := range blocks {
			if overlap(b[0], b[1], at, extent) {
				return nil, fmt.Errorf("the chunks at %v and %v overlap", b[0], at)
			}
		}
		if len(blocks) > 1<<13 {
			return nil, errors.New("more than 8,192 chunks")
		}
		blocks = append(blocks, [2][]int64{at, extent})
		covered += volume
		p, err := d.chunk(name, at, extent, t)
		if err != nil {
			return nil, err
		}
		t.Parts = append(t.Parts, p)
	}
	total := int64(1)
	for _, s := range shape {
		total *= s
	}
	if covered != total {
		return nil, fmt.Errorf("its chunks hold %d of %d elements", covered, total)
	}
	if len(t.Parts) == 1 {
		t.Parts[0].At = nil
	}
	return t, nil
}

func overlap(a, sizeA, b, sizeB []int64) bool {
	for i := range a {
		if a[i]+sizeA[i] <= b[i] || b[i]+sizeB[i] <= a[i] {
			return false
		}
	}
	return true
}

// chunk opens the archive of a chunk, which holds one tensor.
func (d *dcp) chunk(name string, at, extent []int64, whole *stored.Tensor) (stored.Part, error) {
	i := slices.IndexFunc(d.items[name], func(it item) bool { return slices.Equal(it.at, at) || it.at == nil })
	if i < 0 {
		return stored.Part{}, fmt.Errorf("nothing says where its chunk at %v is stored", at)
	}
	it := d.items[name][i]
	f, err := d.file(it.path)
	if err != nil {
		return stored.Part{}, err
	}
	if it.length > f.Size() || it.offset > f.Size()-it.length {
		return stored.Part{}, fmt.Errorf("%s: %d bytes at %d in a file of %d", it.path, it.length, it.offset, f.Size())
	}
	root, err := pytorch.OpenArchive(f, it.offset, it.length, checkpoint.Options{})
	if err != nil {
		return stored.Part{}, fmt.Errorf("%s, byte %d: %w", it.path, it.offset, err)
	}
	t, ok := root.(*stored.Tensor)
	switch {
	case !ok:
		return stored.Part{}, fmt.Errorf("%s, byte %d: not a tensor", it.path, it.offset)
	case t.Fault != "":
		return stored.Part{}, errors.New(t.Fault)
	case !slices.Equal(t.Shape, extent):
		return stored.Part{}, fmt.Errorf("%s, byte %d: a chunk of shape %v, expected %v", it.path, it.offset, t.Shape, extent)
	case whole.DType != "" && whole.DType != t.DType:
		return stored.Part{}, fmt.Errorf("its chunks are of %s and %s", whole.DType, t.DType)
	}
	whole.DType = t.DType
	p := t.Parts[0]
	p.At = at
	return p, nil
}
