package model

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// transformer is what all of them say of themselves.
type transformer struct {
	Layers, Hidden, Heads, Vocab, Positions, Intermediate int
	Window                                                int // tokens that attention sees; 0: all. Examples that are longer are refused
	Activation                                            string
	Eps                                                   float64
	Dropout, AttentionDropout                             float64 // shares, in training
	Std                                                   float64 // of new weights
}

// activations are those of transformers, by our names, and libtorch's.
var activations = map[string]string{"gelu": "gelu", "gelu-tanh": "gelu-tanh", "silu": "silu", "relu": "relu"}

// sizes are the options that all transformers have.
func sizes(layers, hidden, heads, vocab, positions, intermediate int) []spec.Option {
	n := func(v int) string { return fmt.Sprint(v) }
	return []spec.Option{
		{Name: "layers", Default: n(layers), About: "blocks"},
		{Name: "hidden", Default: n(hidden), About: "width"},
		{Name: "heads", Default: n(heads), About: "of the attention"},
		{Name: "vocab", Default: n(vocab), About: "tokens that there are"},
		{Name: "positions", Default: n(positions), About: "tokens that an example may have"},
		{Name: "intermediate", Default: n(intermediate), About: "width between the two layers of a block's perceptron; 4·hidden where hidden is said"},
	}
}

func dropoutOptions(d string) []spec.Option {
	return []spec.Option{
		{Name: "dropout", Default: d, About: "of hidden values, in training"},
		{Name: "attention-dropout", Default: d, About: "of attention, in training"},
		{Name: "init", Default: "0.02", About: "standard deviation of new weights (initializer_range); of narrow networks more is usual, some 0.55/√hidden"},
	}
}

// read takes the options that all have; t holds their defaults.
func (t transformer) read(s *spec.Spec) transformer {
	hidden := t.Hidden
	t.Layers, t.Hidden, t.Heads = s.Int("layers", t.Layers, 1), s.Int("hidden", t.Hidden, 1), s.Int("heads", t.Heads, 1)
	t.Vocab, t.Positions = s.Int("vocab", t.Vocab, 1), s.Int("positions", t.Positions, 1)
	if t.Hidden != hidden {
		t.Intermediate = 4 * t.Hidden
	}
	t.Intermediate = s.Int("intermediate", t.Intermediate, 1)
	for _, n := range []struct {
		name       string
		have, most int
	}{{"layers", t.Layers, 1 << 10}, {"hidden", t.Hidden, 1 << 20}, {"heads", t.Heads, 1 << 20}, {"vocab", t.Vocab, 1 << 24}, {"positions", t.Positions, 1 << 24}, {"intermediate", t.Intermediate, 1 << 22}} {
		if n.have > n.most { // a config.json may say anything
			s.Fail("%s=%d: at most %d", n.name, n.have, n.most)
			return transformer{Layers: 1, Hidden: 1, Heads: 1, Vocab: 1, Positions: 1, Intermediate: 1}
		}
	}
	t.Dropout, t.AttentionDropout = s.Float("dropout", t.Dropout, 0, 1), s.Float("attention-dropout", t.AttentionDropout, 0, 1)
	t.Std = s.Float("init", 0.02, 0, 1)
	return t
}

// text is the part of the canonical text that all have.
func (t transformer) text() string {
	return fmt.Sprintf("layers=%d,hidden=%d,heads=%d,vocab=%d,positions=%d,intermediate=%d", t.Layers, t.Hidden, t.Heads, t.Vocab, t.Positions, t.Intermediate)
}

func (t transformer) drops() string {
	return fmt.Sprintf("dropout=%v,attention-dropout=%v,init=%v", t.Dropout, t.AttentionDropout, t.Std)
}

// divides says what is wrong with the heads.
func (t transformer) divides(s *spec.Spec) {
	if t.Hidden%t.Heads != 0 {
		s.Fail("hidden=%d cannot be divided among heads=%d", t.Hidden, t.Heads)
	}
}

// tokens are the inputs of a language network for the given data: their tokens, and a mask where they have one.
func tokens(data []dataset.Field) []dataset.Field {
	name := dataset.Inputs
	if _, ok := dataset.Find(data, name); !ok {
		if _, ok := dataset.Find(data, "input_ids"); ok {
			name = "input_ids"
		}
	}
	in := []dataset.Field{{Name: name, DType: checkpoint.I64, Shape: []int64{-1}}}
	if _, ok := dataset.Find(data, dataset.AttentionMask); ok {
		in = append(in, dataset.Field{Name: dataset.AttentionMask, DType: checkpoint.I64, Shape: []int64{-1}})
	}
	return in
}

