package torch

import (
	"strings"
	"testing"
)

func TestPrecisions(t *testing.T) {
	for i, name := range Precisions {
		if p, err := ParsePrecision(name); err != nil || p != Precision(i) || p.String() != name {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	if p, err := ParsePrecision(""); p != Float32 || err != nil {
		t.Errorf("no name: %v, %v", p, err)
	}
	if _, err := ParsePrecision("bflaot16"); err == nil || !strings.Contains(err.Error(), "did you mean bfloat16?") {
		t.Error(err)
	}
	if err := TF32.Check(CPU); err == nil || TF32.Check(0) != nil || BFloat16.Check(CPU) != nil {
		t.Error(err)
	}
}

// Under autocast a product is bfloat16's, a loss is not, and nothing of it is left behind.
func TestAutocast(t *testing.T) {
	err := Worker(1, true, func() error {
		flat, err := From(CPU, []float32{1.001, 2, 3, 4}, 4)
		if err != nil {
			return err
		}
		defer flat.Free()
		grad, err := New[float32](CPU, 4)
		if err != nil {
			return err
		}
		defer grad.Free()
		var views, s Scope
		defer views.Close()
		defer s.Close()
		w := views.Leaf(flat, grad, 0, []int64{2, 2})
		x := views.Leaf(flat, nil, 0, []int64{2, 2})
		dtype := -1
		for _, p := range []Precision{BFloat16, Float32} {
			y := s.In(p, CPU, func() *Tensor {
				y := s.Linear(x, w, nil)
				if s.Err() == nil {
					_, dtype, _, err = y.describe()
				}
				return y
			})
			v, err2 := y.Values()
			if err != nil || err2 != nil || s.Err() != nil {
				t.Fatal(err, err2, s.Err())
			}
			const float32, bfloat16 = 6, 15
			want, first := float32, 1.001*1.001+4
			if p == BFloat16 {
				want, first = bfloat16, 5
			}
			if d := v[0] - first; dtype != want || d > 1e-6 || d < -1e-6 {
				t.Errorf("%v: dtype %d, %v", p, dtype, v)
			}
			if err := y.is(float32); err != nil {
				t.Error(err)
			}
			s.Backward(s.SquareLoss(y, x))
		}
		return s.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}
