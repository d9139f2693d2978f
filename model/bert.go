package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

var bertKind = bertFamily(bert{
	transformer: transformer{Layers: 12, Hidden: 768, Heads: 12, Vocab: 30522, Positions: 512, Intermediate: 3072, Eps: 1e-12, Dropout: 0.1, AttentionDropout: 0.1},
	name:        "bert", types: 2, head: "cls.predictions", dense: "transform.dense", norm: "transform.LayerNorm",
}, "BERT, a masked language model, with the tensors of transformers' BertForMaskedLM", "Devlin et al. 2018, arXiv 1810.04805; as in transformers",
	"bert", "bert:layers=4,hidden=128,heads=4,vocab=1000,positions=128")

var robertaKind = bertFamily(bert{
	transformer: transformer{Layers: 12, Hidden: 768, Heads: 12, Vocab: 50265, Positions: 514, Intermediate: 3072, Eps: 1e-5, Dropout: 0.1, AttentionDropout: 0.1},
	name:        "roberta", types: 1, padding: 1, counted: true, head: "lm_head", dense: "dense", norm: "layer_norm",
}, "RoBERTa, a masked language model, with the tensors of transformers' RobertaForMaskedLM", "Liu et al. 2019, arXiv 1907.11692; as in transformers",
	"roberta", "roberta:layers=4,hidden=128,heads=4,vocab=1000,positions=130")

// bertFamily is the kind of a network like BERT, with its defaults.
func bertFamily(usual bert, about, source string, examples ...string) spec.Kind[Family] {
	padding := "padding, whose embedding begins at zero"
	if usual.counted {
		padding += ", and from behind which positions are counted, so that there are two more than tokens where it is 1"
	}
	return spec.Kind[Family]{
		Name: usual.name, About: about, Source: source, Examples: examples,
		Options: slices.Concat(sizes(usual.Layers, usual.Hidden, usual.Heads, usual.Vocab, usual.Positions, usual.Intermediate), []spec.Option{
			{Name: "activation", Default: "gelu", About: "gelu, gelu-tanh, silu or relu"},
			{Name: "eps", Default: fmt.Sprint(usual.Eps), About: "of the layer norms"},
			{Name: "types", Default: fmt.Sprint(usual.types), About: "rows of the token types' embedding, of which the first is used"},
			{Name: "padding", Default: fmt.Sprint(usual.padding), About: "the token of " + padding},
			{Name: "tied", Default: "true", About: "whether the head's weights are the embedding's"},
		}, dropoutOptions("0.1")),
		Parse: func(s *spec.Spec) Family {
			n := usual
			n.transformer = usual.read(s)
			n.Activation = s.Choice("activation", "gelu", "gelu", "gelu-tanh", "silu", "relu")
			n.Eps, n.tied = s.Float("eps", usual.Eps, 0, 1), s.Bool("tied", true)
			n.types, n.padding = s.Int("types", usual.types, 1), s.Int("padding", usual.padding, 0)
			n.divides(s)
			text := fmt.Sprintf("%s:%s,activation=%s,eps=%v,types=%d,padding=%d,tied=%v,%s", n.name, n.text(), n.Activation, n.Eps, n.types, n.padding, n.tied, n.drops())
			longest := n.transformer
			if n.counted { // positions begin behind padding's
				if longest.Positions -= n.padding + 1; longest.Positions < 1 {
					s.Fail("positions=%d: none is left behind padding=%d", n.Positions, n.padding)
				}
			}
			return longest.family(text, n, func(t *Tree) {
				t.masked = true
				t.aliases = [][2]string{{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}}
				t.ignored = func(name string) bool {
					return strings.HasSuffix(name, "embeddings.position_ids") || strings.Contains(name, n.name+".pooler.") || strings.Contains(name, "cls.seq_relationship.")
				}
				t.tied = map[string]string{n.head + ".decoder.bias": n.head + ".bias"}
				if n.tied {
					t.tied[n.head+".decoder.weight"] = n.name + ".embeddings.word_embeddings.weight"
				}
			})
		},
	}
}

// bert is a network like BERT: RoBERTa differs in its head's names and in how positions are counted.
type bert struct {
	transformer
	name              string
	types, padding    int
	counted           bool // positions are counted from behind padding, tokens alone
	tied              bool
	head, dense, norm string
}

