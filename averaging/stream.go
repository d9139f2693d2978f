package averaging

import (
	"context"
	"fmt"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// Options of a stream.
type Options struct {
	// Memory is the budget in bytes for the window of checkpoints, the running sums and the outputs; 0
	// sets none. Beyond it checkpoints are read again instead of kept: the bits are the same.
	Memory int64
	// DType is that of the outputs' floating tensors; "" keeps the checkpoints'. Complex ones keep theirs.
	DType checkpoint.DType
	// Newest names floating tensors that are handed out as they are in the newest checkpoint, too: Output.Newest.
	Newest func(name string) bool
}

// Output is one finished average: the data section of a checkpoint with the Tensors' arrangement.
type Output struct {
	Average int // index into Plan.Averages
	Tensors []checkpoint.Tensor
	Data    []byte
	// Newest are the tensors that Options.Newest names, by name, as they are in the newest checkpoint of the average, in
	// the type of the output. Outputs share them: they are only read.
	Newest  map[string][]byte
	pool    *pool
	sources []*loaded
}

// Verified waits until all checkpoints in the average are verified. What comes of an output before that
// must not last: the error says which checkpoint is not what was recorded.
func (o *Output) Verified() error { return verified(o.sources) }

func verified(sources []*loaded) error {
	for _, c := range sources {
		if err := c.wait(); err != nil {
			return err
		}
	}
	return nil
}

// Release gives the memory of Data back for the next average. Every output must be released.
func (o *Output) Release() {
	if o.Data != nil {
		o.pool.put(o.Data)
		o.Data = nil
	}
}

// Stream computes the averages that are wanted (by their index in plan.Averages; nil means all) and hands
// each to emit, in the plan's order. emit, or whoever it hands the output to, releases it, even where it returns an error.
//
// It goes through the trajectory once, from endpoint to endpoint. A checkpoint is mapped, and its verification
// begins, before the first average that needs it, while the one before is being computed; it stays until the
// last one is done. All
// averages of an endpoint come out of one pass over its window, piece by piece, on all cores. Averages over
// a growing history (SWA, EMA) go on from the sums of the endpoint before.
func Stream(ctx context.Context, source Source, plan *Plan, wanted func(average int) bool, o Options, emit func(*Output) error) error {
	var order []int
	for a := range plan.Averages {
		if wanted == nil || wanted(a) {
			order = append(order, a)
		}
	}
	if len(order) == 0 {
		return nil
	}
	s, err := begin(source, plan, order[0], o)
	if err != nil {
		return err
	}
	defer s.close()
	s.schedule(order, o.Memory)
	for i := range s.batches {
		if err := s.open(i); err != nil {
			return err
		}
		if i+1 < len(s.batches) {
			for _, index := range s.batches[i+1].needs {
				if s.files[index] == nil {
					s.loader.request(index)
				}
			}
		}
		outputs, err := s.compute(ctx, &s.batches[i])
		s.loader.mayVerify()
		if err != nil {
			return err
		}
		for j, out := range outputs {
			if err := emit(out); err != nil {
				release(outputs[j+1:])
				return err
			}
		}
		if err := s.retire(i); err != nil {
			return err
		}
	}
	return nil
}

// begin lays the averages out as the newest checkpoint of the first of them is.
func begin(source Source, plan *Plan, first int, o Options) (*stream, error) {
	s := &stream{plan: plan, loader: newLoader(source), files: map[int]*file{}}
	index := plan.Averages[first].Newest()
	c, err := s.loader.get(index)
	if err != nil {
		s.close()
		return nil, err
	}
	s.layout = newLayout(c.Tensors, o)
	s.files[index] = s.layout.open(c)
	if err := checkpoint.Averageable(c.Tensors); err != nil {
		s.close()
		return nil, fmt.Errorf("%s: %w", c.Path, err)
	}
	return s, nil
}

type stream struct {
	plan    *Plan
	loader  *loader
	layout  *layout
	batches []batch
	lastUse map[int]int   // checkpoint → the last batch that reads it
	files   map[int]*file // open ones
	window  int64         // bytes of checkpoints that may be kept
	pool    *pool
	kept    []*running
}

// open maps what batch i needs.
func (s *stream) open(i int) error {
	for _, index := range s.batches[i].needs {
		if s.files[index] == nil {
			s.loader.request(index)
		}
	}
	for _, index := range s.batches[i].needs {
		if s.files[index] != nil {
			continue
		}
		c, err := s.loader.get(index)
		if err != nil {
			return err
		}
		s.files[index] = s.layout.open(c)
	}
	// The newest stay longest: they are kept first.
	left := s.window
	for _, index := range slices.Backward(slices.Sorted(slices.Values(s.batches[i].needs))) {
		f := s.files[index]
		f.keep = left >= int64(len(f.Data))
		left -= int64(len(f.Data))
	}
	return nil
}

// retire closes what no later batch reads, or what there is no room for.
func (s *stream) retire(i int) error {
	for index, f := range s.files {
		if s.lastUse[index] <= i || !f.keep {
			delete(s.files, index)
			if err := f.wait(); err != nil {
				f.Close()
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stream) close() {
	s.loader.mayVerify()
	for _, f := range s.files {
		_ = f.wait()
		f.Close()
	}
	s.loader.close()
	for _, r := range s.kept {
		r.free()
	}
	if s.pool != nil {
		s.pool.close()
	}
}
