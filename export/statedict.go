package export

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// pickleState is the pickle of an OrderedDict of tensors, as torch.save writes it (protocol 2).
func pickleState(tensors []checkpoint.Tensor, tied map[string]string) ([]byte, error) {
	var p pickler
	p.WriteString("\x80\x02" + emptyDict + "(")
	place := map[string]int{}
	for i, t := range tensors {
		if storageTypes[t.DType] == "" {
			return nil, fmt.Errorf("tensor %s: .pt files of %s are not written: choose safetensors", t.Name, t.DType)
		}
		place[t.Name] = i
		p.tensor(t.Name, t, i)
	}
	for _, alias := range slices.Sorted(maps.Keys(tied)) {
		if i, ok := place[tied[alias]]; ok {
			p.tensor(alias, tensors[i], i)
		}
	}
	p.WriteString("u.")
	return p.Bytes(), nil
}

// pickler writes the opcodes of a pickle.
type pickler struct{ bytes.Buffer }

// emptyDict is OrderedDict().
const emptyDict = "ccollections\nOrderedDict\n)R"

// tensor writes a name and the tensor that lies in the storage of the given number from its beginning on.
func (p *pickler) tensor(name string, t checkpoint.Tensor, storage int) {
	p.text(name)
	p.WriteString("ctorch._utils\n_rebuild_tensor_v2\n((")
	p.text("storage")
	p.WriteString("ctorch\n" + storageTypes[t.DType] + "\n")
	p.text(fmt.Sprint(storage))
	p.text("cpu")
	p.integer(t.Elements())
	p.WriteString("tQ")
	p.integer(0)
	p.integers(t.Shape)
	strides := make([]int64, len(t.Shape))
	n := int64(1)
	for i := len(strides) - 1; i >= 0; i-- {
		strides[i] = n
		n *= max(1, t.Shape[i])
	}
	p.integers(strides)
	p.WriteString("\x89" + emptyDict + "tR") // requires no gradient, no hooks
}

func (p *pickler) text(s string) {
	p.WriteByte('X')
	p.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
	p.WriteString(s)
}

func (p *pickler) integer(v int64) {
	if v <= math.MaxInt32 {
		p.WriteByte('J')
		p.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
		return
	}
	p.Write([]byte{0x8a, 8})
	p.Write(binary.LittleEndian.AppendUint64(nil, uint64(v)))
}

func (p *pickler) integers(list []int64) {
	p.WriteByte('(')
	for _, v := range list {
		p.integer(v)
	}
	p.WriteByte('t')
}
