package dataset

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// ignored is a target that is not scored: torch.nn.CrossEntropyLoss's ignore_index.
const ignored = -100

// packing is how texts become examples, and what a network is asked about them.
type packing struct {
	pack     string // joined, stream, complete, documents or none
	length   int    // tokens of an example
	special  bool   // whether joined has the template's tokens around each text
	mask     float64
	maskSeed uint64
	words    bool // whole words are masked
	// of ids that were made elsewhere, which say nothing of themselves; -1 where nobody says them
	padding, maskToken int64
}

// packed is a split of examples of equally many tokens, some of which may be padding.
type packed struct {
	name           string
	ids            *ids
	how            packing
	before, after  []int64    // around each text, in the stream
	prefix, suffix []int64    // around each example
	examples       [][2]int64 // places of the stream, from one to before another; nil: one behind the other
	n, length      int
	padding        int64
	padded         bool
	maskToken      int64
	unmasked       map[int64]bool // ids that are never masked
	random         []int64        // ids that may stand in for a masked one
	spaced         map[int64]bool // nil unless words are masked
	fields         []Field
	notes          []string
	digest         func() (string, error)
	belong         func() []float32 // see documents
}

func wide(ids []int32) []int64 {
	var out []int64
	for _, id := range ids {
		out = append(out, int64(id))
	}
	return out
}

// newPacked makes a split of ids.
func newPacked(name string, s *ids, how packing) (*packed, error) {
	p := &packed{name: name, ids: s, how: how, length: how.length, padding: how.padding, maskToken: how.maskToken}
	role := func(r string) (int64, bool) {
		id, ok := s.Roles[r]
		return int64(id), ok
	}
	need := func(r string) ([]int64, error) {
		id, ok := role(r)
		if !ok {
			return nil, fmt.Errorf("pack=%s needs a token %s, and the tokenizer's files name none", how.pack, r)
		}
		return []int64{id}, nil
	}
	var err error
	switch how.pack {
	case "joined":
		if how.special {
			p.before, p.after = wide(s.Before), wide(s.After)
		}
		p.blocks()
	case "stream":
		if p.after, err = need("eos"); err != nil {
			return nil, err
		}
		p.blocks()
	case "complete", "documents":
		if p.after, err = need("eos"); err != nil {
			return nil, err
		}
		if p.prefix, err = need("bos"); err != nil {
			return nil, err
		}
		p.lines(how.pack == "documents")
	case "none":
		p.prefix, p.suffix = wide(s.Before), wide(s.After)
		if err := p.single(); err != nil {
			return nil, err
		}
	}
	if p.n == 0 {
		return nil, fmt.Errorf("split %s: %d tokens make no example of length=%d", name, p.total(), how.length)
	}
	for i := range p.n {
		if from, to := p.span(i); int(to-from)+len(p.prefix)+len(p.suffix) < p.length {
			p.padded = true
			break
		}
	}
	if p.padded && p.padding < 0 {
		if pad, ok := role("pad"); ok {
			p.padding = pad
		} else if eos, ok := role("eos"); ok {
			p.padding = eos
			p.note("the tokenizer names no token of padding: that of the end of a text stands for it, masked")
		} else {
			return nil, errors.New("examples of different lengths need padding, and no token for it is known: pad-token=N of data tokens names one")
		}
	}
	if how.mask > 0 {
		if err := p.masks(); err != nil {
			return nil, err
		}
	}
	p.field(Inputs, int64(p.length))
	if p.padded {
		p.field(AttentionMask, int64(p.length))
	}
	if p.padded || how.mask > 0 {
		p.field(Targets, int64(p.length))
	}
	if how.mask == 0 && s.Lengths != nil {
		p.fields = append(p.fields, Field{Name: TextBytes, DType: checkpoint.I64, Shape: []int64{}})
	}
	p.belong = sync.OnceValue(p.findDocuments)
	p.digest = sync.OnceValues(func() (string, error) { return Digest(p) })
	return p, nil
}

func (p *packed) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf("split %s: ", p.name)+fmt.Sprintf(format, args...))
}

func (p *packed) field(name string, length int64) {
	p.fields = append(p.fields, Field{Name: name, DType: checkpoint.I64, Shape: []int64{length}, Classes: p.ids.Vocabulary})
}

// around is how many tokens each text has around it in the stream.
func (p *packed) around() int64 { return int64(len(p.before) + len(p.after)) }

// total is the length of the stream.
func (p *packed) total() int64 { return p.ids.n + int64(len(p.ids.ends))*p.around() }

// blocks cuts the stream into examples.
func (p *packed) blocks() {
	p.n = int(min(p.total()/int64(p.length), math.MaxInt32))
	if rest := p.total() - int64(p.n)*int64(p.length); rest > 0 {
		p.note("the last %d of %d tokens make no example of length=%d and are left out", rest, p.total(), p.length)
	}
}

