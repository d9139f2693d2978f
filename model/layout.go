package model

import "github.com/lawa-replay/lawa-replay/checkpoint"

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

	init Init // of parameters and statistics; nil where nobody knows how to begin
}

// Elements is the product of the shape.
func (e Entry) Elements() int64 { return checkpoint.Elements(e.Shape) }

// Layout is the tensors of a network, and where each lies.
type Layout struct {
	Entries    []Entry // in the order of PyTorch's state dict
	parameters int64   // elements, the first ones of the flat tensor
	floats     int64   // elements of the flat tensor
	counters   int64
}

// NewLayout gives entries their offsets: parameters, then statistics; counters by themselves.
func NewLayout(entries []Entry) *Layout {
	l := &Layout{Entries: entries}
	others := int64(0)
	for role, end := range []*int64{&l.floats, &l.floats, &l.counters, &others} {
		for i := range entries {
			if entries[i].Role == Role(role) {
				entries[i].Offset = *end
				*end += entries[i].Elements()
			}
		}
		if Role(role) == Parameter {
			l.parameters = l.floats
		}
	}
	return l
}

// Parameters is the number of trained values.
func (l *Layout) Parameters() int64 { return l.parameters }

// Floats is the number of float32 values: parameters and running statistics.
func (l *Layout) Floats() int64 { return l.floats }

// HasStatistics says whether there are batch-norm statistics at all.
func (l *Layout) HasStatistics() bool { return l.floats > l.parameters }
