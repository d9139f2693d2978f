package importer

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// maxCompared is how many bytes of weights are read at most to tell whether checkpoints that stand beside a series are
// copies of it. Checksums in the files, where there are some, tell it without reading.
const maxCompared = 1 << 30

// comparer tells whether checkpoints hold the same weights.
type comparer struct {
	read    int64
	digests map[string][sha256.Size]byte
	prints  map[string]string // by path; "" where the file has no checksums
}

func (c *comparer) fingerprint(a checkpoint.Checkpoint) string {
	p, known := c.prints[a.About().Path]
	if !known {
		if f, ok := a.(interface{ Fingerprint() (string, bool) }); ok {
			p, _ = f.Fingerprint()
		}
		if c.prints == nil {
			c.prints = map[string]string{}
		}
		c.prints[a.About().Path] = p
	}
	return p
}

// same says whether a and b are known to hold the same tensors with the same bytes: not where too much had to be read.
func (c *comparer) same(a, b checkpoint.Checkpoint) bool {
	if x, err := os.Stat(a.About().Path); err == nil {
		if y, err := os.Stat(b.About().Path); err == nil && os.SameFile(x, y) {
			return true
		}
	}
	if checkpoint.Size(a) != checkpoint.Size(b) {
		return false
	}
	if x, y := c.fingerprint(a), c.fingerprint(b); x != "" && y != "" {
		return x == y
	}
	if checkpoint.SameTensors(a.Tensors(), b.Tensors()) != nil {
		return false
	}
	x, ok := c.digest(a)
	if !ok {
		return false
	}
	y, ok := c.digest(b)
	return ok && x == y
}

func (c *comparer) digest(a checkpoint.Checkpoint) (sum [sha256.Size]byte, ok bool) {
	if sum, ok := c.digests[a.About().Path]; ok {
		return sum, true
	}
	if c.read += checkpoint.Size(a); c.read > maxCompared {
		return sum, false
	}
	each := map[string]hash.Hash{} // of each tensor, for their order is the format's
	if a.Stream(func(t *checkpoint.Tensor, data []byte) error {
		if t == nil { // the header
			return nil
		}
		if each[t.Name] == nil {
			each[t.Name] = sha256.New()
		}
		each[t.Name].Write(data)
		return nil
	}) != nil {
		return sum, false
	}
	all := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(each)) {
		fmt.Fprintf(all, "%q %x\n", name, each[name].Sum(nil))
	}
	all.Sum(sum[:0])
	if c.digests == nil {
		c.digests = map[string][sha256.Size]byte{}
	}
	c.digests[a.About().Path] = sum
	return sum, true
}

// leftOut is a checkpoint that is not of the series.
type leftOut struct {
	item
	name name
	why  string
	c    checkpoint.Checkpoint // nil where it cannot be read
	copy string                // of which one it is a copy
}

// look opens what was left out and finds what it is a copy of.
func (l *leftOut) look(all []opened, open *opener, compare *comparer) {
	c, err := open.open(l.path)
	if err != nil {
		return
	}
	l.c = c
	// Likely ones first: of the same epoch, then the last.
	order := make([]*opened, 0, len(all))
	for i := len(all) - 1; i >= 0; i-- {
		order = append(order, &all[i])
	}
	likely := func(a *opened) bool {
		return l.name.epoch == a.name.epoch || of(c.About().Info.Epoch) == of(a.c.About().Info.Epoch) || of(c.About().Info.Step) == of(a.c.About().Info.Step)
	}
	slices.SortStableFunc(order, func(a, b *opened) int {
		switch {
		case likely(a) == likely(b):
			return 0
		case likely(a):
			return -1
		}
		return 1
	})
	for _, a := range order {
		if !said(inEpoch(a), of(c.About().Info.Epoch)) || !said(inStep(a), of(c.About().Info.Step)) {
			continue
		}
		if compare.same(c, a.c) {
			l.copy = a.base()
			return
		}
	}
}

// alone says of which epoch it is, where no checkpoint of the series is of that one.
func (l *leftOut) alone(all []opened) string {
	if l.c == nil || l.copy != "" {
		return ""
	}
	for _, k := range []struct {
		what string
		own  float64
		of   clock
	}{{"epoch", l.name.epoch, nameEpoch}, {"epoch", of(l.c.About().Info.Epoch), inEpoch}, {"step", of(l.c.About().Info.Step), inStep}} {
		if math.IsNaN(k.own) {
			continue
		}
		has := slices.ContainsFunc(all, func(a opened) bool { return k.of(&a) == k.own })
		if !has && slices.ContainsFunc(all, func(a opened) bool { return !math.IsNaN(k.of(&a)) }) {
			return fmt.Sprintf("it is of %s %s, of which there is no other: name the files to take it", k.what, plain(k.own))
		}
		return ""
	}
	return ""
}

