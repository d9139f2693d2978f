// Package device brings examples to where they are computed with.
//
// It believes that nobody who computes should ask how a split is stored: a split that fits into a device's memory lies
// there whole, bytes as bytes, and any other is read batch by batch while the device is at work. Either way a batch has
// the same bits: images normalised, floating values as float32, all others as they are.
package device

import (
	"fmt"
	"math/rand/v2"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// Batch is some examples on a device, field by field, the first dimension of each counting them. A Scope owns it.
type Batch struct {
	N       int
	Fields  []dataset.Field
	Tensors []*torch.Tensor // of each field
}

// Tensor is that of a field; nil where the batch has no such field.
func (b *Batch) Tensor(name string) *torch.Tensor {
	for i, f := range b.Fields {
		if f.Name == name {
			return b.Tensors[i]
		}
	}
	return nil
}

// Inputs are the tensors of the named fields, as a network takes them.
func (b *Batch) Inputs(names []string) []*torch.Tensor {
	out := make([]*torch.Tensor, len(names))
	for i, name := range names {
		out[i] = b.Tensor(name)
	}
	return out
}

// Shuffle draws an order of the batch's examples, int64 on the device d.
func (b *Batch) Shuffle(s *torch.Scope, d torch.Device, draw *rand.Rand) *torch.Tensor {
	order := make([]int64, b.N)
	for i, j := range draw.Perm(b.N) {
		order[i] = int64(j)
	}
	t, err := torch.From(d, order, int64(b.N))
	if s.Fail(err); err != nil {
		return nil
	}
	s.Own(t)
	return t
}

// In is the batch with its examples in another order.
func (b *Batch) In(s *torch.Scope, order *torch.Tensor) *Batch {
	out := &Batch{N: b.N, Fields: b.Fields}
	for _, t := range b.Tensors {
		out.Tensors = append(out.Tensors, s.Take(t, order))
	}
	return out
}

// Place puts the named fields of a batch from the host's memory on a device, in this order. What goes wrong the scope says.
func Place(s *torch.Scope, d torch.Device, b *dataset.Batch, names []string) *Batch {
	out := &Batch{N: b.N}
	for _, name := range names {
		var t *torch.Tensor
		a, err := array(b, name, b.N)
		if err == nil {
			t, err = empty(d, a.Field, b.N)
		}
		if err == nil {
			s.Own(t)
			err = write(t, 0, a, b.N)
		}
		s.Fail(err)
		out.Fields = append(out.Fields, a.Field)
		out.Tensors = append(out.Tensors, seen(s, t, a.Field, 0, b.N))
	}
	return out
}

// array finds a field of a batch that is to have n examples. Splits of others may give less than they say.
func array(b *dataset.Batch, name string, n int) (dataset.Array, error) {
	a := b.Array(name)
	switch {
	case a == nil:
		return dataset.Array{Field: dataset.Field{Name: name}}, fmt.Errorf("a batch without the field %s", name)
	case b.N != n || int64(len(a.Data)) != int64(n)*a.Bytes():
		return *a, fmt.Errorf("%s: %d bytes of %d examples; %d examples of %s%v are expected", name, len(a.Data), b.N, n, a.DType, a.Shape)
	}
	return *a, nil
}

// empty is room for n examples of a field.
func empty(d torch.Device, f dataset.Field, n int) (*torch.Tensor, error) {
	dtype := f.DType
	if dtype.Float() {
		dtype = checkpoint.F32
	}
	return torch.Zeros(d, string(dtype), append([]int64{int64(n)}, f.Shape...)...)
}

// write puts n examples into t, from the example at on.
func write(t *torch.Tensor, at int, a dataset.Array, n int) error {
	each := a.Elements()
	return torch.WriteBytes(t, int64(at)*each, string(a.DType), a.Data, int64(n)*each)
}

// seen is what a network sees of examples [from, to) of t.
func seen(s *torch.Scope, t *torch.Tensor, f dataset.Field, from, to int) *torch.Tensor {
	if f.Normalize != nil {
		return s.Normalize(t, int64(from), int64(to), f.Normalize.Mean, f.Normalize.Std)
	}
	return s.Narrow(t, int64(from), int64(to))
}
