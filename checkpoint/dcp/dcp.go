// Package dcp reads the folders of torch.distributed.checkpoint.
package dcp

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

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
