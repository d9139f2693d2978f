package averaging

import (
	"math"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// chain is a sum over checkpoints, in the order in which they are added, from which averages are taken on
// the way: the windows k = 1, 2, 4 of one endpoint are one chain, and cost what k = 4 costs alone.
//
// A chain that is kept goes on where it stopped at an earlier endpoint: then the sums lie in state, and
// what was added before is in them.
type chain struct {
	indices []int
	weights []float64
	stops   []stop // by rising position

	kept *running // nil: the sums are not kept
	goes bool     // on from the kept sums
}

// stop is an average that is complete once the sum has taken in the first `after` checkpoints.
type stop struct {
	after  int
	norm   float64
	output int // position in the batch
}

// running is the float64 sums over the history of one scheme, one for each element of a floating tensor.
type running struct {
	averages []int  // that are taken from it, by their index in the plan
	end      uint64 // digest of the coefficients of the last of them
	state    []float64
	memory   []byte // of state
	count    int    // checkpoints in it
}

func (r *running) free() {
	deallocate(r.memory)
	r.memory, r.state = nil, nil
}

// nested arranges averages that are summed from the newest checkpoint on into as few chains as their
// coefficients allow. batch holds averages of the plan; which, the positions in the batch to arrange.
func nested(plan *Plan, batch []int, which []int) []*chain {
	slices.SortStableFunc(which, func(a, b int) int {
		return len(plan.Averages[batch[b]].Indices) - len(plan.Averages[batch[a]].Indices)
	})
	var out []*chain
	for _, j := range which {
		c := plan.Averages[batch[j]]
		n := len(c.Indices)
		indices := slices.Clone(c.Indices)
		slices.Reverse(indices)
		at := slices.IndexFunc(out, func(o *chain) bool { return slices.Equal(o.indices[:n], indices) })
		if at < 0 {
			at = len(out)
			out = append(out, &chain{indices: indices, weights: c.Weights}) // all 1
		}
		out[at].stops = append([]stop{{n, c.Norm, j}}, out[at].stops...)
	}
	return out
}

// histories finds the averages that go on from one another: each is the one before, plus newer
// checkpoints. Those that stand alone are left out. order holds averages of the plan, by rising newest
// checkpoint.
func histories(plan *Plan, order []int) []*running {
	var all []*running
	ends := map[uint64][]*running{} // by the digest of the coefficients that they have come to
	for _, a := range order {
		c := plan.Averages[a]
		if c.newestFirst() {
			continue
		}
		var from *running
		h := newDigest(c)
		for n := range c.Indices {
			for _, r := range ends[h.next(n)] {
				if last := plan.Averages[r.averages[len(r.averages)-1]]; len(last.Indices) == n+1 && continues(last, c) {
					from = r // the longest wins
				}
			}
		}
		if from == nil {
			from = &running{}
			all = append(all, from)
		} else {
			ends[from.end] = slices.DeleteFunc(ends[from.end], func(r *running) bool { return r == from })
		}
		from.averages = append(from.averages, a)
		from.end = h.hash
		ends[from.end] = append(ends[from.end], from)
	}
	return slices.DeleteFunc(all, func(r *running) bool { return len(r.averages) < 2 })
}

// continues says whether next is last plus newer checkpoints.
func continues(last, next Coefficients) bool {
	n := len(last.Indices)
	return n <= len(next.Indices) && slices.Equal(last.Indices, next.Indices[:n]) && slices.Equal(last.Weights, next.Weights[:n])
}

// digest is a rolling hash over the coefficients from the oldest on.
type digest struct {
	c    Coefficients
	hash uint64
}

func newDigest(c Coefficients) *digest { return &digest{c, 14695981039346656037} }

// next takes in the n-th coefficient; n rises by one from call to call.
func (d *digest) next(n int) uint64 {
	for _, v := range []uint64{uint64(d.c.Indices[n]), math.Float64bits(d.c.Weights[n])} {
		d.hash = (d.hash ^ v) * 0x9e3779b97f4a7c15
		d.hash ^= d.hash >> 29
	}
	return d.hash
}

// blockElements is how many float64 sums are worked on at a time: 64 KB, which the second-level cache
// holds.
const blockElements = 1 << 13

// run sums one piece of n elements. x(i) is the piece in checkpoint i, dst(j) in output j; state is the
// piece's share of the kept sums, and scratch holds blockElements where there are none.
func (c *chain) run(from, to checkpoint.DType, n int, x func(i int) []byte, dst func(j int) []byte, state, scratch []float64) {
	in, out := from.Size(), to.Size()
	for begin := 0; begin < n; begin += blockElements {
		end := min(begin+blockElements, n)
		acc := scratch[:end-begin]
		if c.kept != nil {
			acc = state[begin:end]
		}
		empty := !c.goes
		next := 0
		for pos, i := range c.indices {
			block := x(i)[begin*in : end*in]
			if next == len(c.stops) || c.stops[next].after != pos+1 {
				add(acc, c.weights[pos], from, block, empty)
			} else {
				s := c.stops[next]
				addRound(dst(s.output)[begin*out:end*out], to, acc, c.weights[pos], from, block, s.norm, empty)
				next++
			}
			empty = false
		}
	}
}
