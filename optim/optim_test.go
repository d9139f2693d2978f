package optim

import (
	"encoding/binary"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

func TestKinds(t *testing.T) {
	for _, k := range Kinds() {
		if err := k.Check(); err != nil {
			t.Error(err)
		}
		for _, text := range k.Examples {
			o, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := Parse(o.Spec()); err != nil || again != o {
				t.Errorf("%s read again is %v, %v", o.Spec(), again, err)
			}
		}
	}
	for _, text := range []string{"sdg", "sgd:momentum=1", "sgd:momentum=0,nesterov=true", "sgd:weight-decay=-1", "adam:beta1=1", "adam:momentum=0.9", "adamw:eps=0", "sgd:decay-vectors=maybe",
		"lookahead:k=0", "lookahead:optimizer=lookahead", "lookahead:optimizer=adam,nesterov=true"} {
		if o, err := Parse(text); err == nil {
			t.Errorf("%q: %s", text, o.Spec())
		}
	}
}

// floats reads a tensor of what bench/reference.py wrote with PyTorch.
func floats(t *testing.T, name string) []float32 {
	t.Helper()
	w, err := safetensors.Map(filepath.Join("..", "testdata", "reference", "optim.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	e, ok := w.Tensor(name)
	if !ok {
		t.Fatalf("no tensor %s", name)
	}
	out := make([]float32, e.Elements())
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(w.Data[e.Begin+4*int64(i):]))
	}
	return out
}

// Fifty steps of each optimizer from PyTorch's weights, with the gradients that it had. Both round to float32 at each step,
// PyTorch between its operations too: 1e-5 of the largest magnitude is some two roundings a step.
func TestStepsEqualPyTorch(t *testing.T) {
	for name, text := range map[string]string{
		"sgd":       "sgd:momentum=0.9,nesterov=true,weight-decay=0.01",
		"plain":     "sgd:momentum=0,weight-decay=0",
		"adam":      "adam:beta2=0.99,weight-decay=0.01",
		"adamw":     "adamw:beta1=0.8,weight-decay=0.1",
		"lookahead": "lookahead:k=3,alpha=0.4,optimizer=sgd,momentum=0.9,weight-decay=0.01",
		"clipped":   "sgd:momentum=0.9,weight-decay=0.01",
		// The last 20 weights do not decay.
		"sgd-groups":   "sgd:momentum=0.9,weight-decay=0.05,decay-vectors=false",
		"adam-groups":  "adam:weight-decay=0.05,decay-vectors=false",
		"adamw-groups": "adamw:weight-decay=0.2,decay-vectors=false",
	} {
		t.Run(name, func(t *testing.T) {
			o, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			weights, grads, want := floats(t, "weights"), floats(t, "gradients"), floats(t, name)
			n := len(weights)
			err = torch.Worker(1, false, func() error {
				w, err := torch.From(torch.CPU, weights, int64(n))
				if err != nil {
					return err
				}
				defer w.Free()
				g, err := torch.New[float32](torch.CPU, int64(n))
				if err != nil {
					return err
				}
				defer g.Free()
				s, err := NewState(o, torch.CPU, int64(n))
				if err != nil {
					return err
				}
				defer s.Free()
				var decays *Tensor
				if SparesVectors(o) {
					mask := slices.Repeat([]float32{1}, n)
					clear(mask[41:])
					if decays, err = torch.From(torch.CPU, mask, int64(n)); err != nil {
						return err
					}
					defer decays.Free()
				}
				left, have := make([]float32, n), make([]float32, n)
				for step := range len(grads) / n {
					if err := torch.Write(g, 0, grads[step*n:(step+1)*n]); err != nil {
						return err
					}
					if name == "clipped" {
						if err := g.ClipNorm(7.5); err != nil {
							return err
						}
					}
					if err := o.Step(Values{w, g, s.Slots, decays}, int64(step), 0.1/math.Sqrt(float64(step+1))); err != nil {
						return err
					}
					if err := torch.Read(left, g, 0); err != nil || slices.ContainsFunc(left, func(v float32) bool { return v != 0 }) {
						t.Fatalf("gradients left: %v, %v", left, err)
					}
					if err := torch.Read(have, w, 0); err != nil {
						return err
					}
					near(t, step, have, want[step*n:(step+1)*n])
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func near(t *testing.T, step int, have, want []float32) {
	t.Helper()
	scale := 1.0
	for _, v := range want {
		scale = max(scale, math.Abs(float64(v)))
	}
	for i := range have {
		if d := math.Abs(float64(have[i] - want[i])); !(d <= 1e-5*scale) {
			t.Fatalf("step %d, weight %d: %v, PyTorch has %v (off by %.2g)", step+1, i, have[i], want[i], d)
		}
	}
}

// Slots are found by their names when a run is resumed: two of one name are an error.
func TestSlotsHaveNames(t *testing.T) {
	o := Lookahead{Fast: Lookahead{Fast: SGD{Momentum: 0.9}, K: 2, Alpha: 0.5}, K: 3, Alpha: 0.5}
	if s, err := NewState(o, torch.CPU, 2); err == nil {
		t.Errorf("slots %v", s.Names)
	}
}
