package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

var llamaKind = spec.Kind[Family]{
	Name:     "llama",
	About:    "Llama (SmolLM, Mistral, with bias=qkv Qwen2), a causal language model, with the tensors of transformers' LlamaForCausalLM",
	Source:   "Touvron et al. 2023, arXiv 2302.13971; as in transformers",
	Examples: []string{"llama:layers=30,hidden=576,heads=9,kv-heads=3,intermediate=1536,vocab=49152,positions=8192,eps=1e-05,tied=true"},
	Options: slices.Concat(sizes(12, 768, 12, 32000, 2048, 3072), []spec.Option{
		{Name: "window", Default: "0", About: "tokens that attention sees (sliding_window), longer than which no example may be; 0: all"},
		{Name: "kv-heads", About: "heads of keys and values, each for several of the queries': as many as heads"},
		{Name: "head-width", About: "columns of a head: hidden/heads"},
		{Name: "activation", Default: "silu", About: "silu, gelu, gelu-tanh or relu"},
		{Name: "eps", Default: "1e-06", About: "of the norms"},
		{Name: "theta", Default: "10000", About: "base of the frequencies by which positions turn"},
		{Name: "scaling", Default: "none", About: "of these: none, linear/FACTOR or llama3/FACTOR/LOW/HIGH/CONTEXT"},
		{Name: "bias", Default: "none", About: "of the attention's layers: none, qkv (as Qwen2) or all"},
		{Name: "mlp-bias", Default: "false", About: "of the perceptron's"},
		{Name: "tied", Default: "false", About: "whether the head's weights are the embedding's"},
	}, dropoutOptions("0")),
	Parse: func(s *spec.Spec) Family {
		n := llama{transformer: transformer{Layers: 12, Hidden: 768, Heads: 12, Vocab: 32000, Positions: 2048, Intermediate: 3072}.read(s)}
		n.Window = s.Int("window", 0, 0)
		n.kvHeads = s.Int("kv-heads", n.Heads, 1)
		if !s.Has("head-width") {
			n.divides(s)
		}
		n.headWidth = s.Int("head-width", max(1, n.Hidden/n.Heads), 1)
		n.Activation = s.Choice("activation", "silu", "silu", "gelu", "gelu-tanh", "relu")
		n.Eps, n.theta = s.Float("eps", 1e-6, 0, 1), s.Float("theta", 10000, 1, 1e12)
		n.bias, n.mlpBias, n.tied = s.Choice("bias", "none", "none", "qkv", "all"), s.Bool("mlp-bias", false), s.Bool("tied", false)
		scaling := s.Text("scaling", "none")
		if n.Heads%n.kvHeads != 0 {
			s.Fail("heads=%d cannot share kv-heads=%d", n.Heads, n.kvHeads)
		}
		if n.headWidth > 1<<16 {
			s.Fail("head-width=%d: at most %d", n.headWidth, 1<<16)
		}
		if n.headWidth%2 != 0 {
			s.Fail("head-width=%d is odd: its columns turn in pairs", n.headWidth)
		}
		turned, err := rotary(scaling, int64(n.headWidth), n.theta)
		if err != nil {
			s.Fail("%v", err)
		}
		n.turned = turned
		window := ""
		if n.Window > 0 {
			window = fmt.Sprintf(",window=%d", n.Window)
		}
		text := fmt.Sprintf("llama:%s%s,kv-heads=%d,head-width=%d,activation=%s,eps=%v,theta=%v,scaling=%s,bias=%s,mlp-bias=%v,tied=%v,%s",
			n.text(), window, n.kvHeads, n.headWidth, n.Activation, n.Eps, n.theta, scaling, n.bias, n.mlpBias, n.tied, n.drops())
		return n.family(text, n, func(t *Tree) {
			t.ignored = ignoring(".rotary_emb.inv_freq")
			if n.tied {
				t.tied = map[string]string{"lm_head.weight": "model.embed_tokens.weight"}
			}
		})
	},
}

// rotary reads a scaling of frequencies.
func rotary(scaling string, width int64, theta float64) (torch.Rotary, error) {
	r := torch.Rotary{Width: width, Theta: theta}
	name, rest, _ := strings.Cut(scaling, "/")
	var numbers []float64
	for _, word := range strings.Split(rest, "/") {
		if v, err := strconv.ParseFloat(word, 64); err == nil && v > 0 && v < 1e12 {
			numbers = append(numbers, v)
		}
	}
	switch {
	case scaling == "none":
	case name == "linear" && len(numbers) == 1 && strings.Count(rest, "/") == 0:
		r.Linear = numbers[0]
	case name == "llama3" && len(numbers) == 4 && strings.Count(rest, "/") == 3 && numbers[2] > numbers[1]:
		r.Llama3 = &torch.Llama3{Factor: numbers[0], Low: numbers[1], High: numbers[2], Context: numbers[3]}
	default:
		return r, fmt.Errorf("scaling=%s: none, linear/FACTOR or llama3/FACTOR/LOW/HIGH/CONTEXT is wanted, as llama3/32/1/4/8192", scaling)
	}
	return r, nil
}

