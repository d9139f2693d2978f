package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalizer is what becomes of a text before it is divided.
type normalizer func(string) string

// then is one behind the other.
func (n normalizer) then(next normalizer) normalizer {
	if n == nil {
		return next
	}
	return func(text string) string { return next(n(text)) }
}

// normalizerOf reads a normalizer of tokenizer.json; nil where it changes nothing.
func normalizerOf(raw json.RawMessage) (normalizer, error) {
	switch kind := typeOf(raw); kind {
	case "":
		return nil, nil
	case "NFC":
		return nfc, nil
	case "Prepend":
		var p struct {
			Type    string
			Prepend string
		}
		if err := strict(raw, &p); err != nil {
			return nil, fmt.Errorf("a Prepend: %w", err)
		}
		return func(text string) string {
			if text == "" {
				return ""
			}
			return p.Prepend + text
		}, nil
	case "Replace":
		var p struct {
			Type    string
			Pattern struct{ String *string }
			Content string
		}
		if err := strict(raw, &p); err != nil {
			return nil, fmt.Errorf("a Replace: %w", err)
		}
		if p.Pattern.String == nil || *p.Pattern.String == "" {
			return nil, errors.New("a Replace of another pattern than a text is not known")
		}
		return func(text string) string { return strings.ReplaceAll(text, *p.Pattern.String, p.Content) }, nil
	case "Sequence":
		var p struct {
			Type        string
			Normalizers []json.RawMessage
		}
		if err := strict(raw, &p); err != nil {
			return nil, fmt.Errorf("a Sequence: %w", err)
		}
		var out normalizer
		for _, one := range p.Normalizers {
			n, err := normalizerOf(one)
			if err != nil {
				return nil, err
			}
			if n != nil {
				out = out.then(n)
			}
		}
		return out, nil
	case "BertNormalizer":
		b, err := bertNormalizerOf(raw)
		return b.normalize, err
	default:
		return nil, fmt.Errorf("type %s; NFC, Prepend, Replace, BertNormalizer and a Sequence of them are known", kind)
	}
}

// nfc composes characters, and nfd takes them apart, by the library's tables, which are of an older Unicode than Go's: marks that came later
// stay where they are, and U+11938 is one character that is not made of two.
func nfc(text string) string {
	if norm.NFC.IsNormalString(text) && !strings.ContainsFunc(text, later) {
		return text
	}
	return inParts(norm.NFC, text)
}

func nfd(text string) string { return inParts(norm.NFD, text) }

// inParts normalizes what lies between characters that the library knows nothing of, each part by itself.
func inParts(form norm.Form, text string) string {
	const first, second = '\U00011935', '\U00011930'
	var out strings.Builder
	from, before := 0, rune(0)
	for i, r := range text {
		switch {
		case later(r):
			out.WriteString(form.String(text[from:i]))
			out.WriteRune(r)
			from = i + utf8.RuneLen(r)
		case before == first && r == second:
			out.WriteString(form.String(text[from:i]))
			from = i
		}
		before = r
	}
	out.WriteString(form.String(text[from:]))
	return out.String()
}

func later(r rune) bool { return r >= 0x7fd && unicode.Is(newOrder, r) }

// bertNormalizer is BERT's.
type bertNormalizer struct {
	Type    string
	Clean   bool  `json:"clean_text"`
	Chinese bool  `json:"handle_chinese_chars"`
	Accents *bool `json:"strip_accents"` // nil: as Lower
	Lower   bool  `json:"lowercase"`
}

func bertNormalizerOf(raw json.RawMessage) (bertNormalizer, error) {
	b := bertNormalizer{Clean: true, Chinese: true, Lower: true}
	if err := strict(raw, &b); err != nil {
		return b, fmt.Errorf("a BertNormalizer: %w", err)
	}
	return b, nil
}

func (b bertNormalizer) normalize(text string) string {
	if b.Clean {
		text = strings.Map(func(r rune) rune {
			switch {
			case r == 0 || r == '\ufffd' || control(r):
				return -1
			case white(r):
				return ' '
			}
			return r
		}, text)
	}
	if b.Chinese {
		text = each(text, func(out *strings.Builder, r rune) {
			if chinese(r) {
				out.WriteByte(' ')
				out.WriteRune(r)
				out.WriteByte(' ')
				return
			}
			out.WriteRune(r)
		}, chinese)
	}
	if b.Accents != nil && *b.Accents || b.Accents == nil && b.Lower {
		text = strings.Map(func(r rune) rune {
			if r >= 0x300 && mark(r) {
				return -1
			}
			return r
		}, nfd(text))
	}
	if b.Lower {
		text = each(text, func(out *strings.Builder, r rune) {
			if r == 'İ' {
				out.WriteString("i\u0307")
				return
			}
			out.WriteRune(lower(r))
		}, func(r rune) bool { return r >= 'A' && (r <= 'Z' || r > 0x7f) })
	}
	return text
}

