package averaging

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// compute makes the outputs of one batch.
func (s *stream) compute(ctx context.Context, b *batch) (_ []*Output, err error) {
	outputs := make([]*Output, len(b.averages))
	defer func() {
		if err != nil {
			release(outputs)
		}
	}()
	sources := s.sources(b)
	newestFile := s.newestOf(b)
	newest, err := s.layout.newest(newestFile)
	if err != nil {
		return nil, err
	}
	for j, a := range b.averages {
		data, err := s.pool.get(ctx)
		if err != nil {
			return nil, err
		}
		outputs[j] = &Output{a, s.layout.out, data, newest, s.pool, sources}
	}
	for _, c := range b.chains {
		if c.kept != nil && c.kept.state == nil {
			data, err := allocate(8 * s.layout.floats)
			if err != nil {
				return nil, err
			}
			c.kept.memory = data
			c.kept.state = unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(data))), s.layout.floats)
		}
	}
	files := s.filesOf(b)
	if err := b.run(ctx, s.layout.pieces(files), files, newestFile, outputs); err != nil {
		return nil, err
	}
	for _, c := range b.chains {
		if r := c.kept; r != nil && r.averages[len(r.averages)-1] == b.averages[c.stops[0].output] {
			r.free() // nothing goes on from here
		}
	}
	return outputs, nil
}

// release gives back the memory of outputs that nobody gets.
func release(outputs []*Output) {
	for _, o := range outputs {
		if o != nil {
			o.Release()
		}
	}
}

// sources are the checkpoints that a batch needs, to be verified.
func (s *stream) sources(b *batch) []*loaded {
	var out []*loaded
	for _, index := range b.needs {
		out = append(out, s.files[index].loaded)
	}
	return out
}

// newestOf is the newest checkpoint of a batch's averages.
func (s *stream) newestOf(b *batch) *file { return s.files[s.plan.Averages[b.averages[0]].Newest()] }

// filesOf are the open checkpoints that a batch needs.
func (s *stream) filesOf(b *batch) map[int]*file {
	files := make(map[int]*file, len(b.needs))
	for _, index := range b.needs {
		files[index] = s.files[index]
	}
	return files
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
