package dataset

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// Source is a data set that was named and can be opened.
type Source struct {
	Spec string // canonical text
	open func(dir string) (*Set, error)
}

// Kind says what a data set is, with its options and examples, and reads its text.
type Kind = spec.Kind[Source]

// Kinds are the data sets that Parse knows.
func Kinds() []Kind {
	return []Kind{mnist, fashionMNIST, cifar10, tensors}
}

// Parse reads the text that names a data set, such as mnist:train=6000,shift=2.
func Parse(text string) (Source, error) { return spec.Choose("data set", text, Kinds()) }

// Open reads the data set's files from dir, or where it is found by itself if dir is empty.
func (s Source) Open(dir string) (*Set, error) {
	set, err := s.open(dir)
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", s.Spec, err)
	}
	set.Spec = s.Spec
	return set, nil
}

// Open reads the data set that text names, from dir, or where it is found by itself if dir is empty.
func Open(text, dir string) (*Set, error) {
	s, err := Parse(text)
	if err != nil {
		return nil, err
	}
	return s.Open(dir)
}
