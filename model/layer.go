package model

import (
	"slices"

	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// Layer is a part of a network: a value that says which tensors it has and what it computes with them.
type Layer interface {
	// Bind takes the layer's tensors from b and returns the function that computes with them. It is called once to list
	// the tensors, which are nil then, and once for every instance; it asks for the same ones each time.
	Bind(b *Binder) Forward
}

// Forward computes a layer's output from its inputs. It must leave those as they are: others may need them.
type Forward func(p Pass, x ...*Tensor) *Tensor

// Pass is one way through a network: the scope that owns what is made, and what it is for.
type Pass struct {
	*torch.Scope
	Mode   Mode
	needed bool // somebody needs the output of the layer that gets this
}

// instead is y in place of x, which nobody needs any more.
func (p Pass) instead(y, x *Tensor) *Tensor {
	if y != x {
		p.Release(x)
	}
	return y
}

// dropout drops a share of what is trained with.
func (p Pass) dropout(x *Tensor, share float64) *Tensor {
	if share == 0 || p.Mode.kind != training {
		return x
	}
	return p.instead(p.Scope.Dropout(x, share), x)
}

// plus is x + y, of which nobody needs x any more.
func (p Pass) plus(x, y *Tensor) *Tensor { return p.instead(p.Add(x, y), x) }

// Binder hands out the tensors of a layer, by names below the layer's own.
type Binder struct {
	prefix string
	tree   *binding
}

// binding is what the binders of one tree share.
type binding struct {
	entries    []Entry
	at         int      // entries handed out
	weights    *Weights // nil while the entries are listed
	statistics int      // entries handed out that are statistics
}

// Parameter is a trained tensor.
func (b *Binder) Parameter(name string, init Init, shape ...int64) *Tensor {
	return b.tensor(Entry{Name: name, Shape: shape, Role: Parameter, init: init})
}

// Statistic is a tensor that is observed in training, not trained. What it begins with needs no chance.
func (b *Binder) Statistic(name string, init Init, shape ...int64) *Tensor {
	b.tree.statistics++
	return b.tensor(Entry{Name: name, Shape: shape, Role: Statistic, init: init})
}

// Counter is a whole number on the host, such as num_batches_tracked.
func (b *Binder) Counter(name string) *int64 {
	e := b.next(Entry{Name: name, Shape: []int64{}, Role: Counter})
	if b.tree.weights == nil {
		return nil
	}
	return &b.tree.weights.counters[e.Offset]
}

func (b *Binder) tensor(e Entry) *Tensor {
	e = b.next(e)
	if b.tree.weights == nil {
		return nil
	}
	return b.tree.weights.view(e)
}

// next lists an entry, or finds it among those that were listed.
func (b *Binder) next(e Entry) Entry {
	e.Name, e.Shape = b.prefix+e.Name, slices.Clone(e.Shape)
	t := b.tree
	if t.weights == nil {
		t.entries = append(t.entries, e)
		return e
	}
	t.at++
	return t.weights.Entries[t.at-1]
}

// Part binds a layer below this one, whose tensors' names begin with name and a dot; "" puts nothing before them.
func (b *Binder) Part(name string, l Layer) Part {
	below := *b
	if name != "" {
		below.prefix += name + "."
	}
	before := b.tree.statistics
	f := l.Bind(&below)
	return Part{f, b.tree.statistics > before}
}

// Part is a layer with its tensors.
type Part struct {
	forward  Forward
	observes bool // has statistics
}

// Forward computes the part's output.
func (c Part) Forward(p Pass, x ...*Tensor) *Tensor {
	p.needed = true
	return c.forward(p, x...)
}

// Last computes the part's output where somebody needs the output of the layer that p was given to, for which nothing
// but this output is wanted of the part. Where only statistics are wanted, it computes as much as those in the part
// need, and the output may be nil.
func (c Part) Last(p Pass, x ...*Tensor) *Tensor {
	if !p.needed && !c.observes {
		return nil
	}
	return c.forward(p, x...)
}
