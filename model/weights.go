package model

import (
	"fmt"
	"math/rand/v2"

	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// Weights are the values of a network's tensors on a device.
type Weights struct {
	*Layout
	flat       *torch.Tensor
	grad       *torch.Tensor // of the parameters; nil unless trainable
	parameters *torch.Tensor // view of them in flat
	counters   []int64
	views      torch.Scope
	other      func(name string, data []byte) error // overwrites a tensor that does not float
}

// newWeights makes weights of zero.
func newWeights(l *Layout, d torch.Device, trainable bool) (*Weights, error) {
	w := &Weights{Layout: l, counters: make([]int64, l.counters)}
	var err error
	if w.flat, err = torch.New[float32](d, l.floats); err != nil {
		return nil, err
	}
	if trainable {
		if w.grad, err = torch.New[float32](d, l.parameters); err != nil {
			w.free()
			return nil, err
		}
	}
	w.parameters = w.views.Leaf(w.flat, nil, 0, []int64{l.parameters})
	if err := w.views.Err(); err != nil {
		w.free()
		return nil, err
	}
	return w, nil
}

func (w *Weights) free() {
	w.views.Close()
	w.flat.Free()
	w.grad.Free()
}

// view is the memory of an entry; of a parameter that is trained, with its gradient.
func (w *Weights) view(e Entry) *torch.Tensor {
	grad := w.grad
	if e.Role != Parameter {
		grad = nil
	}
	return w.views.Leaf(w.flat, grad, e.Offset, e.Shape)
}

// Flat are the parameters as one float32 tensor.
func (w *Weights) Flat() *Tensor { return w.parameters }

// Gradients are those of Flat; nil unless the instance is trainable.
func (w *Weights) Gradients() *Tensor { return w.grad }

// Load copies values into the floats from an element offset on.
func (w *Weights) Load(offset int64, values []float32) error {
	return torch.Write(w.flat, offset, values)
}

// LoadOther overwrites a tensor that does not float with its bytes.
func (w *Weights) LoadOther(e Entry, data []byte) error {
	if w.other == nil {
		return fmt.Errorf("tensor %s: %s, which this network does not hold", e.Name, e.DType)
	}
	return w.other(e.Name, data)
}

// Values copies out parameters and running statistics, in the flat order.
func (w *Weights) Values() ([]float32, error) {
	out := make([]float32, w.floats)
	return out, torch.Read(out, w.flat, 0)
}

// Counters are the values of num_batches_tracked, by Entry.Offset.
func (w *Weights) Counters() []int64 { return w.counters }

// Initialize draws new weights, each tensor as its layer says, in the order of the entries.
func (w *Weights) Initialize(seed uint64) error {
	const stream = 0x1a3a // of the seed's generators, the one for weights
	rng := rand.New(rand.NewPCG(seed, stream))
	for _, e := range w.Entries {
		if e.Role == Counter {
			w.counters[e.Offset] = 0
			continue
		}
		if e.init == nil {
			return fmt.Errorf("tensor %s: nothing says how to begin it", e.Name)
		}
		values := make([]float32, e.Elements())
		e.init(e.Shape, rng, values)
		if err := w.Load(e.Offset, values); err != nil {
			return err
		}
	}
	return nil
}

// ResetStatistics sets statistics to what they are before anything was observed (running means to 0, running variances
// to 1) and counters to 0, as torch.optim.swa_utils.update_bn does first.
func (w *Weights) ResetStatistics() error {
	clear(w.counters)
	values := make([]float32, w.floats-w.Layout.parameters)
	for _, e := range w.Entries {
		if e.Role == Statistic {
			at := e.Offset - w.Layout.parameters
			e.init(e.Shape, nil, values[at:at+e.Elements()])
		}
	}
	return w.Load(w.Layout.parameters, values)
}
