package model

import (
	"encoding/binary"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// reference is a file that bench/reference.py wrote with PyTorch.
type reference struct {
	t *testing.T
	w *checkpoint.Mapped
}

func open(t *testing.T, name string) reference {
	t.Helper()
	w, err := safetensors.Map(filepath.Join("..", "testdata", "reference", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return reference{t, w}
}

func (r reference) bytes(name string) []byte {
	r.t.Helper()
	e, ok := r.w.Tensor(name)
	if !ok {
		r.t.Fatalf("no tensor %s", name)
	}
	return r.w.Data[e.Begin:e.End]
}

func (r reference) floats(name string) []float32 {
	b := r.bytes(name)
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

func (r reference) labels() []int64 {
	b := r.bytes("labels")
	out := make([]int64, len(b)/8)
	for i := range out {
		out[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return out
}

// networks pairs each reference with the network it came from.
var networks = []struct {
	file, spec     string
	channels, size int64
}{
	{"a.safetensors", "resnet8:width=4,stem-stride=2", 1, 12},
	{"b.safetensors", "resnet14:width=4,shortcut=B", 3, 8},
}

// each runs f for every reference, with an instance that holds its weights.
func each(t *testing.T, f func(t *testing.T, r reference, in Instance, images *torch.Tensor)) {
	for _, n := range networks {
		t.Run(n.spec, func(t *testing.T) {
			r := open(t, n.file)
			err := torch.Worker(1, true, func() error {
				net, err := New(n.spec, images(n.channels, 10)...)
				if err != nil {
					return err
				}
				in, err := net.On(torch.CPU, Options{Trainable: true})
				if err != nil {
					return err
				}
				defer in.Free()
				for _, e := range net.Layout().Entries {
					if e.Role != Counter {
						if err := in.Weights().Load(e.Offset, r.floats("before."+e.Name)); err != nil {
							return err
						}
					}
				}
				images, err := torch.From(torch.CPU, r.bytes("images"), 40, n.channels, n.size, n.size)
				if err != nil {
					return err
				}
				defer images.Free()
				f(t, r, in, images)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// near compares with what PyTorch gave. Both compute in float32 with other orders of summation: 1e-5 of
// the largest magnitude is some tens of roundings.
func near(t *testing.T, what string, have, want []float32) {
	t.Helper()
	if len(have) != len(want) {
		t.Fatalf("%s: %d values, PyTorch has %d", what, len(have), len(want))
	}
	scale := 1.0
	for _, v := range want {
		scale = max(scale, math.Abs(float64(v)))
	}
	for i := range have {
		if d := math.Abs(float64(have[i] - want[i])); !(d <= 1e-5*scale) {
			t.Fatalf("%s[%d]: %v, PyTorch has %v (off by %.2g)", what, i, have[i], want[i], d)
		}
	}
}

func logits(t *testing.T, r reference, in Instance, images *torch.Tensor) []float32 {
	t.Helper()
	lib := torch.Scope{}
	defer lib.Close()
	y := in.Forward(&lib, []*Tensor{lib.Normalize(images, 0, 40, r.floats("mean"), r.floats("std"))}, Evaluate)
	if err := lib.Err(); err != nil {
		t.Fatal(err)
	}
	out := make([]float32, 400)
	if err := torch.Read(out, y, 0); err != nil {
		t.Fatal(err)
	}
	return out
}

func check(t *testing.T, r reference, in Instance, prefix string, skip Role) {
	t.Helper()
	values, err := in.Weights().Values()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range in.Weights().Entries {
		if e.Role != skip && e.Role != Counter {
			near(t, prefix+e.Name, values[e.Offset:e.Offset+e.Elements()], r.floats(prefix+e.Name))
		}
	}
}

func TestEvaluateEqualsPyTorch(t *testing.T) {
	each(t, func(t *testing.T, r reference, in Instance, images *torch.Tensor) {
		near(t, "logits", logits(t, r, in, images), r.floats("logits"))
	})
}

func TestRecomputeEqualsUpdateBN(t *testing.T) {
	each(t, func(t *testing.T, r reference, in Instance, images *torch.Tensor) {
		batch := func(s *torch.Scope, from, to int) []*torch.Tensor {
			return []*torch.Tensor{s.Normalize(images, int64(from), int64(to), r.floats("mean"), r.floats("std"))}
		}
		if err := Recompute([]Instance{in}, Observing{Examples: 40, BatchSize: 16, Batch: batch, Interrupted: func() error { return nil }}); err != nil {
			t.Fatal(err)
		}
		check(t, r, in, "renewed.", -1)
		near(t, "renewed_logits", logits(t, r, in, images), r.floats("renewed_logits"))
		for i, n := range in.Weights().Counters() {
			if want := binary.LittleEndian.Uint64(r.bytes("renewed.bn1.num_batches_tracked")); uint64(n) != want {
				t.Errorf("counter %d: %d batches, PyTorch counted %d", i, n, want)
			}
		}
	})
}

// A tolerance ends the pass when the statistics are known so well, by what differs between batches; what was observed until then is what a
// pass over as many examples observes.
func TestRecomputeStops(t *testing.T) {
	each(t, func(t *testing.T, r reference, in Instance, images *torch.Tensor) {
		w := in.Weights()
		observed := func(first, n int, tolerance float64) ([]float64, int64) {
			batch := func(s *torch.Scope, from, to int) []*torch.Tensor {
				return []*torch.Tensor{s.Normalize(images, int64(first+from), int64(first+to), r.floats("mean"), r.floats("std"))}
			}
			if err := Recompute([]Instance{in}, Observing{Examples: n, BatchSize: 4, Batch: batch, Tolerance: tolerance, Interrupted: func() error { return nil }}); err != nil {
				t.Fatal(err)
			}
			values, err := w.Values()
			if err != nil {
				t.Fatal(err)
			}
			var out []float64
			for _, e := range w.Entries {
				if e.Role == Statistic {
					for _, v := range values[e.Offset : e.Offset+e.Elements()] {
						out = append(out, float64(v))
					}
				}
			}
			return out, w.Counters()[0]
		}
		whole, _ := observed(0, 40, 0)
		if tiny, n := observed(0, 40, 1e-9); n != 10 || !slices.Equal(tiny, whole) {
			t.Errorf("%d batches for a tolerance that is never met", n)
		}
		// The error by hand: of the mean of ten batches, each observed alone.
		var alone [][]float64
		for i := range 10 {
			s, _ := observed(4*i, 4, 0)
			alone = append(alone, s)
		}
		errOf := func(batches int, mean []float64) float64 {
			sum, n, at := 0.0, 0.0, 0
			for _, e := range w.Entries {
				if e.Role != Statistic {
					continue
				}
				for c := range int(e.Elements()) {
					m, squares := 0.0, 0.0
					for _, s := range alone[:batches] {
						m += s[at+c] / float64(batches)
					}
					for _, s := range alone[:batches] {
						squares += (s[at+c] - m) * (s[at+c] - m)
					}
					variance := mean[at+c] + 1e-5
					power := 2
					if strings.HasSuffix(e.Name, "mean") {
						variance, power = mean[at+c+int(e.Elements())]+1e-5, 1
					}
					sum += squares / float64(batches-1) / float64(batches) / math.Pow(variance, float64(power))
					n++
				}
				at += int(e.Elements())
			}
			return math.Sqrt(sum / n)
		}
		six, _ := observed(0, 24, 0)
		bound := errOf(6, six)
		for i := fewBatches; i < 6; i++ { // it is the first that is so small
			if s, _ := observed(0, 4*i, 0); errOf(i, s) <= bound {
				return
			}
		}
		if s, n := observed(0, 40, bound*1.001); n != 6 || !slices.Equal(s, six) {
			t.Errorf("the error %v is met after %d batches, expected 6", bound, n)
		}
	})
}

func TestTrainEqualsPyTorch(t *testing.T) {
	each(t, func(t *testing.T, r reference, in Instance, images *torch.Tensor) {
		labels := r.labels()
		var losses []float32
		momentum, err := torch.New[float32](torch.CPU, in.Weights().Parameters())
		if err != nil {
			t.Fatal(err)
		}
		defer momentum.Free()
		for step := range 5 {
			var s torch.Scope
			from := 16 * (step % 2)
			y, err := torch.From(torch.CPU, labels[from:from+16], 16)
			if err != nil {
				t.Fatal(err)
			}
			x := s.Normalize(images, int64(from), int64(from+16), r.floats("mean"), r.floats("std"))
			loss := s.ClassLoss(in.Forward(&s, []*Tensor{x}, Train), y, 0.1)
			s.Backward(loss)
			if err := s.Err(); err != nil {
				t.Fatal(err)
			}
			var v [1]float32
			if err := torch.Read(v[:], loss, 0); err != nil {
				t.Fatal(err)
			}
			losses = append(losses, v[0])
			if err := torch.SGD(in.Weights().Flat(), in.Weights().Gradients(), momentum, 0.05, 0.9, 5e-3, true, step == 0); err != nil {
				t.Fatal(err)
			}
			s.Close()
			y.Free()
		}
		near(t, "losses", losses, r.floats("losses"))
		check(t, r, in, "trained.", -1)
	})
}
