// Package model holds networks.
//
// It believes that a network is a tree of layers, and that a layer says in one place which tensors it has and what
// it computes with them; evaluation, training and the observing of batch-norm statistics follow from that. All
// float tensors of a network are views of one flat float32 tensor, parameters first and running statistics after,
// so that one copy loads an average and one optimizer step updates everything. Names are torchvision's, the order
// is that of PyTorch's state dict.
package model

import (
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// Tensor, Scope and Device are libtorch's, by the names that layers and networks of others can use.
type (
	Tensor = torch.Tensor
	Scope  = torch.Scope
	Device = torch.Device
)

// Precision is the arithmetic of a forward pass.
type Precision = torch.Precision

// MemoryFormat is the order of images and activations in memory.
type MemoryFormat = torch.MemoryFormat

// ParsePrecision reads float32, tf32 or bfloat16.
func ParsePrecision(text string) (Precision, error) { return torch.ParsePrecision(text) }

// CPU is the host. A GPU is what ParseDevice reads; its method Open comes before all else.
const CPU = torch.CPU

// ParseDevice reads cpu, cuda or cuda:N.
func ParseDevice(text string) (Device, error) { return torch.ParseDevice(text) }

// Worker runs f on an OS thread of its own, where libtorch computes with the given number of threads and, unless grad is
// true, keeps nothing for gradients. Whoever runs an Instance by hand does it there; the engine and the trainer do.
func Worker(threads int, grad bool, f func() error) error { return torch.Worker(threads, grad, f) }

// Network is an architecture, of which any number of instances can be made. Goroutines may share it.
type Network interface {
	// Spec is the canonical text that New reads; evaluations are known by it.
	Spec() string
	// Layout is what tensors it has.
	Layout() *Layout
	// Inputs are the fields of an example that Forward takes, in this order. A shape of nil is any.
	Inputs() []dataset.Field
	// Alias gives the other names by which checkpoints of the same network call an entry.
	Alias(name string) []string
	// On makes an instance with weights of zero.
	On(d Device, o Options) (Instance, error)
}

// Options say how an instance computes. The zero value evaluates in float32.
type Options struct {
	Trainable bool // with gradients
	Precision Precision
	Format    MemoryFormat // of images and activations
}

// Instance is a network with weights on a device. It belongs to one goroutine at a time, which is in a Worker.
type Instance interface {
	Weights() *Weights
	// Forward runs a batch through the network. Its output is float32 and belongs to the scope, which keeps the first
	// error; it is nil where the mode wants none.
	Forward(s *Scope, in []*Tensor, m Mode) *Tensor
	// Free releases the instance's memory.
	Free()
}

// Mode is what a pass through a network is for.
type Mode struct {
	kind     passKind
	momentum float64
}

type passKind int

const (
	evaluating passKind = iota
	observing
	training
)

// Evaluate normalises with the running statistics. Train normalises with the batch's, lets them into the running ones
// with PyTorch's default momentum, and is differentiable.
var (
	Evaluate = Mode{kind: evaluating}
	Train    = Mode{training, torch.BatchNormMomentum}
)

// Momentum is the share with which a batch's statistics enter the running ones; where they do not, ok is false.
func (m Mode) Momentum() (share float64, ok bool) { return m.momentum, m.kind != evaluating }

// Observe lets the statistics of one batch into the running ones with the given momentum, and computes no output.
func Observe(momentum float64) Mode { return Mode{observing, momentum} }
