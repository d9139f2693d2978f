package model

import (
	"hash/crc32"
	"math"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// What bench/torchvision_reference.py ran torchvision's networks on.
const (
	referenceClasses = 7
	referenceBatch   = 8
)

var referenceNetworks = []string{"resnet18", "resnet34", "resnet34:stem=cifar", "resnet50", "resnet50:stem=cifar", "resnext50_32x4d", "wide_resnet50_2", "resnet50:groups=2,width-per-group=48"}

// units are n numbers from -1 to below 1 that follow from a name.
func units(name string, n int64) []float64 {
	out := make([]float64, n)
	base := crc32.ChecksumIEEE([]byte(name))
	for i := range out {
		x := uint32(i)*2654435761 + base
		x = (x ^ x>>15) * 0x2c1b3c6d
		x = (x ^ x>>12) * 0x297a2d39
		x ^= x >> 15
		out[i] = float64(x)/(1<<31) - 1
	}
	return out
}

// fillByName gives an instance the weights that follow from their names.
func fillByName(w *Weights) error {
	for _, e := range w.Entries {
		if e.Role == Counter {
			continue
		}
		values := make([]float32, e.Elements())
		for i, u := range units(e.Name, e.Elements()) {
			switch {
			case strings.HasSuffix(e.Name, "running_var"):
				u = 1 + 0.5*u
			case strings.HasSuffix(e.Name, "running_mean"), strings.HasSuffix(e.Name, "bias"):
				u *= 0.1
			case len(e.Shape) == 1:
				u = 0.75 + 0.25*u
			default:
				u *= math.Sqrt(3 / fanIn(e.Shape))
			}
			values[i] = float32(u)
		}
		if err := w.Load(e.Offset, values); err != nil {
			return err
		}
	}
	return nil
}

// someOf are eight values, evenly spaced, and the mean.
func someOf(values []float32) []float32 {
	var out []float32
	sum := 0.0
	for i := range 8 {
		out = append(out, values[i*len(values)/8])
	}
	for _, v := range values {
		sum += float64(v)
	}
	return append(out, float32(sum/float64(len(values))))
}

// distance is |a − b| / |b|, by the norm of all values.
func distance(t *testing.T, a, b []float32) float64 {
	t.Helper()
	if len(a) != len(b) || len(a) == 0 {
		t.Fatalf("%d and %d values", len(a), len(b))
	}
	off, all := 0.0, 0.0
	for i := range a {
		off += math.Pow(float64(a[i])-float64(b[i]), 2)
		all += math.Pow(float64(b[i]), 2)
	}
	return math.Sqrt(off / all)
}

// outputs are what a network gives for the images of the reference: in evaluation mode, in training mode, and the
// statistics that the latter leaves.
func outputs(spec string, trainable bool, p Precision) (map[string][]float32, error) {
	out := map[string][]float32{}
	net, err := New(spec, images(3, referenceClasses)...)
	if err != nil {
		return nil, err
	}
	side := int64(64)
	if strings.Contains(spec, "cifar") {
		side = 32
	}
	pixels := make([]uint8, referenceBatch*3*side*side)
	for i, u := range units("images", int64(len(pixels))) {
		pixels[i] = uint8((u + 1) * 128)
	}
	return out, torch.Worker(1, trainable, func() error {
		in, err := net.On(torch.CPU, Options{Trainable: trainable, Precision: p})
		if err != nil {
			return err
		}
		defer in.Free()
		if err := fillByName(in.Weights()); err != nil {
			return err
		}
		x, err := torch.From(torch.CPU, pixels, referenceBatch, 3, side, side)
		if err != nil {
			return err
		}
		defer x.Free()
		half, quarter := []float32{0.5, 0.5, 0.5}, []float32{0.25, 0.25, 0.25}
		last := Train
		if !trainable {
			last = Observe(torch.BatchNormMomentum)
		}
		for what, mode := range []Mode{Evaluate, last} {
			var s torch.Scope
			defer s.Close()
			y := in.Forward(&s, []*Tensor{s.Normalize(x, 0, referenceBatch, half, quarter)}, mode)
			if err := s.Err(); err != nil {
				return err
			}
			if !trainable && what > 0 { // nothing but the statistics is wanted of it
				continue
			}
			values := make([]float32, referenceBatch*referenceClasses)
			if err := torch.Read(values, y, 0); err != nil {
				return err
			}
			out[[]string{"evaluated", "trained"}[what]] = values
		}
		values, err := in.Weights().Values()
		if err != nil {
			return err
		}
		for _, e := range in.Weights().Entries {
			if e.Role == Statistic {
				out["statistics"] = append(out["statistics"], someOf(values[e.Offset:e.Offset+e.Elements()])...)
			}
		}
		return nil
	})
}

// Evaluating, training and observing are torchvision's within 1e-4 of the norm: in evaluation mode some 1e-6 is what the order
// of sums changes, in training mode, where the last stages have statistics of 32 values, up to some 5e-5.
func TestResNetsEqualTorchvision(t *testing.T) {
	r := open(t, "torchvision.safetensors")
	for _, spec := range referenceNetworks {
		for _, trainable := range []bool{true, false} {
			have, err := outputs(spec, trainable, torch.Float32)
			if err != nil {
				t.Fatal(err)
			}
			for what, values := range have {
				d := distance(t, values, r.floats(spec+"/float32/"+what))
				t.Logf("%s, trainable %v: %s is off by %.2g", spec, trainable, what, d)
				if !(d <= 1e-4) {
					t.Errorf("%s, trainable %v: %s is off by %.2g", spec, trainable, what, d)
				}
			}
		}
	}
}

// Under autocast each operation is PyTorch's, and where sums have its order, as in evaluation mode on the processor
// that the reference was made on, the outputs have its bits. Elsewhere a sum in another order rounds to another bfloat16 here
// and there, which spreads, most of all through statistics of 32 values. What PyTorch's own autocast loses against
// float32 is the measure: two computations that lose so much independently are √2 times as far from one another.
func TestBFloat16EqualsAutocast(t *testing.T) {
	r := open(t, "torchvision.safetensors")
	for _, spec := range []string{"resnet18", "resnet34:stem=cifar", "resnet50", "resnext50_32x4d"} {
		have, err := outputs(spec, true, torch.BFloat16)
		if err != nil {
			t.Fatal(err)
		}
		for what, values := range have {
			want, exact := r.floats(spec+"/bfloat16/"+what), r.floats(spec+"/float32/"+what)
			d, allowed := distance(t, values, want), distance(t, want, exact)
			if !(d <= math.Sqrt2*allowed) || allowed == 0 {
				t.Errorf("%s: %s is off by %.2g, PyTorch's is off from float32 by %.2g", spec, what, d, allowed)
			}
		}
	}
}

// Names, shapes and their number are torchvision's: parameters as its documentation has them, of 1000 classes.
func TestTorchvisionSizes(t *testing.T) {
	for spec, want := range map[string]int64{"resnet18": 11689512, "resnet34": 21797672, "resnet50": 25557032, "resnet101": 44549160, "resnet152": 60192808,
		"resnext50_32x4d": 25028904, "resnext101_32x8d": 88791336, "resnext101_64x4d": 83455272, "wide_resnet50_2": 68883240, "wide_resnet101_2": 126886696} {
		net, err := New(spec, images(3, 1000)...)
		if err != nil {
			t.Fatal(err)
		}
		if have := net.Layout().Parameters(); have != want {
			t.Errorf("%s: %d parameters, torchvision has %d", spec, have, want)
		}
		shapes := map[string][]int64{}
		for _, e := range net.Layout().Entries {
			shapes[e.Name] = e.Shape
		}
		if strings.Contains(spec, "50") && checkpoint.Elements(shapes["layer4.0.downsample.0.weight"]) != 2048*1024 {
			t.Errorf("%s: %v", spec, shapes)
		}
	}
}
