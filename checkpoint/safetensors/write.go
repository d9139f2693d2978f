package safetensors

import (
	"fmt"
	"io"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// Write writes a whole file: the header for the arranged tensors, then data, which is the data section.
func Write(w io.Writer, tensors []checkpoint.Tensor, metadata map[string]string, data []byte) error {
	if err := Holds(tensors); err != nil {
		return err
	}
	if n := len(tensors); n > 0 && tensors[n-1].End != int64(len(data)) {
		return fmt.Errorf("%d bytes of data for tensors that end at %d", len(data), tensors[n-1].End)
	}
	header, err := checkpoint.EncodeHeader(tensors, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
