package sweep

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Shard is part I of N of a plan, counted from 1. N is at most MaxShards.
type Shard struct{ I, N int }

// MaxShards is the largest N: of more shards it would take long to say which of them lack what.
const MaxShards = 1 << 16

// ParseShard reads 2/8.
func ParseShard(text string) (Shard, error) {
	a, b, _ := strings.Cut(text, "/")
	i, err1 := strconv.Atoi(a)
	n, err2 := strconv.Atoi(b)
	if err1 != nil || err2 != nil || i < 1 || i > n || n > MaxShards {
		return Shard{}, fmt.Errorf("shard %q: want I/N, part I of N, such as 1/8 to 8/8, and at most %d of them", text, MaxShards)
	}
	return Shard{i, n}, nil
}

// String is the text that ParseShard reads.
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.I, s.N) }

// Shard is the part of a plan that one process evaluates: a block of its cells. Whole endpoints stay together, and
// neighbours, whose windows share their checkpoints; blocks have as many cells as that allows. Every cell is in exactly
// one of the shards 1/n to n/n, that of a baseline which several need, too. What is known of it already does not change
// the blocks. There may be fewer endpoints than shards: then some are empty.
func (p *Plan) Shard(s Shard) *Plan {
	out := *p
	out.Cells, out.rows = nil, nil
	in := map[string]bool{}
	for begin, end := range p.endpoints() {
		// The shard in which the middle of the endpoint's cells lies, if all were cut evenly.
		if (begin+end)*s.N/(2*len(p.Cells)) != s.I-1 {
			continue
		}
		out.Cells = append(out.Cells, p.Cells[begin:end]...)
		for _, c := range p.Cells[begin:end] {
			in[c.Key] = true
		}
	}
	for _, r := range p.rows {
		if in[r.key] {
			out.rows = append(out.rows, r)
		}
	}
	return &out
}

// endpoints goes through the places in Cells where those of one endpoint begin and end.
func (p *Plan) endpoints() func(yield func(begin, end int) bool) {
	return func(yield func(begin, end int) bool) {
		for begin := 0; begin < len(p.Cells); {
			end := begin
			for end < len(p.Cells) && p.Cells[end].Run == p.Cells[begin].Run && p.newest(p.Cells[end]) == p.newest(p.Cells[begin]) {
				end++
			}
			if !yield(begin, end) {
				return
			}
			begin = end
		}
	}
}

// newest is the index of the newest checkpoint of a cell's average.
func (p *Plan) newest(c Cell) int { return p.plans[c.Run].Averages[c.Average].Newest() }

// shardsName is the folder in a sweep's folder that holds those of its shards.
const shardsName = "shards"

// Dir is the shard's folder in that of the sweep. No two shards write into the same.
func (s Shard) Dir(sweep string) string {
	return filepath.Join(sweep, shardsName, fmt.Sprintf("%d-of-%d", s.I, s.N))
}

// Shards lists the shards that have a folder in that of a sweep, 1/2 before 2/2 before 1/3.
func Shards(dir string) ([]Shard, error) {
	paths, err := input.List(filepath.Join(dir, shardsName), "*-of-*")
	if err != nil {
		return nil, err
	}
	var out []Shard
	for _, path := range paths {
		if s, err := ParseShard(strings.Replace(filepath.Base(path), "-of-", "/", 1)); err == nil && s.Dir(dir) == path {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Shard) int { return cmp.Or(a.N-b.N, a.I-b.I) })
	return out, nil
}

// StoreFolders are those of the stores of a sweep's folder and of its shards, whether they are there or not.
func StoreFolders(dir string) ([]string, error) {
	shards, err := Shards(dir)
	if err != nil {
		return nil, err
	}
	out := []string{filepath.Join(dir, storeName)}
	for _, s := range shards {
		out = append(out, filepath.Join(s.Dir(dir), storeName))
	}
	return out, nil
}

// Stores are several that are read at once.
type Stores []*Store

// Seconds are those for which a slot was busy with an evaluation, as the store that has it says.
func (s Stores) Seconds(key string) (seconds float64, known bool) {
	for _, one := range s {
		if k, ok, err := one.get(key); ok && err == nil && k.Seconds > 0 {
			return k.Seconds, true
		}
	}
	return 0, false
}

// ReadStores opens the store of a sweep's folder and those of its shards for reading, but for the one in the folder
// except, whatever other processes are adding to them.
func ReadStores(dir, except string, note func(Note)) (Stores, error) {
	folders, err := StoreFolders(dir)
	if err != nil {
		return nil, err
	}
	var out Stores
	for _, folder := range folders {
		if except != "" && filepath.Dir(folder) == filepath.Clean(except) {
			continue
		}
		s, err := ReadStore(folder, note)
		if err != nil {
			out.Close()
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Close closes all of them.
func (s Stores) Close() {
	for _, one := range s {
		one.Close() // nothing was written
	}
}
