package safetensors

import (
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Map maps a file and checks its header. The Tensors' offsets are those of the data section, which Data is.
func Map(path string) (*checkpoint.Mapped, error) {
	f, size, err := input.Open(path, input.Any)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	header, err := ReadHeader(f, size)
	if err != nil {
		return nil, err
	}
	m, err := checkpoint.MapFile(path, f, size)
	if err != nil {
		return nil, err
	}
	m.Tensors, m.Head, m.Data = header.Tensors, m.Data[:header.Data], m.Data[header.Data:]
	return m, nil
}
