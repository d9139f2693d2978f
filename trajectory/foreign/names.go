package foreign

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"lawa-replay/trajectory/safetensors"
)

// named is a tensor of a state dict.
type named struct {
	name string
	t    *tensor
}

// tensor is what a file says of a tensor.
type tensor struct {
	dtype safetensors.DType
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
		dtype          safetensors.DType
		shape, strides string
	}
	first := map[place]string{}
	seen := map[string]bool{}
	var layout []safetensors.Tensor
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
		entry := safetensors.Tensor{Name: name, DType: n.t.dtype, Shape: n.t.shape}
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
	for _, t := range safetensors.Arrange(layout) {
		c.Tensors = append(c.Tensors, Tensor{t, parts[t.Name]})
	}
	c.whichWeights(slices.Sorted(maps.Keys(seen)))
	if err := Averageable(c.Layout()); err != nil {
		c.note("%v", err)
	}
	return nil
}

// renaming is what becomes of the names in the files.
type renaming struct {
	prefix string   // that every name has from what the model was wrapped in
	strip  []string // to be taken off, where a name has it
	skip   []string // patterns of names to be left out
	left   []string // names that are left out: counters of wrappers
}

// wrapping are the modules that compilers and wrappers put between a module and its own.
var wrapping = []string{"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}

// unwrapped is a name without those, wherever they stand.
func unwrapped(name string) string {
	if !strings.Contains(name, "_orig_mod") && !strings.Contains(name, "_wrapped_module") {
		return name
	}
	return strings.Join(slices.DeleteFunc(strings.Split(name, "."), func(s string) bool { return slices.Contains(wrapping, s) }), ".")
}

// renaming finds what is to be taken off and left out, and notes it.
func (c *Checkpoint) renaming(tensors []named, o Options) (*renaming, error) {
	r := &renaming{skip: o.Skip}
	names := make([]string, len(tensors))
	for i, n := range tensors {
		names[i] = unwrapped(n.name)
	}
	r.prefix, r.left = wrappers(names, tensors)
	if len(r.left) > 0 {
		c.note("left out: %s, with which the model's wrapper counts its updates", strings.Join(r.left, ", "))
		if c.Weights == "" && slices.Contains(r.left, "n_averaged") {
			c.Weights, c.WeightsWhy = Average, "n_averaged stands beside the tensors, as torch.optim.swa_utils.AveragedModel has it"
		}
	}
	for _, p := range o.Strip {
		p = unwrapped(strings.TrimSuffix(p, ".") + ".")
		if p = strings.TrimPrefix(p, r.prefix); p == "" {
			continue // taken off already
		}
		found := false
		for i, n := range names {
			if s, ok := strings.CutPrefix(strings.TrimPrefix(n, r.prefix), p); ok && s != "" {
				names[i], found = r.prefix+s, true
			}
		}
		if !found {
			return nil, fmt.Errorf("no tensor's name begins with %s; they begin with %s", p, few(heads(names), 6))
		}
		r.strip = append(r.strip, p)
	}
	for _, s := range o.Skip {
		var out []string
		for i, n := range tensors {
			if _, err := path.Match(s, ""); err != nil {
				return nil, fmt.Errorf("pattern of names %q: %w", s, err)
			}
			if matches(s, n.name, strings.TrimPrefix(names[i], r.prefix)) {
				out = append(out, names[i])
			}
		}
		if len(out) == 0 {
			c.note("nothing is left out: no tensor is called %s", s)
		} else {
			c.note("left out, as %s: %s", s, few(out, 5))
		}
	}
	return r, nil
}

// name is what a tensor is called here; false leaves it out.
func (r *renaming) name(full string) (string, bool) {
	name := unwrapped(full)
	if slices.Contains(r.left, name) {
		return "", false
	}
	name = strings.TrimPrefix(name, r.prefix)
	for _, p := range r.strip {
		if s := strings.TrimPrefix(name, p); s != "" {
			name = s
		}
	}
	return name, !slices.ContainsFunc(r.skip, func(s string) bool { return matches(s, full, name) })
}

// matches says whether a pattern names a tensor, by its name in the file or the one that it has here. Dots are as any
// other character.
func matches(pattern, full, name string) bool {
	a, _ := path.Match(pattern, full)
	b, _ := path.Match(pattern, name)
	return a || b
}

// heads are the first words of names, each once.
func heads(names []string) []string {
	var out []string
	for _, n := range names {
		if head, _, more := strings.Cut(n, "."); more {
			n = head + "."
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// counters are the entries by which wrappers count their updates: torch.optim.swa_utils.AveragedModel and MMEngine's.
var counters = []string{"n_averaged", "steps"}

// wrappers is the prefix that every name has from what the model was wrapped in, such as DistributedDataParallel's
// "module.", but for the wrapper's counters.
func wrappers(names []string, tensors []named) (prefix string, left []string) {
	for {
		found := ""
		for _, p := range []string{"module.", "_forward_module."} {
			some, all := false, true
			var beside []string
			for i, n := range names {
				switch {
				case strings.HasPrefix(n, prefix+p):
					some = true
				case slices.Contains(left, n):
				case prefix == "" && p == "module." && slices.Contains(counters, n) && tensors[i].t.single():
					beside = append(beside, n)
				default:
					all = false
				}
			}
			if some && all {
				found, left = p, append(left, beside...)
				break
			}
		}
		if found == "" {
			return prefix, left
		}
		prefix += found
	}
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
