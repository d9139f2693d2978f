package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// space is what stands for a space in vocabularies of SentencePiece.
const space = "▁"

// metaspace is how texts are divided by tokenizers that were SentencePiece's.
type metaspace struct {
	known   bool   // else a segment is one word
	prepend string // always, first (before what begins the text alone) or never: where a space is put before a segment
	split   bool   // whether each space begins a word
}

// characters divides a segment, first where it begins the text, and does each word: its characters, or the bytes of those that are no
// tokens, are merged.
func (t *Tokenizer) characters(ids []int32, text string, first bool) []int32 {
	if m := t.meta; m.known {
		text = strings.ReplaceAll(text, " ", space)
		if (m.prepend == "always" || m.prepend == "first" && first) && !strings.HasPrefix(text, space) {
			text = space + text
		}
		for m.split {
			n := strings.Index(text[1:], space)
			if n < 0 {
				break
			}
			ids = t.symbols(ids, text[:n+1])
			text = text[n+1:]
		}
	}
	return t.symbols(ids, text)
}

// symbols appends the ids of a word.
func (t *Tokenizer) symbols(ids []int32, word string) []int32 {
	if id, ok := t.whole[word]; ok {
		return append(ids, id)
	}
	from := len(ids)
	for i := 0; i < len(word); {
		_, n := utf8.DecodeRuneInString(word[i:])
		if id, ok := t.chars[word[i:i+n]]; ok {
			ids = append(ids, id)
		} else {
			for j := range n {
				ids = append(ids, t.bytes[word[i+j]])
			}
		}
		i += n
	}
	return t.merge(ids, from)
}
