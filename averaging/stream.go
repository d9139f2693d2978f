package averaging

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"lawa-replay/trajectory"
	"lawa-replay/trajectory/safetensors"
)

// Source gives the checkpoints that coefficients index.
type Source interface {
	Map(index int) (*trajectory.Weights, error)
}

// Output is one finished average: the data section of a checkpoint with the Tensors' arrangement.
type Output struct {
	Average int // index into Plan.Averages
	Tensors []safetensors.Tensor
	Data    []byte
	pool    *sync.Pool
}

// Release gives the memory of Data back for the next average.
func (o *Output) Release() {
	if o.Data != nil {
		o.pool.Put(&o.Data)
		o.Data = nil
	}
}

// Stream computes the averages that are wanted (by their index in plan.Averages; nil means all) and hands
// each to emit, in the plan's order. Checkpoints are mapped when the first average needs them and unmapped
// after the last one; all averages with the same newest checkpoint come out of one pass over the window,
// block by block.
func Stream(ctx context.Context, source Source, plan *Plan, wanted func(average int) bool, emit func(*Output) error) error {
	lastUse := map[int]int{} // checkpoint → the last average that reads it
	var order []int
	for a, c := range plan.Averages {
		if wanted != nil && !wanted(a) {
			continue
		}
		order = append(order, a)
		for _, i := range c.Indices {
			lastUse[i] = a
		}
	}
	open := map[int]*trajectory.Weights{}
	defer func() {
		for _, w := range open {
			w.Close()
		}
	}()
	pool := &sync.Pool{}
	for len(order) > 0 {
		group := 1
		for group < len(order) && plan.Averages[order[group]].Newest() == plan.Averages[order[0]].Newest() {
			group++
		}
		for _, a := range order[:group] {
			for _, i := range plan.Averages[a].Indices {
				if open[i] != nil {
					continue
				}
				w, err := source.Map(i)
				if err != nil {
					return err
				}
				open[i] = w
			}
		}
		outputs, err := average(ctx, plan, order[:group], open, pool)
		if err != nil {
			return err
		}
		for _, o := range outputs {
			if err := emit(o); err != nil {
				return err
			}
		}
		done := order[group-1]
		order = order[group:]
		for i, w := range open {
			if lastUse[i] <= done {
				delete(open, i)
				if err := w.Close(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// average computes the averages of one group, which share their newest checkpoint.
func average(ctx context.Context, plan *Plan, group []int, open map[int]*trajectory.Weights, pool *sync.Pool) ([]*Output, error) {
	newest := open[plan.Averages[group[0]].Newest()]
	outputs := make([]*Output, len(group))
	for j, a := range group {
		data, _ := pool.Get().(*[]byte)
		if data == nil || len(*data) != len(newest.Data) {
			data = new([]byte)
			*data = make([]byte, len(newest.Data))
		}
		outputs[j] = &Output{a, newest.Header.Tensors, *data, pool}
	}
	sums := chains(plan, group)
	files := make(map[int]map[string]safetensors.Tensor)
	for _, a := range group {
		for _, i := range plan.Averages[a].Indices {
			if files[i] == nil {
				files[i] = byName(open[i].Header.Tensors)
			}
		}
	}
	// The blocks of all tensors, dealt out to the cores.
	type piece struct {
		tensor   safetensors.Tensor
		from, to int64 // elements
	}
	var pieces []piece
	for _, t := range newest.Header.Tensors {
		for from, n := int64(0), t.Elements(); from < n; from += pieceElements {
			pieces = append(pieces, piece{t, from, min(from+pieceElements, n)})
		}
	}
	work := func(p piece) {
		size := int64(p.tensor.DType.Size())
		bytesOf := func(i int) []byte {
			begin := files[i][p.tensor.Name].Begin
			return open[i].Data[begin+p.from*size : begin+p.to*size]
		}
		dst := func(j int) []byte {
			return outputs[j].Data[p.tensor.Begin+p.from*size : p.tensor.Begin+p.to*size]
		}
		if !p.tensor.DType.Float() {
			for j := range group {
				copy(dst(j), bytesOf(plan.Averages[group[j]].Newest()))
			}
			return
		}
		for _, c := range sums {
			c.run(p.tensor.DType, bytesOf, dst)
		}
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, min(runtime.GOMAXPROCS(0), len(pieces)))
	for n := range errs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[n] = trajectory.Guard(newest.Path+" or an older checkpoint", func() error {
				for ctx.Err() == nil {
					i := int(next.Add(1)) - 1
					if i >= len(pieces) {
						return nil
					}
					work(pieces[i])
				}
				return ctx.Err()
			})
		}()
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return outputs, nil
}

// pieceElements is what a core takes at a time.
const pieceElements = 1 << 16

func byName(tensors []safetensors.Tensor) map[string]safetensors.Tensor {
	m := make(map[string]safetensors.Tensor, len(tensors))
	for _, t := range tensors {
		m[t.Name] = t
	}
	return m
}