// family makes a language network of its text and its outermost layer.
func (t transformer) family(text string, root headed, finish func(*Tree)) Family {
	return func(data []dataset.Field) (Network, error) {
		if f, ok := dataset.Find(data, tokens(data)[0].Name); ok && len(f.Shape) == 1 {
			if err := t.fits(f.Shape[0]); err != nil {
				return nil, fmt.Errorf("network %s: %w", text, err)
			}
		}
		if f, ok := dataset.Find(data, tokens(data)[0].Name); ok && f.Classes > t.Vocab {
			return nil, fmt.Errorf("network %s: a vocabulary of %d, and the data's tokens are of %d", text, t.Vocab, f.Classes)
		}
		tree := NewTree(text, root, tokens(data)...)
		tree.context, tree.vocabulary = t.longest(), t.Vocab
		finish(tree)
		return tree, nil
	}
}

// longest is how many tokens an example may have.
func (t transformer) longest() int {
	if t.Window > 0 {
		return min(t.Positions, t.Window)
	}
	return t.Positions
}

// fits is an error where examples have more tokens than they may.
func (t transformer) fits(n int64) error {
	switch {
	case n <= int64(t.longest()):
		return nil
	case n <= int64(t.Positions):
		return fmt.Errorf("examples of %d tokens, and attention in a window of %d, which is computed here only where all of an example is in it", n, t.Window)
	}
	return fmt.Errorf("examples of %d tokens, and positions for %d", n, t.Positions)
}

// prepare looks at a batch's tokens, and gives how many an example has.
func (t transformer) prepare(p Pass, ids *Tensor) int64 {
	p.Within(ids, int64(t.Vocab))
	if p.Err() != nil {
		return 0
	}
	shape, err := ids.Shape()
	if err == nil && len(shape) != 2 {
		err = fmt.Errorf("tokens of shape %v; examples × tokens are expected", shape)
	}
	if err == nil {
		err = t.fits(shape[1])
	}
	if p.Fail(err); err != nil {
		return 0
	}
	return shape[1]
}

// shortened leaves the places out that are padding in every example of a batch, and gives what puts zeros there again.
func shortened(p Pass, x []*Tensor) (short []*Tensor, whole func(*Tensor) *Tensor) {
	as := func(y *Tensor) *Tensor { return y }
	if len(x) < 2 || p.Err() != nil {
		return x, as
	}
	shape, err := x[1].Shape()
	if err == nil && len(shape) != 2 {
		err = fmt.Errorf("a mask of shape %v; examples × tokens are expected", shape)
	}
	if p.Fail(err); err != nil {
		return x, as
	}
	n := p.Longest(x[1])
	if p.Err() != nil || n == shape[1] {
		return x, as
	}
	return []*Tensor{p.Columns(x[0], 0, n), p.Columns(x[1], 0, n)}, func(y *Tensor) *Tensor { return p.instead(p.PadPlaces(y, shape[1]), y) }
}

// seen is the mask of attention, where a batch says what is padding.
func seen(p Pass, x []*Tensor, causal bool) *Tensor {
	if len(x) < 2 {
		return nil
	}
	return p.AttentionMask(x[1], causal)
}

// attend is the attention of queries, keys and values of N × heads × T × width, which nobody needs any more: N × T × heads·width.
func (t transformer) attend(p Pass, q, k, v, mask *Tensor, causal bool) *Tensor {
	share := t.AttentionDropout
	if p.Mode.kind != training {
		share = 0
	}
	y := p.Attention(q, k, v, mask, causal, share)
	for _, x := range []*Tensor{q, k, v} {
		p.Release(x)
	}
	return p.instead(p.JoinHeads(y), y)
}

// split is x, which nobody needs any more, by heads.
func split(p Pass, x *Tensor, heads int) *Tensor {
	return p.instead(p.SplitHeads(x, int64(heads)), x)
}

// chain computes some parts one behind the other.
func chain(p Pass, x *Tensor, parts ...func(*Tensor) *Tensor) *Tensor {
	for i, f := range parts {
		y := f(x)
		if i > 0 {
			p.Release(x)
		}
		x = y
	}
	return x
}

// of calls a part.
func of(p Pass, part Part) func(*Tensor) *Tensor {
	return func(x *Tensor) *Tensor { return part.Forward(p, x) }
}

// activated is the function of a name.
func activated(p Pass, name string) func(*Tensor) *Tensor {
	return func(x *Tensor) *Tensor { return p.Activate(x, activations[name]) }
}

// initial is what new weights are drawn from.
func (t transformer) initial() Init { return normalOf(t.Std) }

// initialBut is initial, with one row of zeros: padding's.
func (t transformer) initialBut(row int) Init {
	return func(shape []int64, rng *rand.Rand, values []float32) {
		t.initial()(shape, rng, values)
		if width := int(shape[1]); row >= 0 && row < int(shape[0]) {
			fill(values[row*width:(row+1)*width], 0)
		}
	}
}

// ignoring says of names that end so that they are no weights.
func ignoring(endings ...string) func(string) bool {
	return func(name string) bool {
		for _, e := range endings {
			if strings.HasSuffix(name, e) {
				return true
			}
		}
		return false
	}
}
