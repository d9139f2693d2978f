package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// word is how many bytes the first word of a text has, as GPT-2's pattern divides it:
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
func word(text string) int {
	for _, c := range [...]string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
		if strings.HasPrefix(text, c) {
			return len(c)
		}
	}
	at := 0
	if text[0] == ' ' && len(text) > 1 {
		if r, _ := utf8.DecodeRuneInString(text[1:]); !white(r) {
			at = 1
		}
	}
	r, n := utf8.DecodeRuneInString(text[at:])
	switch {
	case letter(r):
		return at + run(text[at:], letter)
	case number(r):
		return at + run(text[at:], number)
	case !white(r):
		return at + run(text[at:], func(r rune) bool { return !white(r) && !letter(r) && !number(r) })
	}
	all := run(text, white)
	if all < len(text) && all > n { // the last one is for what follows
		_, last := utf8.DecodeLastRuneInString(text[:all])
		return all - last
	}
	return all
}

// run is how many bytes a text has before the first character that is not of a class.
func run(text string, of func(rune) bool) int {
	if i := strings.IndexFunc(text, func(r rune) bool { return !of(r) }); i >= 0 {
		return i
	}
	return len(text)
}

func white(r rune) bool { return unicode.Is(unicode.White_Space, r) }

func letter(r rune) bool {
	return unicode.IsLetter(r) || r >= 0x1c89 && unicode.Is(newLetters, r)
}

func number(r rune) bool {
	return unicode.IsNumber(r) || r >= 0x10d40 && unicode.Is(newNumbers, r)
}

// The letters and numbers of Unicode 16, which HuggingFace's tokenizers know, that Go's tables (Unicode 15) have not.
var (
	newLetters = table(0x1c89, 0x1c8a, 0xa7cb, 0xa7cd, 0xa7da, 0xa7dc, 0x105c0, 0x105f3, 0x10d4a, 0x10d65, 0x10d6f, 0x10d85, 0x10ec2, 0x10ec4, 0x11380, 0x11389,
		0x1138b, 0x1138b, 0x1138e, 0x1138e, 0x11390, 0x113b5, 0x113b7, 0x113b7, 0x113d1, 0x113d1, 0x113d3, 0x113d3, 0x11bc0, 0x11be0, 0x13460, 0x143fa, 0x16100, 0x1611d,
		0x16d40, 0x16d6c, 0x18cff, 0x18cff, 0x1e5d0, 0x1e5ed, 0x1e5f0, 0x1e5f0, 0x2ebf0, 0x2ee5d)
	newNumbers = table(0x10d40, 0x10d49, 0x116d0, 0x116e3, 0x11bf0, 0x11bf9, 0x16130, 0x16139, 0x16d70, 0x16d79, 0x1ccf0, 0x1ccf9, 0x1e5f1, 0x1e5fa)
)

// table is of ranges, each from one character to another.
func table(ends ...rune) *unicode.RangeTable {
	t := &unicode.RangeTable{}
	for i := 0; i < len(ends); i += 2 {
		if ends[i+1] <= 0xffff {
			t.R16 = append(t.R16, unicode.Range16{Lo: uint16(ends[i]), Hi: uint16(ends[i+1]), Stride: 1})
		} else {
			t.R32 = append(t.R32, unicode.Range32{Lo: uint32(ends[i]), Hi: uint32(ends[i+1]), Stride: 1})
		}
	}
	return t
}