// Bind implements Layer.
func (n bert) Bind(b *Binder) Forward { return whole(n, b) }

func (n bert) bind(b *Binder) (body, head Forward) {
	at := n.name + ".embeddings."
	words := b.Parameter(at+"word_embeddings.weight", n.initialBut(n.padding), shape(n.Vocab, n.Hidden)...)
	begin := n.initial()
	if n.counted {
		begin = n.initialBut(n.padding)
	}
	places := b.Parameter(at+"position_embeddings.weight", begin, shape(n.Positions, n.Hidden)...)
	types := b.Parameter(at+"token_type_embeddings.weight", n.initial(), shape(n.types, n.Hidden)...)
	norm := b.Part(at+"LayerNorm", LayerNorm{n.Hidden, n.Eps})
	var blocks []Part
	for i := range n.Layers {
		blocks = append(blocks, b.Part(fmt.Sprintf("%s.encoder.layer.%d", n.name, i), bertBlock{n.transformer}))
	}
	bias := b.Parameter(n.head+".bias", Zeros, int64(n.Vocab))
	dense := b.Part(n.head+"."+n.dense, n.linear(n.Hidden, n.Hidden))
	last := b.Part(n.head+"."+n.norm, LayerNorm{n.Hidden, n.Eps})
	decoder := words
	if !n.tied {
		decoder = b.Parameter(n.head+".decoder.weight", n.initial(), shape(n.Vocab, n.Hidden)...)
	}
	longest := n.transformer
	if n.counted {
		longest.Positions -= n.padding + 1
	}
	body = func(p Pass, x ...*Tensor) *Tensor {
		x, again := shortened(p, x)
		length := longest.prepare(p, x[0])
		mask := seen(p, x, false)
		place := p.Narrow(places, 0, length)
		if n.counted {
			place = p.Embedding(places, p.PaddedPositions(x[0], int64(n.padding)))
		}
		h := p.plus(p.plus(p.Embedding(words, x[0]), p.Narrow(types, 0, 1)), place)
		h = p.dropout(p.instead(norm.Forward(p, h), h), n.Dropout)
		for _, block := range blocks {
			h = p.instead(block.Forward(p, h, mask), h)
		}
		return again(h)
	}
	activation := n.Activation
	if n.counted {
		activation = "gelu" // in RoBERTa's head, whatever its blocks have
	}
	return body, func(p Pass, x ...*Tensor) *Tensor {
		h := chain(p, x[0], of(p, dense), activated(p, activation), of(p, last))
		return p.instead(p.Linear(h, decoder, bias), h)
	}
}

func (n transformer) linear(in, out int) Linear { return Linear{In: in, Out: out, Init: n.initial()} }

// bertBlock is a block; its inputs are the hidden values and the mask, or nil.
type bertBlock struct{ transformer }

// Bind implements Layer.
func (n bertBlock) Bind(b *Binder) Forward {
	var qkv []Part
	for _, name := range []string{"query", "key", "value"} {
		qkv = append(qkv, b.Part("attention.self."+name, n.linear(n.Hidden, n.Hidden)))
	}
	out := b.Part("attention.output.dense", n.linear(n.Hidden, n.Hidden))
	between := b.Part("attention.output.LayerNorm", LayerNorm{n.Hidden, n.Eps})
	up := b.Part("intermediate.dense", n.linear(n.Hidden, n.Intermediate))
	down := b.Part("output.dense", n.linear(n.Intermediate, n.Hidden))
	after := b.Part("output.LayerNorm", LayerNorm{n.Hidden, n.Eps})
	return func(p Pass, x ...*Tensor) *Tensor {
		head := func(i int) *Tensor { return split(p, qkv[i].Forward(p, x[0]), n.Heads) }
		y := n.attend(p, head(0), head(1), head(2), x[1], false)
		h := p.plus(p.dropout(p.instead(out.Forward(p, y), y), n.Dropout), x[0])
		h = p.instead(between.Forward(p, h), h)
		y = p.plus(p.dropout(chain(p, h, of(p, up), activated(p, n.Activation), of(p, down)), n.Dropout), h)
		p.Release(h)
		return p.instead(after.Forward(p, y), y)
	}
}
