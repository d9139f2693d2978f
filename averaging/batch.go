package averaging

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// batch is some averages with the same newest checkpoint, computed in one pass.
type batch struct {
	averages []int // of the plan
	chains   []*chain
	needs    []int // checkpoints
}

// schedule divides the averages into batches, decides which running sums are kept, and shares out the
// memory between those, the outputs and the window.
func (s *stream) schedule(order []int, memory int64) {
	kept := histories(s.plan, order)
	var endpoints [][]int // averages with the same newest checkpoint
	widest := 0
	for _, a := range order {
		n := len(endpoints)
		if n == 0 || s.plan.Averages[endpoints[n-1][0]].Newest() != s.plan.Averages[a].Newest() {
			endpoints = append(endpoints, nil)
			n++
		}
		endpoints[n-1] = append(endpoints[n-1], a)
		widest = max(widest, len(endpoints[n-1]))
	}
	// Outputs: two batches of a whole endpoint where there is room, and at least one.
	outputs := min(64, 2*widest)
	s.window = math.MaxInt64
	if memory > 0 {
		size := max(1, s.layout.bytes)
		outputs = min(outputs, max(1, int(memory/2/size)))
		left := memory - int64(outputs)*size
		sums := 8 * s.layout.floats
		slices.SortStableFunc(kept, func(a, b *running) int { return len(b.averages) - len(a.averages) })
		for i := range kept {
			if int64(i+1)*sums > left-left/4 {
				kept = kept[:i]
				break
			}
		}
		s.window = max(0, left-int64(len(kept))*sums)
	}
	s.pool = newPool(outputs, s.layout.bytes)
	s.kept = kept
	histories := map[int]*running{} // by average
	for _, r := range kept {
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

// run computes pieces of all outputs of a batch, on all cores.
func (b *batch) run(ctx context.Context, pieces []piece, files map[int]*file, newestFile *file, outputs []*Output) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, max(1, min(runtime.GOMAXPROCS(0), len(pieces))))
	for n := range errs {
		wg.Go(func() {
			scratch := make([]float64, blockElements)
			errs[n] = checkpoint.Guard(newestFile.Path+" or an older checkpoint", func() error {
				for ctx.Err() == nil {
					i := int(next.Add(1)) - 1
					if i >= len(pieces) {
						return nil
					}
					b.work(&pieces[i], files, newestFile, outputs, scratch)
				}
				return ctx.Err()
			})
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// work computes one piece of all outputs of a batch.
func (b *batch) work(p *piece, files map[int]*file, newestFile *file, outputs []*Output, scratch []float64) {
	dst := func(j int) []byte { return outputs[j].Data[p.out : p.out+p.n*int64(p.to.Size())] }
	switch p.kind {
	case copied:
		for j := range outputs {
			copy(dst(j), newestFile.bytes(p))
		}
	case averaged:
		x := func(i int) []byte { return files[i].bytes(p) }
		for _, c := range b.chains {
			var state []float64
			if c.kept != nil {
				state = c.kept.state[p.float : p.float+p.n]
			}
			c.run(p.from, p.to, int(p.n), x, dst, state, scratch)
		}
	}
	for _, f := range files {
		if !f.keep {
			f.Forget(f.bytes(p))
		}
	}
}
