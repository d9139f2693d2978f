package averaging

import (
	"math"
	"slices"
)

// batch is some averages with the same newest checkpoint, computed in one pass.
type batch struct {
	averages []int // of the plan
	chains   []*chain
	needs    []int // checkpoints
}

// The memory is shared out so: of all of it the outputs take at most one part in outputsShare, and of what they leave at
// least one part in windowShare stays for the window of checkpoints; the rest is for running sums.
const (
	outputsShare = 2
	windowShare  = 4
	maxOutputs   = 64 // more make nothing faster
)

// schedule divides the averages into batches, decides which running sums are kept, and shares out the
// memory between those, the outputs and the window.
func (s *stream) schedule(order []int, memory int64) {
	endpoints := s.endpoints(order)
	widest := 0
	for _, e := range endpoints {
		widest = max(widest, len(e))
	}
	// Outputs: two batches of a whole endpoint where there is room, and at least one.
	outputs := s.share(min(maxOutputs, 2*widest), histories(s.plan, order), memory)
	s.pool = newPool(outputs, s.layout.bytes)
	histories := map[int]*running{} // by average
	for _, r := range s.kept {
		for _, a := range r.averages {
			histories[a] = r
		}
	}
	for _, averages := range endpoints {
		for batch := range slices.Chunk(averages, max(1, outputs/2)) {
			s.batches = append(s.batches, s.newBatch(batch, histories))
		}
	}
	s.lastUse = map[int]int{}
	for i, b := range s.batches {
		for _, index := range b.needs {
			s.lastUse[index] = i
		}
	}
}

// endpoints are the averages with the same newest checkpoint, together.
func (s *stream) endpoints(order []int) [][]int {
	var endpoints [][]int
	for _, a := range order {
		n := len(endpoints)
		if n == 0 || s.plan.Averages[endpoints[n-1][0]].Newest() != s.plan.Averages[a].Newest() {
			endpoints = append(endpoints, nil)
			n++
		}
		endpoints[n-1] = append(endpoints[n-1], a)
	}
	return endpoints
}

// share gives the running sums that are kept, and the window, what of the memory they may have; and says how many of the
// outputs that are wanted there may be. The sums that most averages go on from are kept first.
func (s *stream) share(outputs int, sums []*running, memory int64) int {
	s.kept, s.window = sums, math.MaxInt64
	if memory <= 0 {
		return outputs
	}
	size := max(1, s.layout.bytes)
	outputs = min(outputs, max(1, int(memory/outputsShare/size)))
	left := memory - int64(outputs)*size
	each := 8 * s.layout.floats // a float64 a number
	slices.SortStableFunc(s.kept, func(a, b *running) int { return len(b.averages) - len(a.averages) })
	for i := range s.kept {
		if int64(i+1)*each > left-left/windowShare {
			s.kept = s.kept[:i]
			break
		}
	}
	s.window = max(0, left-int64(len(s.kept))*each)
	return outputs
}

func (s *stream) newBatch(averages []int, histories map[int]*running) batch {
	b := batch{averages: averages}
	var windows []int
	for j, a := range averages {
		c := s.plan.Averages[a]
		if c.newestFirst() {
			windows = append(windows, j)
			continue
		}
		one := &chain{indices: c.Indices, weights: c.Weights}
		if r := histories[a]; r != nil {
			one.kept = r
			if r.count > 0 {
				one.goes = true
				one.indices, one.weights = c.Indices[r.count:], c.Weights[r.count:]
			}
			r.count = len(c.Indices)
		}
		one.stops = []stop{{len(one.indices), c.Norm, j}}
		b.chains = append(b.chains, one)
	}
	b.chains = append(b.chains, nested(s.plan, averages, windows)...)
	seen := map[int]bool{}
	need := func(index int) {
		if !seen[index] {
			seen[index] = true
			b.needs = append(b.needs, index)
		}
	}
	for _, c := range b.chains {
		for _, index := range c.indices {
			need(index)
		}
	}
	need(s.plan.Averages[averages[0]].Newest()) // integer tensors
	return b
}