// each writes every character of a text anew, where one of them needs it.
func each(text string, write func(*strings.Builder, rune), needs func(rune) bool) string {
	if !strings.ContainsFunc(text, needs) {
		return text
	}
	var out strings.Builder
	out.Grow(len(text) + len(text)/8)
	for _, r := range text {
		write(&out, r)
	}
	return out.String()
}

// The classes of characters of BERT's tokenizer in HuggingFace's library, which are of an older Unicode than Go's for control characters,
// marks and punctuation, and of a newer one for letters.

func control(r rune) bool {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return false
	case r < 0x80:
		return r < 0x20 || r == 0x7f
	case unicode.Is(newFormats, r):
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co)
}

func chinese(r rune) bool {
	return r >= 0x3400 && (0x4e00 <= r && r <= 0x9fff || r <= 0x4dbf || 0x20000 <= r && r <= 0x2a6df || 0x2a700 <= r && r <= 0x2b73f || 0x2b740 <= r && r <= 0x2b81f ||
		0x2b920 <= r && r <= 0x2ceaf || 0xf900 <= r && r <= 0xfaff || 0x2f800 <= r && r <= 0x2fa1f)
}

func mark(r rune) bool {
	return r == 0x1734 || unicode.Is(unicode.Mn, r) && !unicode.Is(newMarks, r)
}

func lower(r rune) rune {
	switch {
	case r <= 0x7f:
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	case 0x10d50 <= r && r <= 0x10d65:
		return r + 0x20
	case 0x16ea0 <= r && r <= 0x16eb8:
		return r + 0x1b
	}
	if l, ok := newLower[r]; ok {
		return l
	}
	return unicode.ToLower(r)
}

// punctuation says whether a character is a word of its own to BERT.
func punctuation(r rune) bool {
	if r < 0x80 {
		return 33 <= r && r <= 47 || 58 <= r && r <= 64 || 91 <= r && r <= 96 || 123 <= r && r <= 126
	}
	return r == 0x166d || r == 0x111c9 || unicode.Is(unicode.P, r) && !unicode.Is(newPunctuation, r)
}

