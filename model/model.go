// Package model holds networks.
//
// It believes that a network is a list of named tensors and three ways to run them: training, evaluation,
// and a pass that only renews batch-norm statistics. All its float tensors are views of one flat float32
// tensor, parameters first and running statistics after, so that one copy loads an average and one
// optimizer step updates everything. Names are torchvision's, the order is that of PyTorch's state dict.
package model

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// Role says what a tensor of a network is.
type Role int

// The roles.
const (
	Parameter Role = iota // trained: float32
	Statistic             // running mean or variance of batch norm: float32
	Counter               // num_batches_tracked of batch norm: int64, of no shape
	Other                 // a buffer that does not float, of a TorchScript module
)

// Entry is one named tensor. Offset counts elements, in the flat float32 tensor or among the counters.
type Entry struct {
	Name   string
	DType  string // of an Other, as safetensors calls it
	Shape  []int64
	Role   Role
	Offset int64
}

// Elements is the product of the shape.
func (e Entry) Elements() int64 {
	n := int64(1)
	for _, s := range e.Shape {
		n *= s
	}
	return n
}

// Network is an architecture: what New builds and any number of Instances run.
type Network struct {
	Spec       string // canonical text that New reads
	Channels   int    // of the input
	Classes    int
	Entries    []Entry     // in the order of PyTorch's state dict
	aliases    [][2]string // parts of names, and what others call them
	script     []byte      // of a TorchScript module
	parameters int64       // elements, the first ones of the flat tensor
	floats     int64       // elements of the flat tensor
	counters   int64
	forward    func(*Instance, *pass, *torch.Tensor) *torch.Tensor
	initialize func(e Entry, rng *rand.Rand, values []float32)
}

// New reads a network's spec, such as resnet20 or resnet8:width=8,stem-stride=2, or opens a TorchScript file.
// Input channels and classes that the text does not give are those of the data.
func New(text string, channels, classes int) (*Network, error) {
	if IsScript(text) {
		return OpenScript(text)
	}
	s, err := spec.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("model %w", err)
	}
	n, err := newResNet(s, channels, classes)
	if err != nil {
		return nil, fmt.Errorf("model %w", err)
	}
	return n, nil
}

// Parameters is the number of trained values.
func (n *Network) Parameters() int64 { return n.parameters }

// Floats is the number of float32 values: parameters and running statistics.
func (n *Network) Floats() int64 { return n.floats }

// Alias gives the other names by which checkpoints of the same network call an entry.
func (n *Network) Alias(name string) []string {
	var out []string
	for _, a := range n.aliases {
		if strings.Contains(name, a[0]) {
			out = append(out, strings.ReplaceAll(name, a[0], a[1]))
		}
	}
	return out
}

// layout gives the entries their offsets.
func (n *Network) layout() {
	others := int64(0)
	for role, end := range []*int64{&n.floats, &n.floats, &n.counters, &others} {
		for i := range n.Entries {
			if n.Entries[i].Role == Role(role) {
				n.Entries[i].Offset = *end
				*end += n.Entries[i].Elements()
			}
		}
		if Role(role) == Parameter {
			n.parameters = n.floats
		}
	}
}

// Instance is a network with weights on a device. It belongs to one goroutine at a time.
type Instance struct {
	*Network
	Device   torch.Device
	flat     *torch.Tensor
	grad     *torch.Tensor // of the parameters; nil unless trainable
	momentum *torch.Tensor
	weights  *torch.Tensor // view of the parameters in flat
	counters []int64
	views    torch.Scope
	params   map[string]*torch.Tensor
	norms    map[string]*torch.BatchNorm
	module   *torch.Module // of a TorchScript network
}

// On makes an instance with weights of zero. A trainable one can be given to Train.
func (n *Network) On(d torch.Device, trainable bool) (*Instance, error) {
	in := &Instance{Network: n, Device: d, params: map[string]*torch.Tensor{}, norms: map[string]*torch.BatchNorm{}}
	in.counters = make([]int64, n.counters)
	var err error
	if in.flat, err = torch.New[float32](d, n.floats); err != nil {
		return nil, err
	}
	if trainable {
		if in.grad, err = torch.New[float32](d, n.parameters); err != nil {
			return nil, err
		}
		if in.momentum, err = torch.New[float32](d, n.parameters); err != nil {
			return nil, err
		}
		in.weights = in.views.Leaf(in.flat, nil, 0, []int64{n.parameters})
	}
	for _, e := range n.Entries {
		switch e.Role {
		case Parameter:
			in.params[e.Name] = in.views.Leaf(in.flat, in.grad, e.Offset, e.Shape)
		case Statistic:
			in.params[e.Name] = in.views.Leaf(in.flat, nil, e.Offset, e.Shape)
		}
	}
	if err := in.views.Err(); err != nil {
		return nil, err
	}
	if n.script != nil {
		if err := in.bind(); err != nil {
			in.Free()
			return nil, err
		}
	}
	return in, nil
}

