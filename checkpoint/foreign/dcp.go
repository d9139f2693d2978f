package foreign

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// openDCP reads a folder of torch.distributed.checkpoint: .metadata is one pickle of dataclasses, which say of
// each tensor its chunks, and of each chunk at which bytes of which .distcp file a torch.save archive of it lies
// (torch/distributed/checkpoint/metadata.py and filesystem.py).
func (c *Checkpoint) openDCP(dir string, o Options) error {
	c.Format = "torch.distributed.checkpoint"
	f, err := openFile(filepath.Join(dir, dcpMetadata))
	if err != nil {
		return input.Cause(err)
	}
	c.files = append(c.files, f)
	root, err := pickle.NewReader(io.NewSectionReader(f, 0, f.size), f.size, o.MaxPickle).Next(pickle.Options{Call: rebuild})
	if err != nil {
		return fmt.Errorf("%s: %w", dcpMetadata, raised(err))
	}
	m := mapping(root)
	if m == nil {
		return fmt.Errorf("%s: not the metadata of a distributed checkpoint", dcpMetadata)
	}
	tensors, _ := m.Get("state_dict_metadata")
	storage, _ := m.Get("storage_data")
	plan, _ := m.Get("planner_data")
	d := &dcp{c: c, dir: dir, files: map[string]*file{}, items: map[string][]item{}}
	if err := d.index(mapping(storage)); err != nil {
		return fmt.Errorf("%s: %w", dcpMetadata, err)
	}
	// The state dict was flattened; put it back, as far as names tell, to find the model in it.
	list := mapping(tensors)
	if list == nil {
		return fmt.Errorf("%s: no state_dict_metadata in it", dcpMetadata)
	}
	whole := &pickle.Dict{}
	paths := mapping(plan)
	for i, k := range list.Keys {
		name, ok := k.(string)
		if !ok {
			continue
		}
		meta := mapping(list.Values[i])
		if meta == nil {
			put(whole, flattened(paths, name), &lazy{func() (any, error) { return d.object(name) }})
			continue
		}
		if _, isTensor := meta.Get("chunks"); isTensor {
			put(whole, flattened(paths, name), d.entry(name, meta))
		} else {
			put(whole, flattened(paths, name), &lazy{func() (any, error) { return d.object(name) }})
		}
	}
	out, err := c.find(whole, o)
	if err != nil {
		return err
	}
	return c.arrange(out, o)
}

// flattened is where a flattened name stood: the planner keeps it as a tuple of keys.
func flattened(plan *pickle.Dict, name string) []string {
	if plan != nil {
		v, _ := plan.Get(name)
		if t, ok := v.(pickle.Tuple); ok {
			var out []string
			for _, k := range t {
				s, ok := keyName(k)
				if !ok {
					return []string{name}
				}
				out = append(out, s)
			}
			if len(out) > 0 && len(out) <= maxDepth {
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
	c     *Checkpoint
	dir   string
	files map[string]*file
	items map[string][]item
}

// index reads storage_data: MetadataIndex(fqn, offset) → _StorageInfo(relative_path, offset, length).
func (d *dcp) index(storage *pickle.Dict) error {
	if storage == nil {
		return errors.New("no storage_data in it")
	}
	for i, k := range storage.Keys {
		key, info := mapping(k), mapping(storage.Values[i])
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
			if it.at, err = sizes(at); err != nil {
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

func (d *dcp) open(path string) (*file, error) {
	if f := d.files[path]; f != nil {
		return f, nil
	}
	f, err := openFile(filepath.Join(d.dir, path))
	if err != nil {
		return nil, err
	}
	d.files[path] = f
	d.c.files = append(d.c.files, f)
	return f, nil
}

// entry is a tensor whose chunks are opened when it is wanted.
func (d *dcp) entry(name string, meta *pickle.Dict) *tensor {
	size, _ := meta.Get("size")
	shape, err := sizes(size)
	if err != nil {
		return &tensor{fault: err.Error()}
	}
	return &tensor{shape: shape, load: func() (*tensor, error) { return d.tensor(name, meta) }}
}

// object reads what is no tensor, such as an epoch.
func (d *dcp) object(name string) (any, error) {
	if len(d.items[name]) != 1 {
		return nil, fmt.Errorf("nothing says where %s is stored", name)
	}
	it := d.items[name][0]
	f, err := d.open(it.path)
	if err != nil {
		return nil, err
	}
	if it.length > f.size || it.offset > f.size-it.length {
		return nil, fmt.Errorf("%s: %d bytes at %d in a file of %d", it.path, it.length, it.offset, f.size)
	}
	return (&zipFile{file: f, start: it.offset, size: it.length}).open(Options{})
}

// tensor puts a tensor together from its chunks, which must cover it and not overlap.
func (d *dcp) tensor(name string, meta *pickle.Dict) (*tensor, error) {
	size, _ := meta.Get("size")
	shape, err := sizes(size)
	if err != nil {
		return nil, err
	}
	list, _ := meta.Get("chunks")
	chunks, ok := list.(*pickle.List)
	if !ok {
		return nil, errors.New("no chunks")
	}
	t := &tensor{shape: shape}
	var blocks [][2][]int64
	covered := int64(0)
	for _, v := range chunks.Items {
		m := mapping(v)
		if m == nil {
			return nil, errors.New("a chunk that is not described as expected")
		}
		o, _ := m.Get("offsets")
		s, _ := m.Get("sizes")
		at, err1 := sizes(o)
		extent, err2 := sizes(s)
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
		t.parts = append(t.parts, p)
	}
	total := int64(1)
	for _, s := range shape {
		total *= s
	}
	if covered != total {
		return nil, fmt.Errorf("its chunks hold %d of %d elements", covered, total)
	}
	if len(t.parts) == 1 {
		t.parts[0].at = nil
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
func (d *dcp) chunk(name string, at, extent []int64, whole *tensor) (part, error) {
	i := slices.IndexFunc(d.items[name], func(it item) bool { return slices.Equal(it.at, at) || it.at == nil })
	if i < 0 {
		return part{}, fmt.Errorf("nothing says where its chunk at %v is stored", at)
	}
	it := d.items[name][i]
	f, err := d.open(it.path)
	if err != nil {
		return part{}, err
	}
	if it.length > f.size || it.offset > f.size-it.length {
		return part{}, fmt.Errorf("%s: %d bytes at %d in a file of %d", it.path, it.length, it.offset, f.size)
	}
	z := &zipFile{file: f, start: it.offset, size: it.length}
	root, err := z.open(Options{})
	if err != nil {
		return part{}, fmt.Errorf("%s, byte %d: %w", it.path, it.offset, err)
	}
	t, ok := root.(*tensor)
	switch {
	case !ok:
		return part{}, fmt.Errorf("%s, byte %d: not a tensor", it.path, it.offset)
	case t.fault != "":
		return part{}, errors.New(t.fault)
	case !slices.Equal(t.shape, extent):
		return part{}, fmt.Errorf("%s, byte %d: a chunk of shape %v, expected %v", it.path, it.offset, t.shape, extent)
	case whole.dtype != "" && whole.dtype != t.dtype:
		return part{}, fmt.Errorf("its chunks are of %s and %s", whole.dtype, t.dtype)
	}
	whole.dtype = t.dtype
	p := t.parts[0]
	p.at = at
	return p, nil
}
