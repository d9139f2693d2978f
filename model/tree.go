package model

import (
	"fmt"
	"strings"

	"github.com/lawa-replay/lawa-replay/dataset"
)

// Tree is a network that is a tree of layers.
type Tree struct {
	spec   string
	root   Layer
	inputs []dataset.Field
	layout *Layout
	// aliases are parts of names, and what others call them
	aliases [][2]string
	// tied are names that others may have beside an entry's, for the same values
	tied map[string]string
	// ignored says of names that checkpoints may have that they hold no weights of this network
	ignored func(name string) bool
	// context and masked are those of a network of tokens
	context, vocabulary int
	masked              bool
	// classifier is the layer whose outputs are the classes; "" where there is none
	classifier string
}

// NewTree makes a network of its outermost layer, which gets the inputs. It panics if two tensors have one name.
func NewTree(spec string, root Layer, inputs ...dataset.Field) *Tree {
	b := &binding{}
	(&Binder{tree: b}).Part("", root)
	seen := map[string]bool{}
	for _, e := range b.entries {
		if seen[e.Name] {
			panic(fmt.Sprintf("network %s: two tensors are called %s", spec, e.Name))
		}
		seen[e.Name] = true
	}
	return &Tree{spec: spec, root: root, inputs: inputs, layout: NewLayout(b.entries)}
}

// Spec implements Network.
func (t *Tree) Spec() string { return t.spec }

// Layout implements Network.
func (t *Tree) Layout() *Layout { return t.layout }

// Inputs implements Network.
func (t *Tree) Inputs() []dataset.Field { return t.inputs }

// Alias implements Network.
func (t *Tree) Alias(name string) []string {
	var out []string
	for _, a := range t.aliases {
		if strings.Contains(name, a[0]) {
			out = append(out, strings.ReplaceAll(name, a[0], a[1]))
		}
	}
	for other, entry := range t.tied {
		if entry == name {
			out = append(out, other)
		}
	}
	return out
}

// Tied gives the entry that a name of checkpoints stands for beside the entry's own. Where both are there they hold the same
// values.
func (t *Tree) Tied(name string) (entry string, ok bool) {
	entry, ok = t.tied[name]
	return entry, ok
}

// Ignores says whether checkpoints may have a tensor of a name that is no weight of the network, such as a mask.
func (t *Tree) Ignores(name string) bool { return t.ignored != nil && t.ignored(name) }

// Classifier names the weight of the layer whose outputs are the classes; "" where none is known.
func (t *Tree) Classifier() string {
	if t.classifier == "" {
		return ""
	}
	return t.classifier + ".weight"
}

// On implements Network.
func (t *Tree) On(d Device, o Options) (Instance, error) {
	if err := o.Precision.Check(d); err != nil {
		return nil, err
	}
	w, err := newWeights(t.layout, d, o.Trainable)
	if err != nil {
		return nil, err
	}
	var in Instance
	if root, ok := t.root.(headed); ok {
		in = t.apart(root, w, d, o)
	} else {
		root := (&Binder{tree: &binding{weights: w}}).Part("", t.root)
		in = &treeInstance{w, root, d, o.Precision, o.Format.For(d, o.Precision)}
	}
	if err := w.views.Err(); err != nil {
		w.free()
		return nil, err
	}
	return in, nil
}

// treeInstance is a tree with weights.
type treeInstance struct {
	weights   *Weights
	root      Part
	device    Device
	precision Precision
	format    MemoryFormat
}

func (t *treeInstance) Weights() *Weights { return t.weights }

func (t *treeInstance) Free() { t.weights.free() }

func (t *treeInstance) Forward(s *Scope, in []*Tensor, m Mode) *Tensor {
	return s.In(t.precision, t.device, func() *Tensor {
		x := make([]*Tensor, len(in))
		for i := range in {
			x[i] = s.Format(in[i], t.format)
		}
		return t.root.Last(Pass{s, m, m.kind != observing}, x...)
	})
}
