package foreign

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"lawa-replay/internal/input"
	"lawa-replay/trajectory/pickle"
)

// openDCP reads a folder of torch.distributed.checkpoint: .metadata is one pickle of dataclasses, which say of
// each tensor its chunks, and of each chunk at which bytes of which .distcp file a torch.save archive of it lies
// (torch/distributed/checkpoint/metadata.py and filesystem.py).
func (c *Checkpoint) openDCP(o Options) error {
	c.Format = "torch.distributed.checkpoint"
	f, err := openFile(filepath.Join(c.Path, dcpMetadata))
	if err != nil {
		return bare(err)
	}
	c.files = append(c.files, f)
	root, err := pickle.NewReader(io.NewSectionReader(f, 0, f.size), f.size).Next(pickle.Options{Call: rebuild})
	if err != nil {
		return fmt.Errorf("%s: %w", dcpMetadata, err)
	}
	m := mapping(root)
	if m == nil {
		return fmt.Errorf("%s: not the metadata of a distributed checkpoint", dcpMetadata)
	}
	tensors, _ := m.Get("state_dict_metadata")
	storage, _ := m.Get("storage_data")
	plan, _ := m.Get("planner_data")
	d := &dcp{c: c, files: map[string]*file{}, items: map[string][]item{}}
	if err := d.index(mapping(storage)); err != nil {
		return fmt.Errorf("%s: %w", dcpMetadata, err)
	}
	// The state dict was flattened; put it back, as far as names tell, to find the model in it.
	tree := &node{}
	list := mapping(tensors)
	if list == nil {
		return fmt.Errorf("%s: no state_dict_metadata in it", dcpMetadata)
	}
	paths := mapping(plan)
	for i, k := range list.Keys {
		name, ok := k.(string)
		meta := mapping(list.Values[i])
		if !ok || meta == nil {
			continue
		}
		if _, isTensor := meta.Get("chunks"); !isTensor {
			continue
		}
		tree.add(path(paths, name), name, meta)
	}
	wanted, err := tree.choose(o.Key, c)
	if err != nil {
		return err
	}
	var out []named
	for _, w := range wanted {
		t, err := d.tensor(w.full, w.meta)
		if err != nil {
			return fmt.Errorf("tensor %s: %w", w.full, err)
		}
		out = append(out, named{w.name, t})
	}
	return c.arrange(out)
}

// path is where a flattened name stood: the planner keeps it as a tuple of keys.
func path(plan *pickle.Dict, name string) []string {
	if plan != nil {
		v, _ := plan.Get(name)
		if t, ok := v.(pickle.Tuple); ok {
			var out []string
			for _, k := range t {
				s, ok := k.(string)
				if !ok {
					return []string{name}
				}
				out = append(out, s)
			}
			if len(out) > 0 {
				return out
			}
		}
	}
	return []string{name}
}

// node is a dict of the state dict that was saved.
type node struct {
	tensors []leaf
	keys    []string
	below   map[string]*node
}

type leaf struct {
	name, full string
	meta       *pickle.Dict
}

func (n *node) add(path []string, full string, meta *pickle.Dict) {
	for len(path) > 1 {
		if n.below == nil {
			n.below = map[string]*node{}
		}
		next := n.below[path[0]]
		if next == nil {
			next = &node{}
			n.below[path[0]] = next
			n.keys = append(n.keys, path[0])
		}
		n, path = next, path[1:]
	}
	n.tensors = append(n.tensors, leaf{path[0], full, meta})
}

// choose finds the model's tensors: under key, or in the one dict that is not an optimizer's.
func (n *node) choose(key string, c *Checkpoint) ([]leaf, error) {
	at := n
	if key != "" {
		for _, k := range strings.Split(key, ".") {
			if at = at.below[k]; at == nil {
				return nil, fmt.Errorf("--key %s: no %q there", key, k)
			}
		}
		c.Key = key
		return at.tensors, nil
	}
	found := at.candidates("")
	switch len(found) {
	case 0:
		return nil, errors.New("no tensors in it but an optimizer's")
	case 1:
		c.Key = found[0].key
		return found[0].node.tensors, nil
	}
	var names []string
	for _, f := range found {
		names = append(names, fmt.Sprintf("%s (%d tensors)", f.key, len(f.node.tensors)))
	}
	return nil, fmt.Errorf("%d state dicts in it: %s; --key says which", len(found), strings.Join(names, ", "))
}

type place struct {
	key  string
	node *node
}

func (n *node) candidates(key string) []place {
	if len(n.tensors) > 0 {
		return []place{{key, n}}
	}
	var out []place
	for _, k := range n.keys {
		if beside(k) {
			continue
		}
		out = append(out, n.below[k].candidates(strings.TrimPrefix(key+"."+k, "."))...)
	}
	return out
}

// item is a chunk's archive.
type item struct {
	at             []int64 // its first index in the tensor; nil for a whole one
	path           string
	offset, length int64
}

type dcp struct {
	c     *Checkpoint
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
	f, err := openFile(filepath.Join(d.c.Path, path))
	if err != nil {
		return nil, err
	}
	d.files[path] = f
	d.c.files = append(d.c.files, f)
	return f, nil
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