// lines makes examples of whole texts.
func (p *packed) lines(documents bool) {
	room := int64(p.length - len(p.prefix))
	cut, begin, end := 0, int64(0), int64(0)
	add := func() {
		if end > begin {
			p.examples = append(p.examples, [2]int64{begin, end})
		}
		begin = end
	}
	blank := map[int]bool{}
	for _, t := range p.ids.Blank {
		blank[t] = true
	}
	for t := range p.ids.ends {
		from := p.ids.begin(t) + int64(t)*p.around()
		to := p.ids.ends[t] + int64(t+1)*p.around()
		if documents && blank[t] { // which belongs to no document
			add()
			begin, end = to, to
			continue
		}
		if to-begin > room {
			add()
		}
		for to-from > room { // a line longer than an example
			p.examples = append(p.examples, [2]int64{from, from + room})
			from += room
			begin = from
			cut++
		}
		end = to
	}
	add()
	p.n = len(p.examples)
	if cut > 0 {
		p.note("texts longer than an example were divided %d times", cut)
	}
}

// single makes an example of each text.
func (p *packed) single() error {
	room := int64(p.length - len(p.prefix) - len(p.suffix))
	if room < 1 {
		return fmt.Errorf("length=%d leaves no room beside the template's %d tokens", p.length, len(p.prefix)+len(p.suffix))
	}
	cut, empty, longest := 0, 0, int64(0)
	for t, to := range p.ids.ends {
		from := p.ids.begin(t)
		if from == to {
			empty++
			continue
		}
		if to-from > room {
			to = from + room
			cut++
		}
		longest = max(longest, to-from)
		p.examples = append(p.examples, [2]int64{from, to})
	}
	if cut > 0 {
		p.note("%d of %d texts are longer than length=%d and are cut off", cut, len(p.ids.ends), p.length)
	}
	if empty > 0 {
		p.note("%d texts are empty and are left out", empty)
	}
	// By their length: a batch is as long as its longest, and networks leave out what is padding in all of it.
	slices.SortStableFunc(p.examples, func(a, b [2]int64) int { return cmp.Compare(a[1]-a[0], b[1]-b[0]) })
	p.n, p.length = len(p.examples), int(longest)+len(p.prefix)+len(p.suffix)
	return nil
}

// masks prepares what is masked.
func (p *packed) masks() error {
	s := p.ids
	if p.maskToken < 0 {
		id, ok := s.Roles["mask"]
		if !ok {
			return errors.New("mask=… needs a token that masks, and the tokenizer's files name none (mask-token=N of data tokens does)")
		}
		p.maskToken = int64(id)
	}
	if s.Vocabulary == 0 {
		return errors.New("mask=… needs vocab=N, from which random tokens are drawn")
	}
	p.unmasked = map[int64]bool{}
	for _, id := range s.Special {
		p.unmasked[int64(id)] = true
	}
	for id := range int64(s.Vocabulary) {
		if !p.unmasked[id] {
			p.random = append(p.random, id)
		}
	}
	if len(p.random) == 0 {
		return errors.New("every token of the vocabulary is special")
	}
	if p.how.words {
		if s.Spaced == nil {
			return errors.New("whole-word=true needs to know which tokens begin a word, which ids made elsewhere do not say")
		}
		p.spaced = map[int64]bool{}
		for _, id := range s.Spaced {
			p.spaced[int64(id)] = true
		}
	}
	return nil
}

// span is where an example's tokens lie in the stream.
func (p *packed) span(i int) (from, to int64) {
	if p.examples != nil {
		return p.examples[i][0], p.examples[i][1]
	}
	return int64(i) * int64(p.length), int64(i+1) * int64(p.length)
}

// tokens appends those of a span of the stream.
func (p *packed) tokens(out []int64, from, to int64) []int64 {
	around, b := p.around(), int64(len(p.before))
	if around == 0 {
		for i := from; i < to; i++ {
			out = append(out, p.ids.at(i))
		}
		return out
	}
	// The stream's place of a text's first token is its begin and what stands around the texts before it.
	t := p.textOf(from)
	for at := from; at < to; t++ {
		begin := p.ids.begin(t) + int64(t)*around
		size := p.ids.ends[t] - p.ids.begin(t)
		for ; at < to && at < begin+size+around; at++ {
			switch k := at - begin; {
			case k < b:
				out = append(out, p.before[k])
			case k < b+size:
				out = append(out, p.ids.at(p.ids.begin(t)+k-b))
			default:
				out = append(out, p.after[k-b-size])
			}
		}
	}
	return out
}

