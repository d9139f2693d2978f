package spec

import (
	"fmt"
	"strings"
)

// Kind describes what goes by one name, such as the schemes lawa:k=…, and reads it. Lists of kinds are what help
// texts, documentation and error messages are made from.
type Kind[T any] struct {
	Name     string
	Names    []string // all names, where it is a family of several; nil where it is Name alone
	About    string   // a phrase, in small letters, without a full stop
	Source   string   // the paper or program it comes from
	Examples []string // texts that Choose reads
	Options  []Option // in the order of the canonical text
	Raw      bool     // all behind the colon is one word, such as a file's path
	// Parse takes the options out of the spec; what is wrong with them goes to Spec.Fail.
	Parse func(*Spec) T
}

// Option is a key=value of a kind.
type Option struct {
	Name    string
	Default string // as it would be written; "" where the option must be given or its absence means something of its own
	About   string
}

// Described is a kind without its reader.
type Described struct {
	Name     string
	Names    []string
	About    string
	Source   string
	Examples []string
	Options  []Option
}

// Describe gives what is known of kinds, for lists of them.
func Describe[T any](kinds []Kind[T]) []Described {
	out := make([]Described, len(kinds))
	for i, k := range kinds {
		out[i] = Described{k.Name, k.Names, k.About, k.Source, k.Examples, k.Options}
	}
	return out
}

// names are those by which a kind is called.
func (k Kind[T]) names() []string {
	if k.Names == nil {
		return []string{k.Name}
	}
	return k.Names
}

// Choose reads text as one of the kinds; what says in errors what they are: scheme. A name that none of them has, an
// option that its kind does not take, or a value out of its range is an error.
func Choose[T any](what, text string, kinds []Kind[T]) (T, error) {
	var none T
	for _, k := range kinds {
		if word, ok := strings.CutPrefix(text, k.Name+":"); ok && k.Raw {
			s := &Spec{Name: k.Name, text: text, word: word}
			v := k.Parse(s)
			return v, s.Done()
		}
	}
	s, err := Parse(text)
	if err != nil {
		return none, fmt.Errorf("%s %w", what, err)
	}
	var known []string
	for _, k := range kinds {
		for _, name := range k.names() {
			if known = append(known, name); name != s.Name {
				continue
			}
			v := k.Parse(s)
			if err := s.Done(); err != nil {
				return none, fmt.Errorf("%s %w", what, err)
			}
			return v, nil
		}
	}
	return none, Unknown(what, s.Name, known)
}

// Asked are the options that a kind's reader has asked for so far, for tests of what it says of itself.
func (s *Spec) Asked() []string { return s.asked }
