package optim

import (
	"fmt"
	"slices"

	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// State is an optimizer's slots on a device.
type State struct {
	Names []string
	Slots []*Tensor // by the order of Names
	n     int64
}

// NewState makes the slots for n weights, all zero.
func NewState(o Optimizer, d torch.Device, n int64) (*State, error) {
	s := &State{Names: o.Slots(), n: n}
	for i, name := range s.Names {
		if slices.Contains(s.Names[:i], name) {
			s.Free()
			return nil, fmt.Errorf("the optimizer %s keeps two slots called %s, which would be one when it is resumed", o.Spec(), name)
		}
		t, err := torch.New[float32](d, n)
		if err != nil {
			s.Free()
			return nil, fmt.Errorf("the optimizer's %s: %w", name, err)
		}
		s.Slots = append(s.Slots, t)
	}
	return s, nil
}

// Values copies out a slot.
func (s *State) Values(slot int) ([]float32, error) {
	out := make([]float32, s.n)
	return out, torch.Read(out, s.Slots[slot], 0)
}

// Set puts back what Values gave.
func (s *State) Set(slot int, values []float32) error {
	if int64(len(values)) != s.n {
		return fmt.Errorf("the optimizer's %s: %d values for %d weights", s.Names[slot], len(values), s.n)
	}
	return torch.Write(s.Slots[slot], 0, values)
}

// Free releases the slots.
func (s *State) Free() {
	for _, t := range s.Slots {
		t.Free()
	}
}
