package main

import (
	"strings"
	"testing"
)

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"k = 6 – tän\n\tall":               "k = 6 – tän\n\tall",
		"run \x1b[2J\x1b]0;title\x07 ends": `run \x1b[2J\x1b]0;title\a ends`,
		"a\rb\u009bc\u202ed\x7f":           `a\rb\u009bc\u202ed\x7f`,
	} {
		var out strings.Builder
		if n, err := (plain{&out}).Write([]byte(text)); err != nil || n != len(text) || out.String() != want {
			t.Errorf("%q: %d, %v, %q; expected %q", text, n, err, out.String(), want)
		}
	}
}
