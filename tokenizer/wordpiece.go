package tokenizer

import (
	"unicode/utf8"
)

// wordPiece is BERT's model: the longest tokens that a word is made of, from its beginning on (Schuster, Nakajima 2012).
type wordPiece struct {
	begin, within map[string]int32 // tokens at the begin of a word, and behind it, without their prefix
	unknown       int32
	longest       int // characters of a word that is looked at
	most          int // bytes of the longest token
}

// pieces divides a segment at white space and about punctuation, and does each word.
func (t *Tokenizer) pieces(ids []int32, text string, _ bool) []int32 {
	from := -1
	end := func(at int) {
		if from >= 0 {
			ids = t.pieced.word(ids, text[from:at])
			from = -1
		}
	}
	for i, r := range text {
		switch {
		case white(r):
			end(i)
		case punctuation(r):
			end(i)
			ids = t.pieced.word(ids, text[i:i+utf8.RuneLen(r)])
		case from < 0:
			from = i
		}
	}
	end(len(text))
	return ids
}

// word appends the ids of a word; the unknown one alone where its parts are not all tokens.
func (w *wordPiece) word(ids []int32, word string) []int32 {
	if utf8.RuneCountInString(word) > w.longest {
		return append(ids, w.unknown)
	}
	begin := len(ids)
	for at := 0; at < len(word); {
		known := w.begin
		if at > 0 {
			known = w.within
		}
		n := min(len(word)-at, w.most)
		for n > 0 {
			if at+n == len(word) || utf8.RuneStart(word[at+n]) {
				if id, ok := known[word[at:at+n]]; ok {
					ids = append(ids, id)
					break
				}
			}
			n--
		}
		if n == 0 {
			return append(ids[:begin], w.unknown)
		}
		at += n
	}
	return ids
}