// report says what was left out, and why.
func (u *Understood) report(left []leftOut, all []opened) {
	reasons := map[string][]string{}
	var order []string
	add := func(why, label string) {
		if reasons[why] == nil {
			order = append(order, why)
		}
		reasons[why] = append(reasons[why], label)
	}
	copies := map[string]bool{} // of how many others
	for _, l := range left {
		copies[l.copy] = copies[l.copy] || l.copy != ""
	}
	for _, l := range left {
		switch alone := l.alone(all); {
		case l.copy != "" && len(copies) > 5:
			add("each the weights of another once more, such as "+left[slices.IndexFunc(left, func(l leftOut) bool { return l.copy != "" })].copy, l.label)
		case l.copy != "":
			add("the weights of "+l.copy+" once more", l.label)
		case alone != "":
			add(l.why+"; "+alone, l.label)
		default:
			add(l.why, l.label)
		}
	}
	var parts []string
	for _, why := range order {
		labels := reasons[why]
		text := strings.Join(labels[:min(len(labels), 4)], ", ")
		if n := len(labels); n > 4 {
			text += fmt.Sprintf(" and %d more", n-4)
		}
		parts = append(parts, text+" ("+why+")")
	}
	if len(parts) > 0 {
		u.note("left out: %s", strings.Join(parts, "; "))
	}
}

// said says whether two files may be of the same epoch, or step: they say the same, or one says nothing.
func said(a, b float64) bool { return a == b || math.IsNaN(a) || math.IsNaN(b) }

// withoutCopies parts from the items those of series whose checkpoints are all copies of the largest one's: files saved
// twice. It says false where they are not.
func withoutCopies(items []item, clash *seriesError, open *opener) (kept []item, left []leftOut, ok bool) {
	main := slices.MaxFunc(clash.list, func(a, b *series) int { // of equal ones that with the plainer name, without -v1
		return cmp.Or(len(a.items)-len(b.items), len(b.stem)-len(a.stem))
	})
	compare := &comparer{}
	var all []opened
	for n, i := range main.items {
		c, err := open.open(items[i].path)
		if err != nil {
			return nil, nil, false
		}
		all = append(all, opened{item: items[i], name: main.name(n, items[i].label), c: c, of: main})
	}
	copies := map[int]leftOut{}
	for _, s := range clash.list {
		if s == main {
			continue
		}
		for n, i := range s.items {
			l := leftOut{item: items[i], name: s.name(n, items[i].label), why: "a copy"}
			if l.look(all, open, compare); l.copy == "" {
				return nil, nil, false
			}
			copies[i] = l
		}
	}
	for i, it := range items {
		if l, copied := copies[i]; copied {
			left = append(left, l)
		} else {
			kept = append(kept, it)
		}
	}
	return kept, left, true
}

// distinct leaves out checkpoints that hold the weights of another one of the same epoch or step: the best one under a name
// of its own, a file saved twice. Those that were named on their own stay.
func (o Options) distinct(all []opened, left []leftOut, compare *comparer) ([]opened, []leftOut) {
	when := func(a *opened) [2]float64 {
		e, s := a.name.epoch, a.name.step
		if o.Numbers == "inside" || a.name.none() {
			e, s = inEpoch(a), inStep(a)
		}
		return [2]float64{e, s}
	}
	var out []opened
	for i := range all {
		a := all[i]
		at := slices.IndexFunc(out, func(b opened) bool {
			if x, y := when(&a), when(&b); !sameOrUnknown(x[0], y[0]) || !sameOrUnknown(x[1], y[1]) || math.IsNaN(x[0]) && math.IsNaN(x[1]) {
				return false
			}
			return compare.same(a.c, b.c)
		})
		if at < 0 || a.named {
			out = append(out, a)
			continue
		}
		if kept := out[at]; !kept.named && twin(kept.label) != "" && twin(a.label) == "" { // keep the plain one
			out[at], a = a, kept
		}
		left = append(left, leftOut{item: a.item, name: a.name, why: "a copy", c: a.c, copy: out[at].base()})
	}
	return out, left
}

// sameOrUnknown compares numbers that may both be unknown.
func sameOrUnknown(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
