package foreign

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// named is a tensor of a state dict.
type named struct {
	name string
	t    *tensor
}

// tensor is what a file says of a tensor.
type tensor struct {
	dtype checkpoint.DType
	shape []int64
	parts []part
	fault string                  // why its bytes are not its values
	load  func() (*tensor, error) // of one whose parts are found when they are wanted
}

// resolve finds the tensor's parts.
func (t *tensor) resolve() error {
	if t.load == nil {
		return nil
	}
	real, err := t.load()
	if err == nil {
		*t = *real
	}
	return err
}

// slack is by how much a checkpoint's tensors may be larger than its files: tensors may be expanded.
const slack = 64 << 20

// arrange takes over the tensors: by the names that are left of theirs, without those that are to be skipped, tied
// ones once, in the order of the arranged file.
func (c *Checkpoint) arrange(tensors []named, o Options) error {
	if len(tensors) == 0 {
		return errors.New("it holds no tensors")
	}
	at := map[string]*tensor{}
	for _, n := range tensors {
		at[n.name] = n.t
	}
	for _, alias := range slices.Sorted(maps.Keys(c.Tied)) { // of the files' metadata
		tensors = append(tensors, named{alias, at[c.Tied[alias]]})
	}
	ties, shards := c.Tied, c.Shards // by the names in the files
	c.Tied, c.Shards = nil, nil
	r, err := c.renaming(tensors, o)
	if err != nil {
		return err
	}
	type place struct {
		record         *record
		offset         int64
		dtype          checkpoint.DType
		shape, strides string
	}
	first := map[place]string{}
	seen := map[string]bool{}
	var layout []checkpoint.Tensor
	parts := map[string][]part{}
	total, limit := int64(0), c.FileBytes()+slack
	for _, n := range tensors {
		name, keep := r.name(n.name)
		if !keep {
			continue
		}
		if seen[name] {
			return fmt.Errorf("two tensors are called %s", name)
		}
		seen[name] = true
		if err := n.t.resolve(); err != nil {
			return fmt.Errorf("tensor %s: %w", name, err)
		}
		if n.t.fault != "" {
			return fmt.Errorf("tensor %s: %s (--skip %s leaves it out)", name, n.t.fault, name)
		}
		entry := checkpoint.Tensor{Name: name, DType: n.t.dtype, Shape: n.t.shape}
		size, err := entry.ByteSize()
		if err != nil {
			return fmt.Errorf("tensor %s: %w", name, err)
		}
		if p := n.t.parts; len(p) == 1 && size > 0 {
			at := place{p[0].record, p[0].offset, n.t.dtype, fmt.Sprint(n.t.shape), fmt.Sprint(p[0].strides)}
			if kept, tied := first[at]; tied && !slices.Contains(o.Untie, name) {
				c.tie(name, kept)
				continue
			} else if !tied {
				first[at] = name
			}
		} else if kept, ok := ties[n.name]; ok && !slices.Contains(o.Untie, name) { // without bytes of its own
			if kept, keep := r.name(kept); keep {
				c.tie(name, kept)
				continue
			}
		}
		if size > limit-total {
			return fmt.Errorf("tensor %s: %s is more than the files hold", name, entry)
		}
		total += size
		layout = append(layout, entry)
		parts[name] = n.t.parts
		file, ok := shards[n.name]
		if !ok {
			file, ok = shards[ties[n.name]]
		}
		if ok {
			if c.Shards == nil {
				c.Shards = map[string]string{}
			}
			c.Shards[name] = file
		}
	}
	if len(layout) == 0 {
		return errors.New("no tensor of it is left when those to be skipped are")
	}
	for _, t := range checkpoint.Arrange(layout) {
		c.Tensors = append(c.Tensors, Tensor{t, parts[t.Name]})
	}
	c.whichWeights(slices.Sorted(maps.Keys(seen)))
	if err := checkpoint.Averageable(c.Layout()); err != nil {
		c.note("%v", err)
	}
	return nil
}

func (c *Checkpoint) tie(alias, kept string) {
	if c.Tied == nil {
		c.Tied = map[string]string{}
	}
	c.Tied[alias] = kept
}

// Apart names the tensors that share another's bytes in some of the checkpoints, and have bytes of their own in others:
// opened with Options.Untie of them, all have the same tensors.
func Apart(all []*Checkpoint) []string {
	stored := map[string]bool{}
	for _, c := range all {
		for _, t := range c.Tensors {
			stored[t.Name] = true
		}
	}
	apart := map[string]bool{}
	for _, c := range all {
		for alias := range c.Tied {
			if stored[alias] {
				apart[alias] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(apart))
}
