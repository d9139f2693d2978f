package model

import "github.com/lawa-replay/lawa-replay/internal/torch"

// Headed is an instance whose last layer, a large one such as a vocabulary's, can be had apart from the others: what it makes of all
// tokens of a batch may be larger than all else, and few of them may be asked for. Forward is Head of Body.
type Headed interface {
	Instance
	// Body computes what comes before the head: N × T × width, float32.
	Body(s *Scope, in []*Tensor, m Mode) *Tensor
	// Head makes of some rows of the body's output, R × width, R × classes, float32.
	Head(s *Scope, rows *Tensor, m Mode) *Tensor
}

// headed is a layer that knows its head apart. Its bind is called as Bind is.
type headed interface {
	Layer
	bind(b *Binder) (body, head Forward)
}

// whole is the Bind of a headed layer.
func whole(l headed, b *Binder) Forward {
	body, head := l.bind(b)
	return func(p Pass, x ...*Tensor) *Tensor { return head(p, body(p, x...)) }
}

// headedInstance is a tree with weights whose outermost layer is headed.
type headedInstance struct {
	treeInstance
	body, head Forward
}

func (t *headedInstance) Forward(s *Scope, in []*Tensor, m Mode) *Tensor {
	if m.kind == observing {
		return nil // there are no statistics
	}
	return t.Head(s, t.Body(s, in, m), m)
}

func (t *headedInstance) Body(s *Scope, in []*Tensor, m Mode) *Tensor {
	return s.In(t.precision, t.device, func() *Tensor { return t.body(Pass{s, m, true}, in...) })
}

func (t *headedInstance) Head(s *Scope, rows *Tensor, m Mode) *Tensor {
	return s.In(t.precision, t.device, func() *Tensor { return t.head(Pass{s, m, true}, rows) })
}

var _ Headed = (*headedInstance)(nil)

// apart makes an instance of a tree whose outermost layer is headed.
func (t *Tree) apart(root headed, w *Weights, d Device, o Options) *headedInstance {
	body, head := root.bind(&Binder{tree: &binding{weights: w}})
	return &headedInstance{treeInstance{w, Part{}, d, o.Precision, torch.UsualFormat}, body, head}
}
