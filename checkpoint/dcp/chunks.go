package dcp

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/pytorch"
	"github.com/lawa-replay/lawa-replay/checkpoint/rebuild"
	"github.com/lawa-replay/lawa-replay/checkpoint/statedict"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
)

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
	return d.archive(d.items[name][0])
}

// archive reads what an archive holds.
func (d *dcp) archive(it item) (any, error) {
	f, err := d.file(it.path)
	if err != nil {
		return nil, err
	}
	if it.length > f.Size() || it.offset > f.Size()-it.length {
		return nil, fmt.Errorf("%s: %d bytes at %d in a file of %d", it.path, it.length, it.offset, f.Size())
	}
	root, err := pytorch.OpenArchive(f, it.offset, it.length, checkpoint.Options{})
	if err != nil {
		return nil, fmt.Errorf("%s, byte %d: %w", it.path, it.offset, err)
	}
	return root, nil
}

// tensor puts a tensor together from its chunks, which must cover it and not overlap.
func (d *dcp) tensor(name string, meta *pickle.Dict) (*stored.Tensor, error) {
	size, _ := meta.Get("size")
	shape, err := rebuild.Shape(size)
	if err != nil {
		return nil, err
	}
	blocks, err := blocksOf(meta, shape)
	if err != nil {
		return nil, err
	}
	t := &stored.Tensor{Shape: shape}
	covered, total := int64(0), elements(shape)
	for _, b := range blocks {
		covered += elements(b.extent) // each at most the tensor's, which Arrange checks; an overflow cannot equal it below
		p, err := d.chunk(name, b, t)
		if err != nil {
			return nil, err
		}
		t.Parts = append(t.Parts, p)
	}
	if covered != total {
		return nil, fmt.Errorf("its chunks hold %d of %d elements", covered, total)
	}
	if len(t.Parts) == 1 {
		t.Parts[0].At = nil
	}
	return t, nil
}

// maxChunks is how many chunks a tensor may have: each is compared with each.
const maxChunks = 1 << 13

// block is a chunk's place: its first index in the tensor, and its shape.
type block struct{ at, extent []int64 }

// blocksOf lists the chunks of a tensor.
func blocksOf(meta *pickle.Dict, shape []int64) ([]block, error) {
	list, _ := meta.Get("chunks")
	chunks, ok := list.(*pickle.List)
	if !ok {
		return nil, errors.New("no chunks")
	}
	if len(chunks.Items) > maxChunks {
		return nil, fmt.Errorf("%d chunks, at most %d are read", len(chunks.Items), maxChunks)
	}
	var blocks []block
	for _, v := range chunks.Items {
		b, err := blockOf(v, shape)
		if err != nil {
			return nil, err
		}
		for _, other := range blocks {
			if b.overlaps(other) {
				return nil, fmt.Errorf("the chunks at %v and %v overlap", other.at, b.at)
			}
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

func blockOf(v any, shape []int64) (block, error) {
	m := statedict.Mapping(v)
	if m == nil {
		return block{}, errors.New("a chunk that is not described as expected")
	}
	offsets, _ := m.Get("offsets")
	sizes, _ := m.Get("sizes")
	at, err1 := rebuild.Shape(offsets)
	extent, err2 := rebuild.Shape(sizes)
	if err := errors.Join(err1, err2); err != nil {
		return block{}, err
	}
	if len(at) != len(shape) || len(extent) != len(shape) {
		return block{}, fmt.Errorf("a chunk of shape %v at %v in a tensor of shape %v", extent, at, shape)
	}
	for i := range shape {
		if at[i] > shape[i] || extent[i] > shape[i]-at[i] {
			return block{}, fmt.Errorf("a chunk of shape %v at %v reaches out of the shape %v", extent, at, shape)
		}
	}
	return block{at, extent}, nil
}

func elements(shape []int64) int64 { return checkpoint.Tensor{Shape: shape}.Elements() }

func (b block) overlaps(c block) bool {
	for i := range b.at {
		if b.at[i]+b.extent[i] <= c.at[i] || c.at[i]+c.extent[i] <= b.at[i] {
			return false
		}
	}
	return true
}

// chunk opens the archive of a chunk, which holds one tensor.
func (d *dcp) chunk(name string, b block, whole *stored.Tensor) (stored.Part, error) {
	i := slices.IndexFunc(d.items[name], func(it item) bool { return slices.Equal(it.at, b.at) || it.at == nil })
	if i < 0 {
		return stored.Part{}, fmt.Errorf("nothing says where its chunk at %v is stored", b.at)
	}
	it := d.items[name][i]
	root, err := d.archive(it)
	if err != nil {
		return stored.Part{}, err
	}
	t, ok := root.(*stored.Tensor)
	switch {
	case !ok:
		return stored.Part{}, fmt.Errorf("%s, byte %d: not a tensor", it.path, it.offset)
	case t.Fault != "":
		return stored.Part{}, errors.New(t.Fault)
	case !slices.Equal(t.Shape, b.extent):
		return stored.Part{}, fmt.Errorf("%s, byte %d: a chunk of shape %v, expected %v", it.path, it.offset, t.Shape, b.extent)
	case whole.DType != "" && whole.DType != t.DType:
		return stored.Part{}, fmt.Errorf("its chunks are of %s and %s", whole.DType, t.DType)
	}
	whole.DType = t.DType
	p := t.Parts[0]
	p.At = b.at
	return p, nil
}