// Free releases the instance's memory.
func (in *Instance) Free() {
	in.module.Free()
	in.views.Close()
	for _, t := range []*torch.Tensor{in.flat, in.grad, in.momentum} {
		t.Free()
	}
}

// Load copies values into the flat tensor from an element offset on.
func (in *Instance) Load(offset int64, values []float32) error {
	return torch.Write(in.flat, offset, values)
}

// LoadOther overwrites a tensor that does not float with its bytes.
func (in *Instance) LoadOther(e Entry, data []byte) error { return in.module.Write(e.Name, data) }

// Values copies out parameters and running statistics, in the flat order.
func (in *Instance) Values() ([]float32, error) {
	out := make([]float32, in.floats)
	return out, torch.Read(out, in.flat, 0)
}

// Counters are the values of num_batches_tracked, by Entry.Offset.
func (in *Instance) Counters() []int64 { return in.counters }

// Initialize draws new weights: He's for convolutions, PyTorch's for the rest.
func (in *Instance) Initialize(seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 0x1a3a))
	for _, e := range in.Entries {
		if e.Role == Counter {
			in.counters[e.Offset] = 0
			continue
		}
		values := make([]float32, e.Elements())
		in.initialize(e, rng, values)
		if err := in.Load(e.Offset, values); err != nil {
			return err
		}
	}
	return nil
}

// pass is one way through the network.
type pass struct {
	*torch.Scope
	mode     mode
	momentum float64
}

type mode int

const (
	evaluate mode = iota
	statistics
	train
)

// Evaluate returns the logits (N×classes) of x with the running statistics.
func (in *Instance) Evaluate(s *torch.Scope, x *torch.Tensor) *torch.Tensor {
	return in.forward(in, &pass{s, evaluate, 0}, x)
}

// Observe lets the batch statistics of x into the running ones, with the given momentum.
func (in *Instance) Observe(s *torch.Scope, x *torch.Tensor, momentum float64) {
	in.forward(in, &pass{s, statistics, momentum}, x)
	for i := range in.counters {
		in.counters[i]++
	}
}

// ResetStatistics sets running means to 0, running variances to 1 and their counters to 0, as
// torch.optim.swa_utils.update_bn does first.
func (in *Instance) ResetStatistics() error {
	clear(in.counters)
	values := make([]float32, in.floats-in.parameters)
	for _, e := range in.Entries {
		if e.Role == Statistic && bn.IsVariance(e.Name) {
			v := values[e.Offset-in.parameters:]
			for i := range e.Elements() {
				v[i] = 1
			}
		}
	}
	return in.Load(in.parameters, values)
}

// HasStatistics says whether the network has batch-norm statistics at all.
func (n *Network) HasStatistics() bool { return n.floats > n.parameters }

// Train runs one step's forward and backward pass on x and int64 labels, leaves the gradients for Step,
// and returns the loss.
func (in *Instance) Train(s *torch.Scope, x, labels *torch.Tensor, smoothing float64) *torch.Tensor {
	logits := in.forward(in, &pass{s, train, torch.BatchNormMomentum}, x)
	if s.Err() != nil {
		return nil
	}
	loss := s.CrossEntropy(logits, labels, smoothing)
	s.Backward(loss)
	for i := range in.counters {
		in.counters[i]++
	}
	return loss
}

// SGD holds the settings of one optimizer step (torch.optim.SGD).
type SGD struct {
	LR, Momentum, WeightDecay float64
	Nesterov                  bool
	First                     bool // the run's first step, which sets the momentum
}

// Step updates the parameters with the gradients, and zeroes those.
func (in *Instance) Step(o SGD) error {
	return torch.SGD(in.weights, in.grad, in.momentum, o.LR, o.Momentum, o.WeightDecay, o.Nesterov, o.First)
}

// Momentum copies out the optimizer's momentum, in the flat order of the parameters.
func (in *Instance) Momentum() ([]float32, error) {
	out := make([]float32, in.parameters)
	return out, torch.Read(out, in.momentum, 0)
}

// SetMomentum puts back what Momentum gave.
func (in *Instance) SetMomentum(values []float32) error { return torch.Write(in.momentum, 0, values) }

// heNormal is He et al. 2015 (arXiv 1502.01852), eq. 10: N(0, 2/fan-in).
func heNormal(shape []int64, rng *rand.Rand, values []float32) {
	fan := int64(1)
	for _, s := range shape[1:] {
		fan *= s
	}
	std := math.Sqrt(2 / float64(fan))
	for i := range values {
		values[i] = float32(rng.NormFloat64() * std)
	}
}

// uniform fills values from ±bound.
func uniform(bound float64, rng *rand.Rand, values []float32) {
	for i := range values {
		values[i] = float32((2*rng.Float64() - 1) * bound)
	}
}

func fill(values []float32, v float32) {
	for i := range values {
		values[i] = v
	}
}

func shape(sizes ...int) []int64 {
	out := make([]int64, len(sizes))
	for i, s := range sizes {
		out[i] = int64(s)
	}
	return slices.Clip(out)
}
