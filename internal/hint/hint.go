// Package hint carries with an error, or a note, which option of the caller would help.
//
// It believes that a library knows what happened and what could be done about it, but not how its caller's options are
// spelt: a library names an option plainly (allow-nonfinite), and the program that has it as a flag, a field or a key
// writes it so. The text of an error says what happened and where, and stands without its hints.
package hint

import (
	"errors"
	"strings"
)

// Hint is an error that an option of the caller avoids or decides.
type Hint struct {
	Err error // nil where the hint belongs to a Note
	// Option is the plain name of the option, with a value behind a space where one is proposed:
	// allow-nonfinite, pattern 'run_{epoch}.pt'.
	Option string
	// Help is the rest of the sentence whose subject is the option: goes on all the same.
	Help string
}

// Error is that of what happened, without the hint.
func (h Hint) Error() string { return h.Err.Error() }

// Unwrap gives what happened.
func (h Hint) Unwrap() error { return h.Err }

// With adds a hint to an error: the option, and what it does about it. It may be called again for another option. nil
// stays nil.
func With(err error, option, help string) error {
	if err == nil {
		return nil
	}
	return Hint{err, option, help}
}

// Of returns the first hint of an error, however it is wrapped.
func Of(err error) (Hint, bool) {
	all := All(err)
	if len(all) == 0 {
		return Hint{}, false
	}
	return all[0], true
}

// All returns the hints of an error and of those joined in it, in the order in which they were added, each once.
func All(err error) []Hint {
	var out []Hint
	seen := map[[2]string]bool{}
	var walk func(error)
	walk = func(err error) {
		switch u := err.(type) {
		case interface{ Unwrap() error }:
			walk(u.Unwrap())
		case interface{ Unwrap() []error }:
			for _, e := range u.Unwrap() {
				walk(e)
			}
		}
		if h, ok := err.(Hint); ok && !seen[[2]string{h.Option, h.Help}] {
			seen[[2]string{h.Option, h.Help}] = true
			out = append(out, h)
		}
	}
	walk(err)
	return out
}

// Note is something that a person should know and that is no error: what was guessed, chosen or left out.
type Note struct {
	Text  string
	Hints []Hint // their Err is nil
}

// With adds a hint to the note: the option that decides otherwise.
func (n Note) With(option, help string) Note {
	n.Hints = append(n.Hints[:len(n.Hints):len(n.Hints)], Hint{Option: option, Help: help})
	return n
}

// String is the note with its hints, the options named plainly.
func (n Note) String() string {
	return Text(n.Text, n.Hints, func(option string) string { return option })
}

// MarshalText implements encoding.TextMarshaler, for JSON: it is String.
func (n Note) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// Err is the note as an error, with its hints.
func (n Note) Err() error {
	err := errors.New(n.Text)
	for _, h := range n.Hints {
		err = With(err, h.Option, h.Help)
	}
	return err
}

// Text adds hints to what they belong to, as a caller spells its options: behind it in parentheses, and those that
// propose a value, where there are several, on lines of their own.
func Text(text string, hints []Hint, spell func(option string) string) string {
	several := 0
	for _, h := range hints {
		if h.proposes() {
			several++
		}
	}
	var inline, lines []string
	for _, h := range hints {
		if several > 1 && h.proposes() {
			lines = append(lines, spell(h.Option)+"  "+h.Help)
		} else {
			inline = append(inline, spell(h.Option)+" "+h.Help)
		}
	}
	if len(inline) > 0 {
		text += " (" + strings.Join(inline, ", ") + ")"
	}
	if len(lines) > 0 {
		text += ":\n  " + strings.Join(lines, "\n  ")
	}
	return text
}

// proposes says whether a value stands with the option.
func (h Hint) proposes() bool { return strings.Contains(h.Option, " ") }
