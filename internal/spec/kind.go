package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
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

// raw reads the text of a Raw kind.
func (k Kind[T]) raw(text string) (*Spec, bool) {
	word, ok := strings.CutPrefix(text, k.Name+":")
	return &Spec{Name: k.Name, text: text, word: word}, ok && k.Raw
}

// Choose reads text as one of the kinds; what says in errors what they are: scheme. A name that none of them has, an
// option that its kind does not take, or a value out of its range is an error.
func Choose[T any](what, text string, kinds []Kind[T]) (T, error) {
	var none T
	for _, k := range kinds {
		if s, ok := k.raw(text); ok {
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

// Check compares what a kind says of itself with what it does, for tests: every example is read (files that are not
// there aside) and has its name, and Options are those that Parse takes.
func (k Kind[T]) Check() error {
	if k.Name == "" || k.About == "" || len(k.Examples) == 0 {
		return fmt.Errorf("%s: a name, a description and an example are wanted", k.Name)
	}
	asked := map[string]bool{}
	for _, text := range k.Examples {
		s, raw := k.raw(text)
		if !raw {
			var err error
			if s, err = Parse(text); err != nil {
				return err
			}
		}
		k.Parse(s)
		for _, key := range s.asked {
			asked[key] = true
		}
		if err := s.Done(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if !slices.Contains(k.names(), s.Name) {
			return fmt.Errorf("%s: the example %s is of another kind", k.Name, text)
		}
	}
	for _, o := range k.Options {
		if !asked[o.Name] {
			return fmt.Errorf("%s: the option %s is described and not taken", k.Name, o.Name)
		}
		delete(asked, o.Name)
	}
	for key := range asked {
		return fmt.Errorf("%s: the option %s is taken and not described", k.Name, key)
	}
	return nil
}
