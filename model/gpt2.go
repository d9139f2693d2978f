package model

import (
	"fmt"
	"math"
	"slices"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

var gpt2Kind = spec.Kind[Family]{
	Name:     "gpt2",
	About:    "GPT-2, a causal language model, with the tensors of transformers' GPT2LMHeadModel",
	Source:   "Radford et al. 2019, Language Models are Unsupervised Multitask Learners; as in transformers",
	Examples: []string{"gpt2", "gpt2:layers=4,hidden=128,heads=4,vocab=1000,positions=256"},
	Options: slices.Concat(sizes(12, 768, 12, 50257, 1024, 3072), []spec.Option{
		{Name: "activation", Default: "gelu-tanh", About: "gelu-tanh (transformers' gelu_new), gelu, silu or relu"},
		{Name: "eps", Default: "1e-05", About: "of the layer norms"},
		{Name: "tied", Default: "true", About: "whether the head's weights are the embedding's"},
	}, dropoutOptions("0.1")),
	Parse: func(s *spec.Spec) Family {
		n := gpt2{transformer: transformer{Layers: 12, Hidden: 768, Heads: 12, Vocab: 50257, Positions: 1024, Intermediate: 3072, Dropout: 0.1, AttentionDropout: 0.1}.read(s)}
		n.Activation = s.Choice("activation", "gelu-tanh", "gelu-tanh", "gelu", "silu", "relu")
		n.Eps, n.tied = s.Float("eps", 1e-5, 0, 1), s.Bool("tied", true)
		n.divides(s)
		text := fmt.Sprintf("gpt2:%s,activation=%s,eps=%v,tied=%v,%s", n.text(), n.Activation, n.Eps, n.tied, n.drops())
		return n.family(text, n, func(t *Tree) {
			t.ignored = ignoring(".attn.bias", ".attn.masked_bias")
			t.aliases = [][2]string{{"transformer.", ""}} // as the first files of GPT-2 have them, which transformers reads
			if n.tied {
				t.tied = map[string]string{"lm_head.weight": "transformer.wte.weight"}
			}
		})
	},
}

// gpt2 is the network.
type gpt2 struct {
	transformer
	tied bool
}

// Bind implements Layer.
func (n gpt2) Bind(b *Binder) Forward { return whole(n, b) }

func (n gpt2) bind(b *Binder) (body, head Forward) {
	words := b.Parameter("transformer.wte.weight", n.initial(), shape(n.Vocab, n.Hidden)...)
	places := b.Parameter("transformer.wpe.weight", n.initial(), shape(n.Positions, n.Hidden)...)
	var blocks []Part
	for i := range n.Layers {
		blocks = append(blocks, b.Part(fmt.Sprintf("transformer.h.%d", i), gpt2Block{n.transformer}))
	}
	norm := b.Part("transformer.ln_f", LayerNorm{n.Hidden, n.Eps})
	decoder := words
	if !n.tied {
		decoder = b.Parameter("lm_head.weight", n.initial(), shape(n.Vocab, n.Hidden)...)
	}
	body = func(p Pass, x ...*Tensor) *Tensor {
		x, again := shortened(p, x)
		length := n.prepare(p, x[0])
		mask := seen(p, x, true)
		h := p.dropout(p.plus(p.Embedding(words, x[0]), p.Narrow(places, 0, length)), n.Dropout)
		for _, block := range blocks {
			h = p.instead(block.Forward(p, h, mask), h)
		}
		return again(p.instead(norm.Forward(p, h), h))
	}
	return body, func(p Pass, x ...*Tensor) *Tensor { return p.Linear(x[0], decoder, nil) }
}

// gpt2Block is a block; its inputs are the hidden values and the mask, or nil.
type gpt2Block struct{ transformer }

// Bind implements Layer.
func (n gpt2Block) Bind(b *Binder) Forward {
	last := normalOf(n.Std / math.Sqrt(2*float64(n.Layers))) // of what is added to the hidden values
	linear := func(in, out int, init Init) Linear { return Linear{In: in, Out: out, Transposed: true, Init: init} }
	before := b.Part("ln_1", LayerNorm{n.Hidden, n.Eps})
	qkv := b.Part("attn.c_attn", linear(n.Hidden, 3*n.Hidden, n.initial()))
	out := b.Part("attn.c_proj", linear(n.Hidden, n.Hidden, last))
	between := b.Part("ln_2", LayerNorm{n.Hidden, n.Eps})
	up := b.Part("mlp.c_fc", linear(n.Hidden, n.Intermediate, n.initial()))
	down := b.Part("mlp.c_proj", linear(n.Intermediate, n.Hidden, last))
	return func(p Pass, x ...*Tensor) *Tensor {
		all := chain(p, x[0], of(p, before), of(p, qkv))
		third := func(i int) *Tensor {
			return split(p, p.Columns(all, int64(i*n.Hidden), int64((i+1)*n.Hidden)), n.Heads)
		}
		q, k, v := third(0), third(1), third(2)
		p.Release(all)
		y := n.attend(p, q, k, v, x[1], true)
		h := p.plus(p.dropout(p.instead(out.Forward(p, y), y), n.Dropout), x[0])
		y = p.dropout(chain(p, h, of(p, between), of(p, up), activated(p, n.Activation), of(p, down)), n.Dropout)
		return p.instead(p.plus(y, h), h)
	}
}