// textOf is the text that a place of the stream belongs to.
func (p *packed) textOf(at int64) int {
	low, high := 0, len(p.ids.ends)
	for low < high {
		mid := (low + high) / 2
		if p.ids.ends[mid]+int64(mid+1)*p.around() > at {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low
}

// Masked says that the targets are masked tokens, not those that follow.
func (p *packed) Masked() bool { return p.how.mask > 0 }

func (p *packed) Name() string            { return p.name }
func (p *packed) Len() int                { return p.n }
func (p *packed) Fields() []Field         { return p.fields }
func (p *packed) Digest() (string, error) { return p.digest() }

// Read gives examples. Without draw each is masked by its own place and mask-seed, the same for every network.
func (p *packed) Read(b *Batch, indices []int, draw *rand.Rand) error {
	return checkpoint.Guard(p.ids.path, func() error {
		b.Reset(len(indices), p.fields...)
		put := func(name string, j int, values []int64) {
			a := b.Array(name)
			if a == nil {
				return
			}
			at := a.Data[j*int(a.Bytes()):]
			for i, v := range values {
				binary.LittleEndian.PutUint64(at[8*i:], uint64(v))
			}
		}
		var ids []int64
		mask, targets := make([]int64, p.length), make([]int64, p.length)
		for j, i := range indices {
			from, to := p.span(i)
			ids = append(p.tokens(append(ids[:0], p.prefix...), from, to), p.suffix...)
			n := len(ids)
			for len(ids) < p.length {
				ids = append(ids, p.padding)
			}
			for k := range p.length {
				mask[k], targets[k] = 0, ignored
				if k < n {
					mask[k] = 1
				}
				if k+1 < n {
					targets[k] = ids[k+1]
				}
			}
			bytes := int64(0)
			for _, id := range ids[1:n] {
				if int(id) < len(p.ids.Lengths) {
					bytes += int64(p.ids.Lengths[id])
				}
			}
			bytes -= p.prefixes(from, to)
			if p.how.mask > 0 {
				r := draw
				if r == nil {
					r = rand.New(rand.NewPCG(p.how.maskSeed, uint64(i)))
				}
				p.cover(ids[:n], targets, r)
			}
			put(Inputs, j, ids)
			put(AttentionMask, j, mask)
			put(Targets, j, targets)
			put(TextBytes, j, []int64{bytes})
		}
		return nil
	})
}

// prefixes counts the spaces that are in no text, of the tokens of a span that are asked for: all but an example's first.
func (p *packed) prefixes(from, to int64) (n int64) {
	if len(p.ids.Prefixed) == 0 {
		return 0
	}
	for t := p.textOf(from); t < len(p.ids.ends); t++ {
		first := p.ids.begin(t) + int64(t)*p.around() + int64(len(p.before))
		if first >= to {
			break
		}
		if t/8 < len(p.ids.Prefixed) && p.ids.Prefixed[t/8]>>(t%8)&1 == 1 && first >= from && first-from+int64(len(p.prefix)) > 0 {
			n++
		}
	}
	return n
}

// cover masks tokens as RoBERTa is trained: a share of those that are not special is asked for; of these 80 % are masked, 10 % are
// other tokens, and 10 % stay (Devlin et al. 2018, arXiv 1810.04805, §3.1; Liu et al. 2019, arXiv 1907.11692, §4.1). With whole words
// the tokens of a word are asked for together.
func (p *packed) cover(ids, targets []int64, r *rand.Rand) {
	for i := range targets {
		targets[i] = ignored
	}
	asked := false
	for i, id := range ids {
		if p.unmasked[id] {
			asked = false
			continue
		}
		if first := i == 0 || p.unmasked[ids[i-1]]; p.spaced == nil || first || p.spaced[id] {
			asked = r.Float64() < p.how.mask
		}
		if !asked {
			continue
		}
		targets[i] = id
	}
	for i, t := range targets[:len(ids)] {
		if t == ignored {
			continue
		}
		switch v := r.Float64(); {
		case v < 0.8:
			ids[i] = p.maskToken
		case v < 0.9:
			ids[i] = p.random[r.IntN(len(p.random))]
		}
	}
}

// check looks at all ids once, where somebody says how many there are.
func (s *ids) check() error {
	if s.Vocabulary == 0 {
		return nil
	}
	return checkpoint.Guard(s.path, func() error {
		for i := range s.n {
			if id := s.at(i); id >= int64(s.Vocabulary) {
				return fmt.Errorf("%s: id %d at place %d, in a vocabulary of %d", s.path, id, i+1, s.Vocabulary)
			}
		}
		return nil
	})
}

var packs = []string{"joined", "stream", "complete", "documents", "none"}
