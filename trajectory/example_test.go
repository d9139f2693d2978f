package trajectory_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// A trajectory of two checkpoints is recorded, and opened again.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	dir = filepath.Join(dir, "run")
	rec, err := trajectory.Create(dir, formats.Files{}, trajectory.Meta{Run: "run", StepsPerEpoch: 10})
	if err != nil {
		log.Fatal(err)
	}
	tensors := checkpoint.Arrange([]checkpoint.Tensor{{Name: "weight", DType: checkpoint.F32, Shape: []int64{2}}})
	data := make([]byte, 8)
	for epoch := range 2 {
		checkpoint.Encode(data, checkpoint.F32, []float32{float32(epoch), 0.5})
		line := trajectory.Checkpoint{Epoch: float64(epoch + 1), Step: int64(10 * (epoch + 1)), Metrics: map[string]trajectory.Number{"val/loss": trajectory.Number(1 - 0.25*float64(epoch))}}
		if line, err = rec.Write(line, tensors, data); err == nil {
			err = rec.Commit(line) // from now on it exists
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	rec.Close()

	run, err := trajectory.Open(dir, formats.Files{})
	if err != nil {
		log.Fatal(err)
	}
	values := make([]float32, 2)
	for i, c := range run.Checkpoints {
		m, err := run.Map(i, false) // compares it with its digest
		if err != nil {
			log.Fatal(err)
		}
		checkpoint.Decode(values, checkpoint.F32, m.Data)
		fmt.Printf("epoch %g, step %d: %v, loss %v\n", c.Epoch, c.Step, values, c.Metrics["val/loss"])
		m.Close()
	}
	// Output:
	// epoch 1, step 10: [0 0.5], loss 1
	// epoch 2, step 20: [1 0.5], loss 0.75
}
