package dataset

import (
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// Resident is a split in a device's memory, images as bytes. Goroutines may share it.
type Resident struct {
	*Split
	inputs *torch.Tensor // images as bytes, or tensors
}

// On copies the split's inputs to a device. Tensors that float become float32.
func (s *Split) On(d torch.Device) (*Resident, error) {
	if s.Inputs == nil {
		images, err := torch.From(d, s.Images, int64(s.N), int64(s.Channels), int64(s.Height), int64(s.Width))
		if err != nil {
			return nil, err
		}
		return &Resident{s, images}, nil
	}
	shape := append([]int64{int64(s.N)}, s.Inputs.Shape...)
	if !s.Inputs.DType.Float() || s.Inputs.DType == checkpoint.F32 {
		inputs, err := torch.FromBytes(d, string(s.Inputs.DType), s.Inputs.Data, shape...)
		if err != nil {
			return nil, err
		}
		return &Resident{s, inputs}, nil
	}
	values, err := s.Inputs.Floats()
	if err != nil {
		return nil, err
	}
	inputs, err := torch.From(d, values, shape...)
	if err != nil {
		return nil, err
	}
	return &Resident{s, inputs}, nil
}

// Batch returns the inputs of examples [from, to): images normalised, float32, N×C×H×W; tensors as they are.
func (r *Resident) Batch(s *torch.Scope, from, to int) *torch.Tensor {
	if r.Inputs != nil {
		return s.Narrow(r.inputs, int64(from), int64(to))
	}
	return s.Normalize(r.inputs, int64(from), int64(to), r.Mean, r.Std)
}

// Free releases the device's memory.
func (r *Resident) Free() { r.inputs.Free() }
