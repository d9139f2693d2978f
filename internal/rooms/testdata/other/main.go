// Command other is a program of another module: it records a run, sweeps averages of it with a backend of its own, and
// draws a figure. It needs no libtorch.
package main

import (
	"context"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/plots"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

// run works below a folder.
func run(ctx context.Context, dir string) error {
	t, err := record(filepath.Join(dir, "run"))
	if err != nil {
		return err
	}
	schemes, err := averaging.ParseAll([]string{"lawa:k=2..4"})
	if err != nil {
		return err
	}
	var endpoints []int
	for i := range t.Checkpoints {
		endpoints = append(endpoints, i)
	}
	plan, err := sweep.NewPlan(ctx, sweep.Spec{Trajectories: []*trajectory.Trajectory{t}, Endpoints: [][]int{endpoints}, Schemes: schemes,
		Policies: []bn.Policy{{Kind: bn.Copy}}, Splits: []string{"val"}}, parabola{})
	if err != nil {
		return err
	}
	folder, err := sweep.OpenFolder(filepath.Join(dir, "sweep"), func(note sweep.Note) { log.Print(note) })
	if err != nil {
		return err
	}
	defer folder.Close()
	sum, err := sweep.Run(ctx, plan, parabola{}, folder.Store, sweep.Options{})
	if err != nil {
		return err
	}
	table, err := sweep.Table(plan, parabola{}.Provenance(), folder.Store)
	if err != nil {
		return err
	}
	drawing, err := plots.New("k-sensitivity", table, plots.Options{})
	if err != nil {
		return err
	}
	fmt.Printf("%d evaluations, %d rows\n", sum.Evaluated, len(table.Rows))
	return drawing.Save(filepath.Join(dir, "k.svg"))
}

// record is a run whose one weight swings around 0.
func record(dir string) (*trajectory.Trajectory, error) {
	r, err := trajectory.Create(dir, formats.Files{}, trajectory.Meta{Run: "other"})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	tensors := checkpoint.Arrange([]checkpoint.Tensor{{Name: "weight", DType: checkpoint.F32, Shape: []int64{1}}})
	for epoch := 1; epoch <= 8; epoch++ {
		data := make([]byte, 4)
		checkpoint.Encode(data, checkpoint.F32, []float32{float32(math.Cos(float64(3*epoch))) / float32(epoch)})
		c, err := r.Write(trajectory.Checkpoint{Epoch: float64(epoch), Step: int64(epoch)}, tensors, data)
		if err == nil {
			err = r.Commit(c)
		}
		if err != nil {
			return nil, err
		}
	}
	return r.Trajectory, nil
}

// parabola is a backend whose loss is the square of the weight.
type parabola struct{}

func (parabola) Inputs(bn.Policy, string) (sweep.Inputs, error) {
	return sweep.Inputs{Format: sweep.InputsFormat, Task: "square", Model: "parabola", Data: "none", Numeric: "float32"}, nil
}
func (parabola) Check([]checkpoint.Tensor, map[string]string) error { return nil }
func (parabola) Supports(bn.Policy) error                           { return nil }
func (parabola) Metrics() []metric.Metric                           { return []metric.Metric{metric.Of("top1")} }
func (parabola) Provenance() map[string]any                         { return map[string]any{"backend": "parabola"} }
func (parabola) Open(context.Context, sweep.Job) (*sweep.Slots, error) {
	return &sweep.Slots{Slots: []sweep.Slot{slot{}}}, nil
}

// slot evaluates one average at a time.
type slot struct{}

func (slot) Group() int { return 1 }
func (slot) Evaluate(_ context.Context, units []*sweep.Unit) error {
	for _, u := range units {
		weight := make([]float32, 1)
		checkpoint.Decode(weight, checkpoint.F32, u.Data)
		u.Release()
		value := 100 - 100*trajectory.Number(weight[0]*weight[0])
		if err := u.Done(0, []sweep.Value{{Metric: "top1", Value: value, N: 1}}); err != nil {
			return err
		}
	}
	return nil
}
func (slot) Close() error { return nil }
