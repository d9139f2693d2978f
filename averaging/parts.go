package averaging

import (
	"cmp"
	"context"
	"io"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// Parts is one average that is computed piece by piece, as it is written: for those that memory does not hold. The
// bits are those that Stream gives.
type Parts struct {
	Tensors []checkpoint.Tensor // as in an Output
	Newest  map[string][]byte   // as in an Output

	ctx    context.Context
	stream *stream
	batch  batch
	pieces []piece // by their place in the output
	slab   int64   // bytes that are computed at a time
}

// The bytes of a slab: one part in slabShare of the memory, within bounds. Two are held: one is computed while the one
// before is written.
const minSlab, maxSlab, slabShare = 1 << 20, 64 << 20, 8

// NewParts maps the checkpoints of an average of the plan; their verification begins. A quarter of Options.Memory is
// used. Parts must be closed.
func NewParts(ctx context.Context, source Source, plan *Plan, average int, o Options) (*Parts, error) {
	s, err := begin(source, plan, 0, o) // as all averages of the plan are laid out
	if err != nil {
		return nil, err
	}
	p := &Parts{Tensors: s.layout.out, ctx: ctx, stream: s, batch: s.newBatch([]int{average}, nil)}
	s.batches = []batch{p.batch}
	if err := s.open(0); err != nil { // s.window is 0: pages are let go after their use
		s.close()
		return nil, err
	}
	if p.Newest, err = s.layout.newest(s.newestOf(&p.batch)); err != nil {
		s.close()
		return nil, err
	}
	s.loader.mayVerify()
	p.pieces = slices.Clone(s.layout.pieces(s.filesOf(&p.batch)))
	slices.SortFunc(p.pieces, func(a, b piece) int { return cmp.Compare(a.out, b.out) })
	p.slab = min(maxSlab, max(minSlab, o.Memory/slabShare)) / 64 * 64 // no element lies across a border
	return p, nil
}

// Write computes bytes [begin, end) of the data section, which are whole tensors, and writes them.
func (p *Parts) Write(w io.Writer, begin, end int64) error {
	type slab struct {
		data []byte
		err  error
	}
	ctx, cancel := context.WithCancel(p.ctx)
	free, ready := make(chan []byte, 2), make(chan slab)
	defer func() {
		cancel()
		for s := range ready { // until the other side is done with the memory
			deallocate(s.data)
		}
		for len(free) > 0 {
			deallocate(<-free)
		}
	}()
	go func() {
		defer close(ready)
		made := 0
		for at := begin; at < end; at += p.slab {
			n := min(p.slab, end-at)
			var data []byte
			var err error
			if made < cap(free) {
				made++
				data, err = allocate(min(p.slab, end-begin))
			} else {
				select {
				case data = <-free:
				case <-ctx.Done():
					return
				}
			}
			if err == nil {
				err = p.compute(ctx, data[:min(n, int64(len(data)))], at)
			}
			ready <- slab{data, err}
			if err != nil {
				return
			}
		}
	}()
	for at := begin; at < end; at += p.slab {
		s, ok := <-ready
		if !ok {
			return p.ctx.Err()
		}
		err := s.err
		if err == nil {
			_, err = w.Write(s.data[:min(p.slab, end-at)])
		}
		free <- s.data
		if err != nil {
			return err
		}
	}
	return nil
}

// compute fills data with the bytes of the data section from begin on.
func (p *Parts) compute(ctx context.Context, data []byte, begin int64) error {
	end := begin + int64(len(data))
	first, _ := slices.BinarySearchFunc(p.pieces, begin, func(x piece, at int64) int { return cmp.Compare(x.out+x.n*int64(x.to.Size()), at+1) })
	var pieces []piece
	for _, x := range p.pieces[first:] {
		if x.out >= end {
			break
		}
		pieces = append(pieces, x.within(begin, end))
	}
	files := p.stream.filesOf(&p.batch)
	return p.batch.run(ctx, pieces, files, p.stream.newestOf(&p.batch), []*Output{{Data: data}})
}

// within is the part of a piece that lies in bytes [begin, end) of the output, placed as from begin on.
func (p piece) within(begin, end int64) piece {
	size := int64(p.to.Size())
	if skip := (begin - p.out) / size; skip > 0 {
		p.offset, p.float, p.n = p.offset+skip, p.float+skip, p.n-skip
		p.in, p.out = p.in+skip*int64(p.from.Size()), p.out+skip*size
	}
	p.n = min(p.n, (end-p.out)/size)
	p.out -= begin
	return p
}

// Verified is as that of an Output.
func (p *Parts) Verified() error { return verified(p.stream.sources(&p.batch)) }

// Close lets go of the checkpoints.
func (p *Parts) Close() { p.stream.close() }
