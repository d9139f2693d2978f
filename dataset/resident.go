package dataset

import (
	"lawa-replay/internal/torch"
)

// Resident is a split in a device's memory, as bytes. Goroutines may share it.
type Resident struct {
	*Split
	images *torch.Tensor
}

// On copies the split's images to a device.
func (s *Split) On(d torch.Device) (*Resident, error) {
	images, err := torch.From(d, s.Images, int64(s.N), int64(s.Channels), int64(s.Height), int64(s.Width))
	if err != nil {
		return nil, err
	}
	return &Resident{s, images}, nil
}

// Batch returns examples [from, to), normalised: float32, N×C×H×W.
func (r *Resident) Batch(s *torch.Scope, from, to int) *torch.Tensor {
	return s.Normalize(r.images, int64(from), int64(to), r.Mean, r.Std)
}

// Free releases the device's memory.
func (r *Resident) Free() { r.images.Free() }
