package dataset

import (
	"context"
	"fmt"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// Source is a data set that was named and can be opened.
type Source struct {
	Spec string // canonical text
	open func(Opening) (*Set, error)
	// skips says that broken images can be left out.
	skips bool
}

// Opening is how a data set is opened. Images that have to be decoded first are decoded when they are first read.
type Opening struct {
	Dir   string // of the data set's files; "" where it is found by itself
	Cache string // folder of decoded images; "": lawa-replay/data in the user's cache folder
	// SkipBroken leaves images out that cannot be decoded, which the set's text then says.
	SkipBroken bool
	// Text is what data sets of texts are to be where their text does not say it.
	Text TextDefaults
	// Context ends decoding; nil: nothing does.
	Context context.Context
	// Progress is called while images are decoded, with what is done of how many; nil: nobody asks. It is called by one
	// goroutine at a time for a split, with done = total last.
	Progress func(what string, done, total int)
}

// TextDefaults are what a network, and the folder that it is from, say of texts.
type TextDefaults struct {
	Tokenizer string // folder; "" where none is known
	Doubt     string // what is to be said where that tokenizer is taken
	Length    int    // tokens of an example; 0 where none is known
	Masked    bool   // tokens are masked, not predicted from those before
	// Vocabulary is how many ids the network has; 0 where none is known.
	Vocabulary int
}

// Kind says what a data set is, with its options and examples, and reads its text.
type Kind = spec.Kind[Source]

// Kinds are the data sets that Parse knows.
func Kinds() []Kind {
	return []Kind{mnist, fashionMNIST, cifar10, cifar100, imageFolder, imageNet, text, tokenIDs, tensors}
}

// Parse reads the text that names a data set, such as mnist:train=6000,shift=2.
func Parse(text string) (Source, error) { return spec.Choose("data set", text, Kinds()) }

// Open reads the data set's files from dir, or where it is found by itself if dir is empty.
func (s Source) Open(dir string) (*Set, error) { return s.OpenAs(Opening{Dir: dir}) }

// OpenAs reads the data set's files.
func (s Source) OpenAs(o Opening) (*Set, error) {
	if o.Context == nil {
		o.Context = context.Background()
	}
	if o.SkipBroken && !s.skips {
		return nil, fmt.Errorf("data set %s: broken images can be left out of sets of image files alone (imagefolder, imagenet)", s.Spec)
	}
	set, err := s.open(o)
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", s.Spec, err)
	}
	if set.Spec == "" {
		set.Spec = s.Spec
	}
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
