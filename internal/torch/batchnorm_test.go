package torch

import (
	"math"
	"slices"
	"testing"
)

// Batch norm, its residual sum and ReLU, and their gradients have the same bits on any number of threads.
func TestBatchNormOnThreads(t *testing.T) {
	const n, c, side = 40, 24, 17 // rows of several shares, the last one short
	pass := func(threads int) (out []float64) {
		err := Worker(threads, true, func() error {
			values, gradients := make([]float32, n*c*side*side), make([]float32, 4*c)
			for i := range values {
				values[i] = float32(math.Sin(float64(i) * 0.7))
			}
			flat, err := From(CPU, gradients, 4*c)
			if err != nil {
				return err
			}
			grad, err := New[float32](CPU, 4*c)
			if err != nil {
				return err
			}
			x, err := From(CPU, values, n, c, side, side)
			if err != nil {
				return err
			}
			whole, err := New[float32](CPU, n*c*side*side)
			if err != nil {
				return err
			}
			var s Scope
			defer s.Close()
			one := []float32{1}
			for i := range c {
				if err := Write(flat, int64(i), one); err != nil {
					return err
				}
			}
			bn := &BatchNorm{s.Leaf(flat, grad, 0, []int64{c}), s.Leaf(flat, grad, c, []int64{c}), s.Leaf(flat, nil, 2*c, []int64{c}), s.Leaf(flat, nil, 3*c, []int64{c})}
			in := s.Format(s.Leaf(x, whole, 0, []int64{n, c, side, side}), ChannelsLast)
			y := s.BatchNormTrain(in, bn, in, true)
			s.Backward(s.SquareLoss(s.Reshape(y, -1), s.Reshape(x, -1)))
			if err := s.Err(); err != nil {
				return err
			}
			for _, made := range []*Tensor{y, flat, grad, whole} {
				v, err := made.Values()
				if err != nil {
					return err
				}
				out = append(out, v...)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	one := pass(1)
	for _, threads := range []int{2, 3} {
		if !slices.Equal(one, pass(threads)) {
			t.Errorf("%d threads give other bits than one", threads)
		}
	}
}
