package safetensors

import (
	"encoding/binary"
	"math"
)

// DecodeF32 reads len(dst) values of an F32 tensor from its bytes.
func DecodeF32(dst []float32, data []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
}
