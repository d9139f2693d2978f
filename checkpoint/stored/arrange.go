package stored

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/hint"
)

// Slack is by how many bytes a checkpoint's tensors may be larger than its files: tensors may be expanded.
const Slack = 64 << 20

// Arrange makes a checkpoint of what a format listed: by the names that are left of the tensors', without those that are
// to be skipped, tied ones once, in the order of the arranged file. The list is used up.
func Arrange(l *List, o checkpoint.Options) (*Checkpoint, error) {
	if len(l.Tensors) == 0 {
		return nil, errors.New("it holds no tensors")
	}
	at := map[string]*Tensor{}
	for _, n := range l.Tensors {
		at[n.Name] = n.Tensor
	}
	for _, alias := range slices.Sorted(maps.Keys(l.Tied)) { // of the files' metadata
		kept := at[l.Tied[alias]]
		if kept == nil {
			return nil, fmt.Errorf("tensor %s is tied to %s, which is not there", alias, l.Tied[alias])
		}
		l.Tensors = append(l.Tensors, Named{alias, kept})
	}
	r, err := l.renaming(o)
	if err != nil {
		return nil, err
	}
	a := &arranging{List: l, renaming: r, untie: o.Untie, first: map[spot]string{}, seen: map[string]bool{}, parts: map[string][]Part{}, tied: map[string]string{}}
	for _, n := range l.Tensors {
		if err := a.add(n); err != nil {
			return nil, err
		}
	}
	if len(a.layout) == 0 {
		return nil, errors.New("no tensor of it is left when those to be skipped are")
	}
	c := &Checkpoint{about: l.About, tensors: checkpoint.Arrange(a.layout), files: l.Files}
	c.about.Shards, c.about.FileBytes = a.shards, l.Bytes()
	if len(a.tied) > 0 {
		c.tied = a.tied
	}
	for _, t := range c.tensors {
		c.parts = append(c.parts, a.parts[t.Name])
	}
	if err := checkpoint.Averageable(c.tensors); err != nil {
		c.about.Note("%v", err)
	}
	return c, nil
}

// arranging is a list on its way to be a checkpoint.
type arranging struct {
	*List
	*renaming
	untie  []string
	first  map[spot]string // the tensor that is stored there
	seen   map[string]bool
	layout []checkpoint.Tensor
	parts  map[string][]Part
	tied   map[string]string // by the names here, as shards
	shards map[string]string
	total  int64 // bytes
}

// spot is where a tensor's bytes lie, and how they are read: two names of one spot are one tensor.
type spot struct {
	record         *Record
	offset         int64
	dtype          checkpoint.DType
	shape, strides string
}

// add takes over one tensor, or ties it to one that was there.
func (a *arranging) add(n Named) error {
	name, keep := a.name(n.Name)
	if !keep {
		return nil
	}
	if a.seen[name] {
		return fmt.Errorf("two tensors are called %s", name)
	}
	a.seen[name] = true
	t := n.Tensor
	if err := t.Resolve(); err != nil {
		return fmt.Errorf("tensor %s: %w", name, err)
	}
	if t.Fault != "" {
		return hint.With(fmt.Errorf("tensor %s: %s", name, t.Fault), "skip "+name, "leaves it out")
	}
	entry := checkpoint.Tensor{Name: name, DType: t.DType, Shape: t.Shape}
	size, err := entry.ByteSize()
	if err != nil {
		return fmt.Errorf("tensor %s: %w", name, err)
	}
	if kept := a.tiedTo(n, name, size); kept != "" {
		a.tied[name] = kept
		return nil
	}
	if size > a.Bytes()+Slack-a.total { // of a distributed checkpoint files are opened as tensors are found
		return fmt.Errorf("tensor %s: %s is more than the files hold", name, entry)
	}
	a.total += size
	a.layout = append(a.layout, entry)
	a.parts[name] = t.Parts
	file, ok := a.Shards[n.Name]
	if !ok {
		file, ok = a.Shards[a.Tied[n.Name]]
	}
	if ok {
		if a.shards == nil {
			a.shards = map[string]string{}
		}
		a.shards[name] = file
	}
	return nil
}

// tiedTo is the tensor whose bytes a tensor shares; "" where it has its own, or is to be untied.
func (a *arranging) tiedTo(n Named, name string, size int64) string {
	untied := slices.Contains(a.untie, name)
	if p := n.Tensor.Parts; len(p) == 1 && size > 0 {
		at := spot{p[0].Record, p[0].Offset, n.Tensor.DType, fmt.Sprint(n.Tensor.Shape), fmt.Sprint(p[0].Strides)}
		kept, taken := a.first[at]
		if !taken {
			a.first[at] = name
		} else if !untied {
			return kept
		}
	} else if kept, ok := a.Tied[n.Name]; ok && !untied { // without bytes of its own
		if kept, keep := a.name(kept); keep {
			return kept
		}
	}
	return ""
}

// Apart names the tensors that share another's bytes in some of the checkpoints, and have bytes of their own in others:
// opened with checkpoint.Options.Untie of them, all have the same tensors.
func Apart(all []checkpoint.Checkpoint) []string {
	stored := map[string]bool{}
	for _, c := range all {
		for _, t := range c.Tensors() {
			stored[t.Name] = true
		}
	}
	apart := map[string]bool{}
	for _, c := range all {
		for alias := range c.Tied() {
			if stored[alias] {
				apart[alias] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(apart))
}
