package dataset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// imageSet is what the reader of a data set of images finds; train may be nil.
type imageSet struct {
	train, val *images
	notes      []string
}

// normNamed is a choice of statistics by which the images of a set can be normalised.
type normNamed struct {
	name string
	Norm
}

// imageOptions are those that all sets of images take.
var imageOptions = append([]spec.Option{
	{Name: "train", About: "the first N training examples alone"},
	{Name: "val", About: "the first N validation examples alone"},
}, augmentOptions...)

// imageOpening is what a reader of a data set of images is asked for.
type imageOpening struct {
	dir    string
	norm   Norm
	labels string // of those that there is a choice of
}

// imageKind completes a data set of images: its options, its normalisations and, where there is a choice, its labels, of
// which the first are the usual ones.
func imageKind(k spec.Kind[Source], norms []normNamed, labels []string, read func(imageOpening) (imageSet, error)) spec.Kind[Source] {
	var names []string
	for _, n := range norms {
		names = append(names, n.name)
	}
	if len(norms) > 1 {
		k.Options = append(k.Options, spec.Option{Name: "norm", Default: names[0], About: "statistics that the images are normalised by: " + strings.Join(names, " or ")})
	}
	if len(labels) > 0 {
		k.Options = append(k.Options, spec.Option{Name: "labels", Default: labels[0], About: strings.Join(labels, " or ")})
	}
	k.Options = append(k.Options, imageOptions...)
	k.Parse = func(s *spec.Spec) Source {
		o := options{norm: norms[0]}
		if len(norms) > 1 {
			name := s.Choice("norm", names[0], names...)
			for _, n := range norms {
				if n.name == name {
					o.norm = n
				}
			}
		}
		if len(labels) > 0 {
			if o.labels = s.Choice("labels", labels[0], labels...); o.labels != labels[0] {
				o.extra = append(o.extra, "labels="+o.labels)
			}
		}
		o.train, o.val = s.Int("train", 0, 1), s.Int("val", 0, 1)
		o.augment = parseAugment(s)
		return Source{Spec: o.spec(k.Name, names[0]), open: func(at Opening) (*Set, error) {
			found, err := read(imageOpening{at.Dir, o.norm.Norm, o.labels})
			if err != nil {
				return nil, err
			}
			return o.apply(found)
		}}
	}
	return k
}

// options are what the text of a set of images says beside its name.
type options struct {
	norm       normNamed
	labels     string   // chosen; "" where there is no choice
	extra      []string // key=value of what only some sets have
	train, val int      // the first examples; 0 for all
	augment    Augment
}

// spec is the canonical text: what is as usual is left out.
func (o options) spec(name, usual string) string {
	parts := slices.Clone(o.extra)
	if o.norm.name != usual {
		parts = append(parts, "norm="+o.norm.name)
	}
	if o.train > 0 {
		parts = append(parts, fmt.Sprintf("train=%d", o.train))
	}
	if o.val > 0 {
		parts = append(parts, fmt.Sprintf("val=%d", o.val))
	}
	parts = append(parts, o.augment.texts()...)
	if len(parts) == 0 {
		return name
	}
	return name + ":" + strings.Join(parts, ",")
}

// apply makes the data set of what was read.
func (o options) apply(found imageSet) (*Set, error) {
	if err := o.augment.check(found.val.fields[0]); err != nil {
		return nil, err
	}
	val, err := first(found.val, o.val)
	if err != nil {
		return nil, err
	}
	set := &Set{Val: val, Notes: append(found.notes, found.val.fewClasses(o.val)...)}
	if found.train == nil {
		if o.train > 0 {
			return nil, fmt.Errorf("train=%d, but there is no training split", o.train)
		}
		return set, nil
	}
	found.train.augment = o.augment
	set.Notes = append(set.Notes, found.train.fewClasses(o.train)...)
	set.Train, err = first(found.train, o.train)
	return set, err
}

// fewClasses says so where the first n images are of fewer classes than the split, as where it is sorted by them.
func (s *images) fewClasses(n int) []string {
	if n == 0 || n > len(s.labels) {
		return nil
	}
	count := func(labels []int64) int {
		seen := map[int64]bool{}
		for _, l := range labels {
			seen[l] = true
		}
		return len(seen)
	}
	if few, all := count(s.labels[:n]), count(s.labels); few < all && n >= all {
		return []string{fmt.Sprintf("%s=%d: the first images are of %d of %d classes", s.name, n, few, all)}
	}
	return nil
}

// first is the first n examples, or all where n is 0.
func first(s Split, n int) (Split, error) {
	switch {
	case n > s.Len():
		return nil, fmt.Errorf("%s=%d, the split holds %d examples", s.Name(), n, s.Len())
	case n > 0:
		return Head(s, n), nil
	}
	return s, nil
}
