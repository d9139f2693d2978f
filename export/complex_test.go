package export

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/importer"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// TestComplex: complex tensors pass from PyTorch's files through averages into PyTorch's files; safetensors, which has
// no complex128, refuses the tensor by name. The average of twice the same is the same.
func TestComplex(t *testing.T) {
	dir := t.TempDir()
	data, err := os.ReadFile(filepath.Join("..", "testdata", "foreign", "complex.pt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"epoch_1.pt", "epoch_2.pt"} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	u, err := importer.Understand([]string{filepath.Join(dir, "epoch_1.pt"), filepath.Join(dir, "epoch_2.pt")}, importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	run, err := u.Trajectory(dir, trajectory.Meta{Run: "complex"})
	if err != nil {
		t.Fatal(err)
	}
	for format, want := range map[Format]string{PT: "", Safetensors: "tensor c128 is of complex128"} {
		path := filepath.Join(t.TempDir(), "average."+string(format))
		e := &Export{Trajectory: run, Schemes: []averaging.Scheme{averaging.LAWA{Window: averaging.Window{Size: 2}, Stride: 1}}, Endpoints: []int{1}, Format: format, Path: func(averaging.Scheme, int) string { return path }}
		err := e.Run(context.Background())
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, expected …%s…", format, err, want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var values [2][]byte
		for i, p := range []string{path, filepath.Join(dir, "epoch_1.pt")} {
			c, err := formats.Open(p, checkpoint.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if c.Tensors()[0].String() != "C128[2 2]" || c.Tensors()[1].String() != "C64[3]" {
				t.Fatalf("%s: %v", p, c.Tensors())
			}
			values[i] = streamed(t, c)
		}
		if !bytes.Equal(values[0], values[1]) {
			t.Error("the average of twice the same is something else")
		}
	}
}
