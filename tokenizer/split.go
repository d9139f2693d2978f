package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// scanner is how many bytes the first word of a text has, which is not empty.
type scanner func(text string) int

// patterns are the regular expressions by which texts are divided that are known, by their text.
var patterns = map[string]scanner{
	`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`:                                          word,
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`: lines(3), // Llama 3
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`:      lines(1), // Qwen2
}

// lines divides as GPT-4's pattern and its kin do, whose numbers have so many digits at most:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
func lines(digits int) scanner {
	return func(text string) int {
		if n := contraction(text); n > 0 {
			return n
		}
		r, size := utf8.DecodeRuneInString(text)
		if letter(r) {
			return size + run(text[size:], letter)
		}
		if number(r) {
			at := size
			for n := 1; n < digits && at < len(text); n++ {
				r, size := utf8.DecodeRuneInString(text[at:])
				if !number(r) {
					break
				}
				at += size
			}
			return at
		}
		if !newline(r) && size < len(text) { // one character before letters
			if n := run(text[size:], letter); n > 0 {
				return size + n
			}
		}
		at := 0
		if r == ' ' {
			at = 1
		}
		if n := run(text[at:], sign); n > 0 {
			at += n
			return at + run(text[at:], newline)
		}
		all := run(text, white)
		if last := strings.LastIndexAny(text[:all], "\r\n"); last >= 0 {
			return last + 1
		}
		if all < len(text) && all > size { // the last one is for what follows
			_, last := utf8.DecodeLastRuneInString(text[:all])
			return all - last
		}
		return all
	}
}

// contraction is how many bytes of 's, 't, 're, 've, 'm, 'll or 'd a text begins with, whatever their case; ſ is an s.
func contraction(text string) int {
	if text[0] != '\'' {
		return 0
	}
	rest := text[1:]
	if len(rest) > 1 {
		switch strings.ToLower(rest[:2]) {
		case "re", "ve", "ll":
			return 3
		}
	}
	if rest != "" {
		switch rest[0] | 0x20 {
		case 's', 't', 'm', 'd':
			if rest[0] < 0x80 && rest[0] >= 'A' {
				return 2
			}
		}
	}
	if strings.HasPrefix(rest, "ſ") {
		return 1 + len("ſ")
	}
	return 0
}

func newline(r rune) bool { return r == '\r' || r == '\n' }

// sign is neither white space nor a letter nor a number.
func sign(r rune) bool { return !white(r) && !letter(r) && !number(r) }