// llama is the network.
type llama struct {
	transformer
	kvHeads, headWidth int
	theta              float64
	turned             torch.Rotary
	bias               string
	mlpBias, tied      bool
}

// Bind implements Layer.
func (n llama) Bind(b *Binder) Forward { return whole(n, b) }

func (n llama) bind(b *Binder) (body, head Forward) {
	words := b.Parameter("model.embed_tokens.weight", n.initial(), shape(n.Vocab, n.Hidden)...)
	var blocks []Part
	for i := range n.Layers {
		blocks = append(blocks, b.Part(fmt.Sprintf("model.layers.%d", i), llamaBlock{n}))
	}
	norm := b.Part("model.norm", RMSNorm{n.Hidden, n.Eps})
	decoder := words
	if !n.tied {
		decoder = b.Parameter("lm_head.weight", n.initial(), shape(n.Vocab, n.Hidden)...)
	}
	body = func(p Pass, x ...*Tensor) *Tensor {
		x, again := shortened(p, x)
		length := n.prepare(p, x[0])
		mask := seen(p, x, true)
		h := p.dropout(p.Embedding(words, x[0]), n.Dropout)
		cos, sin := p.Angles(n.turned, h, length)
		for _, block := range blocks {
			h = p.instead(block.Forward(p, h, mask, cos, sin), h)
		}
		return again(p.instead(norm.Forward(p, h), h))
	}
	return body, func(p Pass, x ...*Tensor) *Tensor { return p.Linear(x[0], decoder, nil) }
}

// llamaBlock is a block; its inputs are the hidden values, the mask or nil, and the angles of the positions.
type llamaBlock struct{ llama }

// Bind implements Layer.
func (n llamaBlock) Bind(b *Binder) Forward {
	linear := func(in, out int, bias bool) Linear { return Linear{In: in, Out: out, NoBias: !bias, Init: n.initial()} }
	query := b.Part("self_attn.q_proj", linear(n.Hidden, n.Heads*n.headWidth, n.bias != "none"))
	key := b.Part("self_attn.k_proj", linear(n.Hidden, n.kvHeads*n.headWidth, n.bias != "none"))
	value := b.Part("self_attn.v_proj", linear(n.Hidden, n.kvHeads*n.headWidth, n.bias != "none"))
	out := b.Part("self_attn.o_proj", linear(n.Heads*n.headWidth, n.Hidden, n.bias == "all"))
	gate := b.Part("mlp.gate_proj", linear(n.Hidden, n.Intermediate, n.mlpBias))
	up := b.Part("mlp.up_proj", linear(n.Hidden, n.Intermediate, n.mlpBias))
	down := b.Part("mlp.down_proj", linear(n.Intermediate, n.Hidden, n.mlpBias))
	before := b.Part("input_layernorm", RMSNorm{n.Hidden, n.Eps})
	between := b.Part("post_attention_layernorm", RMSNorm{n.Hidden, n.Eps})
	share := n.Heads / n.kvHeads
	return func(p Pass, x ...*Tensor) *Tensor {
		in := before.Forward(p, x[0])
		q := split(p, query.Forward(p, in), n.Heads)
		k := split(p, key.Forward(p, in), n.kvHeads)
		v := split(p, value.Forward(p, in), n.kvHeads)
		p.Release(in)
		q, k = p.instead(p.Rotate(q, x[2], x[3]), q), p.instead(p.Rotate(k, x[2], x[3]), k)
		k, v = p.instead(p.RepeatHeads(k, int64(share)), k), p.instead(p.RepeatHeads(v, int64(share)), v)
		y := n.attend(p, q, k, v, x[1], true)
		h := p.plus(p.dropout(p.instead(out.Forward(p, y), y), n.Dropout), x[0])
		in = between.Forward(p, h)
		gated := chain(p, in, of(p, gate), activated(p, n.Activation))
		wide := up.Forward(p, in)
		p.Release(in)
		y = p.instead(p.Multiply(gated, wide), gated)
		p.Release(wide)
		y = p.dropout(p.instead(down.Forward(p, y), y), n.Dropout)
		return p.instead(p.plus(y, h), h)
	}
}

// RMSNorm is x/√(mean x² + eps)·weight over the last dimension, of Width values (Zhang, Sennrich 2019, arXiv 1910.07467).
type RMSNorm struct {
	Width int
	Eps   float64
}

// Bind implements Layer.
func (l RMSNorm) Bind(b *Binder) Forward {
	weight := b.Parameter("weight", Ones, int64(l.Width))
	return func(p Pass, x ...*Tensor) *Tensor { return p.RMSNorm(x[0], weight, l.Eps) }
}
