package stored

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// Tensors may be as large as the files that are opened for them, which those of a distributed checkpoint are only when
// they are wanted.
func TestFilesThatAreOpenedLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "__0_0.distcp")
	const size = Slack + 4096
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Skip("no sparse files here:", err)
	}
	for open, want := range map[bool]bool{true: true, false: false} {
		l := &List{}
		l.Tensors = []Named{{"w", &Tensor{Load: func() (*Tensor, error) {
			record := Memory("w", nil)
			if open {
				f, err := checkpoint.OpenFile(path)
				if err != nil {
					return nil, err
				}
				l.Files = append(l.Files, f)
				record.File = f
			}
			return &Tensor{DType: checkpoint.F32, Shape: []int64{size / 4}, Parts: []Part{{Record: record}}}, nil
		}}}}
		c, err := Arrange(l, checkpoint.Options{})
		if (err == nil) != want {
			t.Errorf("in an opened file %v: %v", open, err)
		}
		if err == nil {
			c.Close()
		}
	}
}
