package averaging_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Two checkpoints are recorded, and averaged in two ways.
func Example() {
	dir, err := os.MkdirTemp("", "run")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	run, err := trajectory.Create(dir, formats.Files{}, trajectory.Meta{Run: "run"})
	if err != nil {
		log.Fatal(err)
	}
	defer run.Close()
	tensors := checkpoint.Arrange([]checkpoint.Tensor{{Name: "weight", DType: checkpoint.F32, Shape: []int64{2}}})
	for epoch, weights := range [][]float32{{1, 2}, {3, 6}} {
		data := make([]byte, 8)
		checkpoint.Encode(data, checkpoint.F32, weights)
		c, err := run.Write(trajectory.Checkpoint{Epoch: float64(epoch + 1), Step: int64(epoch + 1)}, tensors, data)
		if err != nil {
			log.Fatal(err)
		}
		if err := run.Commit(c); err != nil {
			log.Fatal(err)
		}
	}
	schemes, err := averaging.ParseAll([]string{"lawa:k=2", "wma:k=2"})
	if err != nil {
		log.Fatal(err)
	}
	plan, err := averaging.NewPlan(averaging.Points(run.Trajectory), schemes, []int{1}, false)
	if err != nil {
		log.Fatal(err)
	}
	err = averaging.Stream(context.Background(), run.Source(false), plan, nil, averaging.Options{}, func(o *averaging.Output) error {
		defer o.Release()
		values := make([]float32, 2)
		checkpoint.Decode(values, checkpoint.F32, o.Data)
		for _, r := range plan.Requests {
			if r.Average == o.Average {
				fmt.Println(r.Scheme.Spec(), values)
			}
		}
		return o.Verified()
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// lawa:k=2 [2 4]
	// wma:k=2 [2.3333333 4.6666665]
}
