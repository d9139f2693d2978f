// Package tokenizer makes token ids of text, as HuggingFace's tokenizers do: byte-level BPE, the tokenizer of GPT-2, RoBERTa, Pythia,
// Llama 3, Qwen2 and their kin; BPE of characters with bytes for those that are no tokens, which Llama 1 and 2 and Mistral have of
// SentencePiece; and WordPiece, BERT's.
//
// It believes that ids which are almost right are wrong: a tokenizer whose parts are not all understood is refused by the name of the
// part, and never approximated. Ids that were made elsewhere are always an alternative.
package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Tokenizer is one that was read. Goroutines may share it.
type Tokenizer struct {
	Digest string // SHA-256, in hexadecimal, of the files that ids depend on

	normalize normalizer                                         // of the text between the tokens of raw; nil: none
	segment   func(ids []int32, text string, first bool) []int32 // does what lies between tokens, first where it begins the text
	scan      scanner                                            // divides texts into words
	bytes     [256]int32                                         // ids of single bytes
	merges    map[[2]int32]merge                                 // what two neighbours become
	whole     map[string]int32                                   // words that are tokens whatever the merges say; nil where merges say all
	chars     map[string]int32                                   // ids of single characters, of vocabularies of characters
	meta      metaspace
	pieced    wordPiece
	lengths   []int32          // bytes of text of each id; 0 for added tokens that are special
	raw       []added          // matched in the text first
	later     []added          // matched in what these leave
	space     bool             // before every segment that has none
	digits    bool             // each digit by itself
	before    []int32          // the template's ids before a text
	after     []int32          // and behind it
	special   map[int32]bool   // ids that stand for no text
	spaced    map[int32]bool   // ids whose text begins with a space
	named     map[string]int32 // ids of bos, eos, pad, mask and unk, where the files name them
	vocabular int
}

// merge is a token that two others become, and when.
type merge struct{ rank, id int32 }

// added is a token that is looked for in the text itself.
type added struct {
	text        string
	id          int32
	left, right bool // takes the white space beside it too
}

// Vocabulary is how many ids there may be: the largest and one.
func (t *Tokenizer) Vocabulary() int { return t.vocabular }

// Bytes is how many bytes of text a token stands for; 0 for special tokens.
func (t *Tokenizer) Bytes(id int32) int {
	if id < 0 || int(id) >= len(t.lengths) {
		return 0
	}
	return int(t.lengths[id])
}

// Special says whether an id stands for no text, such as that of the end of a text.
func (t *Tokenizer) Special(id int32) bool { return t.special[id] }

// ID is that of bos, eos, pad, mask or unk, where the tokenizer's files say it.
func (t *Tokenizer) ID(role string) (id int32, ok bool) {
	id, ok = t.named[role]
	return id, ok
}

// Spaced says whether the text of a token begins with a space: a word begins there.
func (t *Tokenizer) Spaced(id int32) bool { return t.spaced[id] }

// Template is what is put before and behind a text.
func (t *Tokenizer) Template() (before, after []int32) { return t.before, t.after }

// Encode appends the ids of a text, which must be UTF-8; with template, those that the tokenizer puts around one too.
func (t *Tokenizer) Encode(ids []int32, text string, template bool) ([]int32, error) {
	if !utf8.ValidString(text) {
		return ids, fmt.Errorf("byte %d of the text is not UTF-8", invalid(text)+1)
	}
	if template {
		ids = append(ids, t.before...)
	}
	ids = t.segments(ids, text, true, t.raw, func(ids []int32, text string, first bool) []int32 {
		if t.normalize != nil {
			text = t.normalize(text)
		}
		return t.segments(ids, text, first, t.later, t.segment)
	})
	if template {
		ids = append(ids, t.after...)
	}
	return ids, nil
}

// invalid is the index of the first byte that is not UTF-8.
func invalid(text string) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// segments takes the tokens of a list out of a text, leftmost and longest first, and does what lies between by rest, which is told whether
// that begins the whole text.
func (t *Tokenizer) segments(ids []int32, text string, first bool, list []added, rest func(ids []int32, text string, first bool) []int32) []int32 {
	from := 0
	for at := 0; at < len(text) && len(list) > 0; {
		a, ok := longest(list, text[at:])
		if !ok {
			at++
			continue
		}
		begin, end := at, at+len(a.text)
		at = end
		if a.left {
			begin = max(from, len(strings.TrimRightFunc(text[:begin], white)))
		}
		if a.right {
			end = len(text) - len(strings.TrimLeftFunc(text[end:], white))
		}
		if begin > from {
			ids = rest(ids, text[from:begin], first && from == 0)
		}
		ids, from = append(ids, a.id), end
		at = max(at, from)
	}
	if from < len(text) {
		ids = rest(ids, text[from:], first && from == 0)
	}
	return ids
}

// longest is the longest of the tokens that a text begins with; the list begins with the longest.
func longest(list []added, text string) (added, bool) {
	for _, a := range list {
		if strings.HasPrefix(text, a.text) {
			return a, true
		}
	}
	return added{}, false
}

// words divides a segment, and does each word.
func (t *Tokenizer) words(ids []int32, text string, _ bool) []int32 {
	if t.space && !strings.HasPrefix(text, " ") {
		text = " " + text
	}
	each := func(text string) {
		for len(text) > 0 {
			n := t.scan(text)
			ids = t.merged(ids, text[:n])
			text = text[n:]
		}
	}
	if !t.digits {
		each(text)
		return ids
	}
	from := 0
	for i, r := range text {
		if number(r) {
			each(text[from:i])
			from = i + utf8.RuneLen(r)
			each(text[i:from])
		}
	}
	each(text[from:])
	return ids
}