var (
	newLower = map[rune]rune{0x1c89: 0x1c8a, 0xa7cb: 0x264, 0xa7cc: 0xa7cd, 0xa7ce: 0xa7cf, 0xa7d2: 0xa7d3, 0xa7d4: 0xa7d5, 0xa7da: 0xa7db, 0xa7dc: 0x19b}
	// newOrder are marks that the library's tables have no order of, and U+11938.
	newOrder = table(0x7fd, 0x7fd, 0x898, 0x89f, 0x8ca, 0x8d3, 0x9fe, 0x9fe, 0xc3c, 0xc3c, 0xd3b, 0xd3c, 0xeba, 0xeba, 0x1715, 0x1715, 0x1abf, 0x1ace, 0x1df6, 0x1dfa, 0xa82c, 0xa82c, 0x10d24, 0x10d27,
		0x10eab, 0x10eac, 0x10efd, 0x10eff, 0x10f46, 0x10f50, 0x10f82, 0x10f85, 0x11070, 0x11070, 0x1133b, 0x1133b, 0x1145e, 0x1145e, 0x11839, 0x1183a, 0x11938, 0x11938, 0x1193d, 0x1193e, 0x11943, 0x11943,
		0x119e0, 0x119e0, 0x11a34, 0x11a34, 0x11a47, 0x11a47, 0x11a99, 0x11a99, 0x11d42, 0x11d42, 0x11d44, 0x11d45, 0x11d97, 0x11d97, 0x11f41, 0x11f42, 0x16ff0, 0x16ff1, 0x1e08f, 0x1e08f, 0x1e130, 0x1e136,
		0x1e2ae, 0x1e2ae, 0x1e2ec, 0x1e2ef, 0x1e4ec, 0x1e4ef)
	newFormats = table(0x890, 0x891, 0x8e2, 0x8e2, 0x110cd, 0x110cd, 0x13430, 0x1343f)
	newMarks   = table(0x7fd, 0x7fd, 0x898, 0x89f, 0x8ca, 0x8e1, 0x9fe, 0x9fe, 0xafa, 0xaff, 0xb55, 0xb55, 0xc04, 0xc04, 0xc3c, 0xc3c, 0xd00, 0xd00, 0xd3b, 0xd3c, 0xd81, 0xd81, 0xeba, 0xeba,
		0xece, 0xece, 0x180f, 0x180f, 0x1885, 0x1886, 0x1abf, 0x1ace, 0x1df6, 0x1dfb, 0xa82c, 0xa82c, 0xa8c5, 0xa8c5, 0xa8ff, 0xa8ff, 0xa9bd, 0xa9bd, 0x10d24, 0x10d27, 0x10eab, 0x10eac,
		0x10efd, 0x10eff, 0x10f46, 0x10f50, 0x10f82, 0x10f85, 0x11070, 0x11070, 0x11073, 0x11074, 0x110c2, 0x110c2, 0x111c9, 0x111c9, 0x111cf, 0x111cf, 0x1123e, 0x1123e, 0x11241, 0x11241,
		0x1133b, 0x1133b, 0x11438, 0x1143f, 0x11442, 0x11444, 0x11446, 0x11446, 0x1145e, 0x1145e, 0x1182f, 0x11837, 0x11839, 0x1183a, 0x1193b, 0x1193c, 0x1193e, 0x1193e, 0x11943, 0x11943,
		0x119d4, 0x119d7, 0x119da, 0x119db, 0x119e0, 0x119e0, 0x11a01, 0x11a0a, 0x11a33, 0x11a38, 0x11a3b, 0x11a3e, 0x11a47, 0x11a47, 0x11a51, 0x11a56, 0x11a59, 0x11a5b, 0x11a8a, 0x11a96,
		0x11a98, 0x11a99, 0x11c30, 0x11c36, 0x11c38, 0x11c3d, 0x11c3f, 0x11c3f, 0x11c92, 0x11ca7, 0x11caa, 0x11cb0, 0x11cb2, 0x11cb3, 0x11cb5, 0x11cb6, 0x11d31, 0x11d36, 0x11d3a, 0x11d3a,
		0x11d3c, 0x11d3d, 0x11d3f, 0x11d45, 0x11d47, 0x11d47, 0x11d90, 0x11d91, 0x11d95, 0x11d95, 0x11d97, 0x11d97, 0x11ef3, 0x11ef4, 0x11f00, 0x11f01, 0x11f36, 0x11f3a, 0x11f40, 0x11f40,
		0x11f42, 0x11f42, 0x13440, 0x13440, 0x13447, 0x13455, 0x16f4f, 0x16f4f, 0x16fe4, 0x16fe4, 0x1cf00, 0x1cf2d, 0x1cf30, 0x1cf46, 0x1e000, 0x1e006, 0x1e008, 0x1e018, 0x1e01b, 0x1e021,
		0x1e023, 0x1e024, 0x1e026, 0x1e02a, 0x1e08f, 0x1e08f, 0x1e130, 0x1e136, 0x1e2ae, 0x1e2ae, 0x1e2ec, 0x1e2ef, 0x1e4ec, 0x1e4ef, 0x1e944, 0x1e94a)
	newPunctuation = table(0x61d, 0x61d, 0x9fd, 0x9fd, 0xa76, 0xa76, 0xc77, 0xc77, 0xc84, 0xc84, 0x1b7d, 0x1b7e, 0x2e43, 0x2e4f, 0x2e52, 0x2e5d, 0x10ead, 0x10ead, 0x10f55, 0x10f59,
		0x10f86, 0x10f89, 0x1144b, 0x1144f, 0x1145a, 0x1145b, 0x1145d, 0x1145d, 0x11660, 0x1166c, 0x116b9, 0x116b9, 0x1183b, 0x1183b, 0x11944, 0x11946, 0x119e2, 0x119e2, 0x11a3f, 0x11a46,
		0x11a9a, 0x11a9c, 0x11a9e, 0x11aa2, 0x11b00, 0x11b09, 0x11c41, 0x11c45, 0x11c70, 0x11c71, 0x11ef7, 0x11ef8, 0x11f43, 0x11f4f, 0x11fff, 0x11fff, 0x12ff1, 0x12ff2, 0x16e97, 0x16e9a,
		0x16fe2, 0x16fe2, 0x1e95e, 0x1e95f)
)
