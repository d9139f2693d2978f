package main

import (
	"io"
	"strconv"
	"strings"
	"unicode"
)

// plain writes text that may hold names out of somebody else's files: control characters, with which they could move
// the terminal's cursor, hide what follows or do worse, are shown as they are quoted.
type plain struct{ io.Writer }

// Write implements io.Writer.
func (p plain) Write(text []byte) (int, error) {
	if !strings.ContainsFunc(string(text), hidden) {
		return p.Writer.Write(text)
	}
	var out strings.Builder
	for _, r := range string(text) {
		if hidden(r) {
			out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			out.WriteRune(r)
		}
	}
	if _, err := io.WriteString(p.Writer, out.String()); err != nil {
		return 0, err
	}
	return len(text), nil
}

func hidden(r rune) bool {
	return r != '\n' && r != '\t' && unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}
