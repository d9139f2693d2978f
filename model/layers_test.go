package model

import (
	"encoding/binary"
	"testing"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

func (r reference) tensor(name string) *torch.Tensor {
	r.t.Helper()
	e, _ := r.w.Tensor(name)
	var x *torch.Tensor
	var err error
	if e.DType == "I64" {
		b := r.bytes(name)
		values := make([]int64, len(b)/8)
		for i := range values {
			values[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
		}
		x, err = torch.From(torch.CPU, values, e.Shape...)
	} else {
		x, err = torch.From(torch.CPU, r.floats(name), e.Shape...)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(x.Free)
	return x
}

// product is the sum of two tensors' products: of it the layers' gradients are taken.
type product struct{ layer Layer }

func (l product) Bind(b *Binder) Forward {
	of := b.Part("", l.layer)
	return func(p Pass, x ...*Tensor) *Tensor {
		y := of.Forward(p, x[0])
		shape, err := y.Shape()
		p.Fail(err)
		if p.Mode != Train {
			return y
		}
		n := int64(1)
		for _, s := range shape {
			n *= s
		}
		return p.Linear(p.Reshape(y, 1, n), p.Reshape(x[1], 1, n), nil)
	}
}

// read copies out a tensor, whatever its dtype and its layout in memory.
func read(t *testing.T, s *torch.Scope, x *torch.Tensor) []float32 {
	t.Helper()
	x = s.Float(x)
	shape, err := x.Shape()
	if err != nil || s.Err() != nil {
		t.Fatal(err, s.Err())
	}
	out := make([]float32, Entry{Shape: shape}.Elements())
	whole := make([]int64, len(out))
	if torch.Read(whole, x, 0) == nil {
		for i, v := range whole {
			out[i] = float32(v)
		}
	} else if err := torch.Read(out, x, 0); err != nil {
		t.Fatal(err)
	}
	return out
}

// Each layer alone, on weights of PyTorch: outputs, gradients, and the statistics of batch norm.
func TestLayersEqualPyTorch(t *testing.T) {
	r := open(t, "layers.safetensors")
	for name, c := range map[string]struct {
		layer Layer
		input string
	}{
		"linear":    {Linear{In: 8, Out: 6}, "x"},
		"bare":      {Linear{In: 8, Out: 6, NoBias: true}, "x"},
		"embedding": {Embedding{11, 4}, "ids"},
		"layernorm": {LayerNorm{Width: 8}, "x"},
		"conv":      {Conv{In: 4, Out: 6, Kernel: 3, Stride: 2, Padding: 1, Bias: true}, "image"},
		"point":     {Conv{In: 4, Out: 6, Kernel: 1, Stride: 2, Bias: true}, "image"},
		"batchnorm": {BatchNorm{4}, "image"},
	} {
		t.Run(name, func(t *testing.T) {
			r := reference{t, r.w}
			err := torch.Worker(1, true, func() error {
				in, err := NewTree(name, product{c.layer}).On(torch.CPU, Options{Trainable: true})
				if err != nil {
					return err
				}
				defer in.Free()
				w := in.Weights()
				if err := w.ResetStatistics(); err != nil {
					return err
				}
				for _, e := range w.Entries {
					if e.Role == Parameter {
						if err := w.Load(e.Offset, r.floats(name+"."+e.Name)); err != nil {
							return err
						}
					}
				}
				var s torch.Scope
				defer s.Close()
				x, g := r.tensor(c.input), r.tensor(name+".g")
				before := read(t, &s, x)
				s.Backward(in.Forward(&s, []*Tensor{x, g}, Train))
				if err := s.Err(); err != nil {
					return err
				}
				values, err := w.Values()
				if err != nil {
					return err
				}
				grads := read(t, &s, w.Gradients())
				for _, e := range w.Entries {
					switch span := func(v []float32) []float32 { return v[e.Offset : e.Offset+e.Elements()] }; e.Role {
					case Parameter:
						near(t, "gradient of "+e.Name, span(grads), r.floats(name+"."+e.Name+".grad"))
					case Statistic:
						near(t, e.Name, span(values), r.floats(name+"."+e.Name))
					}
				}
				if name != "batchnorm" { // which PyTorch ran in training mode
					near(t, "outputs", read(t, &s, in.Forward(&s, []*Tensor{x}, Evaluate)), r.floats(name+".y"))
				}
				in.Forward(&s, []*Tensor{x}, Observe(0.5))
				near(t, "the inputs afterwards", read(t, &s, x), before)
				return s.Err()
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// counted counts how often its output is computed.
type counted struct{ calls *int }

func (c counted) Bind(*Binder) Forward {
	return func(_ Pass, x ...*Tensor) *Tensor {
		*c.calls++
		return x[len(x)-1]
	}
}

// Where only statistics are wanted, nothing behind the last batch norm is computed, nor what it does not depend on; and they
// are those of a whole pass.
func TestObservingComputesWhatStatisticsNeed(t *testing.T) {
	before, beside, behind := 0, 0, 0
	conv := func(n string, stride int) ConvNormAct {
		return ConvNormAct{Conv: Conv{In: 3, Out: 3, Kernel: 3, Stride: stride, Padding: 1}, ConvName: "conv" + n, NormName: "bn" + n, ReLU: true}
	}
	net := NewTree("toy", Sequential{
		{"", counted{&before}},
		{"block", Residual{Body: conv("1", 1), Last: conv("2", 1), Shortcut: counted{&beside}}},
		{"", counted{&behind}},
		{"", Sum{{"a", ReLU{}}, {"b", counted{&behind}}}},
	}, dataset.Field{Name: "inputs"}, dataset.Field{Name: "images"})
	err := torch.Worker(1, false, func() error {
		statistics := func(m Mode) []float32 {
			in, err := net.On(torch.CPU, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer in.Free()
			if err := in.Weights().Initialize(3); err != nil {
				t.Fatal(err)
			}
			pixels := make([]uint8, 2*3*4*4)
			for i := range pixels {
				pixels[i] = uint8(37 * i)
			}
			images, err := torch.From(torch.CPU, pixels, 2, 3, 4, 4)
			if err != nil {
				t.Fatal(err)
			}
			defer images.Free()
			var s torch.Scope
			defer s.Close()
			x := s.Normalize(images, 0, 2, []float32{0, 0, 0}, []float32{1, 1, 1})
			in.Forward(&s, []*Tensor{nil, x}, m) // of two inputs the first layer takes the last
			if err := s.Err(); err != nil {
				t.Fatal(err)
			}
			for i, n := range in.Weights().Counters() {
				if n != 1 {
					t.Errorf("counter %d: %d", i, n)
				}
			}
			values, err := in.Weights().Values()
			if err != nil {
				t.Fatal(err)
			}
			return values[in.Weights().Parameters():]
		}
		near(t, "statistics", statistics(Observe(torch.BatchNormMomentum)), statistics(Train))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if before != 2 || beside != 1 || behind != 2 {
		t.Errorf("computed %d times before, %d beside and %d behind batch norm; expected 2, 1 and 2, all but the first in training", before, beside, behind)
	}
}
