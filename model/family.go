package model

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// New reads a network's spec, such as resnet20 or resnet8:width=8,stem-stride=2, or opens a TorchScript file.
// Input channels and classes that the text does not give are those of the data.
func New(text string, channels, classes int) (Network, error) {
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
