package model

import (
	"fmt"
	"slices"

	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

var neoxKind = spec.Kind[Family]{
	Name:     "gpt-neox",
	About:    "GPT-NeoX (Pythia), a causal language model, with the tensors of transformers' GPTNeoXForCausalLM",
	Source:   "Black et al. 2022, arXiv 2204.06745; Biderman et al. 2023, arXiv 2304.01373; as in transformers",
	Examples: []string{"gpt-neox:layers=6,hidden=512,heads=8,vocab=50304"},
	Options: slices.Concat(sizes(12, 768, 12, 50304, 2048, 3072), []spec.Option{
		{Name: "activation", Default: "gelu", About: "gelu, gelu-tanh, silu or relu"},
		{Name: "eps", Default: "1e-05", About: "of the layer norms"},
		{Name: "rotary", Default: "0.25", About: "share of each head's columns that positions turn"},
		{Name: "theta", Default: "10000", About: "base of the frequencies by which they turn"},
		{Name: "parallel", Default: "true", About: "whether attention and perceptron have the same input"},
		{Name: "bias", Default: "true", About: "of the attention's layers"},
		{Name: "tied", Default: "false", About: "whether the head's weights are the embedding's"},
	}, dropoutOptions("0")),
	Parse: func(s *spec.Spec) Family {
		n := neox{transformer: transformer{Layers: 12, Hidden: 768, Heads: 12, Vocab: 50304, Positions: 2048, Intermediate: 3072}.read(s)}
		n.Activation = s.Choice("activation", "gelu", "gelu", "gelu-tanh", "silu", "relu")
		n.Eps, n.share, n.theta = s.Float("eps", 1e-5, 0, 1), s.Float("rotary", 0.25, 0, 1), s.Float("theta", 10000, 1, 1e12)
		n.parallel, n.bias, n.tied = s.Bool("parallel", true), s.Bool("bias", true), s.Bool("tied", false)
		n.divides(s)
		text := fmt.Sprintf("gpt-neox:%s,activation=%s,eps=%v,rotary=%v,theta=%v,parallel=%v,bias=%v,tied=%v,%s", n.text(), n.Activation, n.Eps, n.share, n.theta, n.parallel, n.bias, n.tied, n.drops())
		return n.family(text, n, func(t *Tree) {
			t.ignored = ignoring(".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq")
			if n.tied {
				t.tied = map[string]string{"embed_out.weight": "gpt_neox.embed_in.weight"}
			}
		})
	},
}

// neox is the network.
type neox struct {
	transformer
	share, theta         float64
	parallel, bias, tied bool
}

// Bind implements Layer.
func (n neox) Bind(b *Binder) Forward { return whole(n, b) }

func (n neox) bind(b *Binder) (body, head Forward) {
	words := b.Parameter("gpt_neox.embed_in.weight", n.initial(), shape(n.Vocab, n.Hidden)...)
	var blocks []Part
	for i := range n.Layers {
		blocks = append(blocks, b.Part(fmt.Sprintf("gpt_neox.layers.%d", i), neoxBlock{n}))
	}
	norm := b.Part("gpt_neox.final_layer_norm", LayerNorm{n.Hidden, n.Eps})
	decoder := words
	if !n.tied {
		decoder = b.Parameter("embed_out.weight", n.initial(), shape(n.Vocab, n.Hidden)...)
	}
	turned := torch.Rotary{Width: int64(float64(n.Hidden/n.Heads) * n.share), Theta: n.theta}
	body = func(p Pass, x ...*Tensor) *Tensor {
		x, again := shortened(p, x)
		length := n.prepare(p, x[0])
		mask := seen(p, x, true)
		h := p.dropout(p.Embedding(words, x[0]), n.Dropout)
		cos, sin := p.Angles(turned, h, length)
		for _, block := range blocks {
			h = p.instead(block.Forward(p, h, mask, cos, sin), h)
		}
		return again(p.instead(norm.Forward(p, h), h))
	}
	return body, func(p Pass, x ...*Tensor) *Tensor { return p.Linear(x[0], decoder, nil) }
}

// neoxBlock is a block; its inputs are the hidden values, the mask or nil, and the angles of the positions.
type neoxBlock struct{ neox }

// Bind implements Layer.
func (n neoxBlock) Bind(b *Binder) Forward {
	before := b.Part("input_layernorm", LayerNorm{n.Hidden, n.Eps})
	between := b.Part("post_attention_layernorm", LayerNorm{n.Hidden, n.Eps})
	linear := func(in, out int, bias bool) Linear { return Linear{In: in, Out: out, NoBias: !bias, Init: n.initial()} }
	qkv := b.Part("attention.query_key_value", linear(n.Hidden, 3*n.Hidden, n.bias))
	out := b.Part("attention.dense", linear(n.Hidden, n.Hidden, n.bias))
	up := b.Part("mlp.dense_h_to_4h", linear(n.Hidden, n.Intermediate, true))
	down := b.Part("mlp.dense_4h_to_h", linear(n.Intermediate, n.Hidden, true))
	return func(p Pass, x ...*Tensor) *Tensor {
		all := chain(p, x[0], of(p, before), of(p, qkv))
		q, k, v := p.ThirdsOfHeads(all, int64(n.Heads))
		p.Release(all)
		q, k = p.instead(p.Rotate(q, x[2], x[3]), q), p.instead(p.Rotate(k, x[2], x[3]), k)
		y := n.attend(p, q, k, v, x[1], true)
		h := p.plus(p.dropout(p.instead(out.Forward(p, y), y), n.Dropout), x[0])
		in := h
		if n.parallel {
			in = x[0]
		}
		y = p.dropout(chain(p, in, of(p, between), of(p, up), activated(p, n.Activation), of(p, down)), n.Dropout)
		return p.instead(p.plus(y, h), h)
	}
}
