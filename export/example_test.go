package export_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/export"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// The average of a run's two checkpoints becomes a file that torch.load(weights_only=True) reads.
func Example() {
	dir, err := os.MkdirTemp("", "export")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	run, err := trajectory.Create(filepath.Join(dir, "run"), formats.Files{}, trajectory.Meta{Run: "run"})
	if err != nil {
		log.Fatal(err)
	}
	defer run.Close()
	tensors := checkpoint.Arrange([]checkpoint.Tensor{{Name: "weight", DType: checkpoint.F32, Shape: []int64{1}}})
	for epoch, weight := range []float32{1, 3} {
		data := make([]byte, 4)
		checkpoint.Encode(data, checkpoint.F32, []float32{weight})
		c, err := run.Write(trajectory.Checkpoint{Epoch: float64(epoch + 1), Step: int64(epoch + 1)}, tensors, data)
		if err == nil {
			err = run.Commit(c)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	path := filepath.Join(dir, "average.pt")
	e := &export.Export{
		Trajectory: run.Trajectory,
		Schemes:    []averaging.Scheme{averaging.LAWA{Window: averaging.Window{Size: 2}, Stride: 1}},
		Endpoints:  []int{1},
		Format:     export.PT,
		Path:       func(averaging.Scheme, int) string { return path },
	}
	if err := e.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
	c, err := formats.Open(path, checkpoint.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	average, err := c.Map()
	if err != nil {
		log.Fatal(err)
	}
	defer average.Close()
	for _, t := range average.Tensors {
		value := make([]float32, 1)
		checkpoint.Decode(value, t.DType, average.Data[t.Begin:t.End])
		fmt.Println(c.About().Format, t.Name, value)
	}
	// Output:
	// PyTorch zip weight [2]
}
