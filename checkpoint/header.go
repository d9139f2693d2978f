package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// MaxHeader is the longest header that a safetensors file may have, in bytes.
const MaxHeader = 100_000_000

// Metadata is what a file of PyTorch's weights says of itself: loaders ask for it.
func Metadata() map[string]string { return map[string]string{"format": "pt"} }

// EncodeHeader returns the length and the header of the safetensors file with these tensors, arranged: what a digest
// begins with, whatever the format. The data section that must follow starts at a multiple of 64 bytes. Whether a file
// may hold them, safetensors.Holds says.
func EncodeHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	type entry struct {
		DType   DType    `json:"dtype"`
		Shape   []int64  `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	text := []byte{'{'}
	field := func(key string, value any) error {
		k, err := json.Marshal(key)
		if err != nil {
			return err
		}
		v, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if len(text) > 1 {
			text = append(text, ',')
		}
		text = append(append(append(text, k...), ':'), v...)
		return nil
	}
	if len(metadata) > 0 {
		if err := field("__metadata__", metadata); err != nil {
			return nil, err
		}
	}
	seen := map[string]bool{}
	for _, t := range tensors {
		if t.Name == "__metadata__" {
			return nil, fmt.Errorf("a tensor is called %s, which the format keeps for itself", t.Name)
		}
		if seen[t.Name] {
			return nil, fmt.Errorf("two tensors are called %s", t.Name)
		}
		seen[t.Name] = true
		shape := t.Shape
		if shape == nil {
			shape = []int64{}
		}
		if err := field(t.Name, entry{t.DType, shape, [2]int64{t.Begin, t.End}}); err != nil {
			return nil, err
		}
	}
	text = append(text, '}')
	for (8+len(text))%64 != 0 {
		text = append(text, ' ')
	}
	if len(text) > MaxHeader {
		return nil, fmt.Errorf("a header of %d bytes; the format allows %d", len(text), MaxHeader)
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), nil
}
