package dataset

import (
	"fmt"
	"io"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
)

// WriteExamples writes a split, as evaluation sees it, into a safetensors file of its fields, which tensors:FILE reads again, as may
// programs of others.
func WriteExamples(path string, s Split) error {
	var tensors []checkpoint.Tensor
	for _, f := range s.Fields() {
		tensors = append(tensors, checkpoint.Tensor{Name: f.Name, DType: f.DType, Shape: append([]int64{int64(s.Len())}, f.Shape...)})
	}
	tensors = checkpoint.Arrange(tensors)
	header, err := checkpoint.EncodeHeader(tensors, nil)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, func(out io.Writer) error {
		if _, err := out.Write(header); err != nil {
			return err
		}
		var b Batch
		for _, t := range tensors {
			for from := 0; from < s.Len(); from += digestBlock {
				var indices []int
				for i := from; i < min(from+digestBlock, s.Len()); i++ {
					indices = append(indices, i)
				}
				if err := s.Read(&b, indices, nil); err != nil {
					return err
				}
				a := b.Array(t.Name)
				if a == nil {
					return fmt.Errorf("split %s: a batch without %s", s.Name(), t.Name)
				}
				if _, err := out.Write(a.Data); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
