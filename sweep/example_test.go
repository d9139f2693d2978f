package sweep_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// mean is a backend of one's own. Its metric is the mean of all weights.
type mean struct{}

func (mean) Inputs(policy bn.Policy, split string) (sweep.Inputs, error) {
	return sweep.Inputs{Format: sweep.InputsFormat, Task: "mean", Model: "any", Policy: string(policy.Kind), Data: split, Numeric: "float64"}, nil
}
func (mean) Check([]checkpoint.Tensor, map[string]string) error { return nil }
func (mean) Supports(bn.Policy) error                           { return nil }
func (mean) Metrics() []metric.Metric {
	return []metric.Metric{{Name: "mean", Label: "mean of the weights"}}
}
func (mean) Provenance() map[string]any { return map[string]any{"backend": "mean"} }
func (mean) Open(context.Context, sweep.Job) (*sweep.Slots, error) {
	return &sweep.Slots{Slots: []sweep.Slot{slot{}, slot{}}}, nil // two work side by side
}

type slot struct{}

func (slot) Group() int   { return 1 } // one average at a time
func (slot) Close() error { return nil }
func (slot) Evaluate(_ context.Context, units []*sweep.Unit) error {
	for _, u := range units {
		sum, n := 0.0, 0
		for _, t := range u.Tensors {
			values := make([]float32, t.Elements())
			checkpoint.Decode(values, t.DType, u.Statistics.Bytes(t, u.Data))
			for _, v := range values {
				sum += float64(v)
			}
			n += len(values)
		}
		u.Release()
		for i := range u.Splits {
			if err := u.Done(i, []sweep.Value{{Metric: "mean", Value: trajectory.Number(sum / float64(n)), N: int64(n)}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// record is a run of n checkpoints, whose weights are first, first+1, …
func record(dir string, first, n int) (*trajectory.Trajectory, error) {
	r, err := trajectory.Create(dir, formats.Files{}, trajectory.Meta{Run: "example"})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	tensors := checkpoint.Arrange([]checkpoint.Tensor{{Name: "weight", DType: checkpoint.F32, Shape: []int64{3}}})
	for epoch := range n {
		data := make([]byte, 12)
		v := float32(first + epoch)
		checkpoint.Encode(data, checkpoint.F32, []float32{v, v, v})
		c, err := r.Write(trajectory.Checkpoint{Epoch: float64(epoch + 1), Step: int64(epoch + 1)}, tensors, data)
		if err == nil {
			err = r.Commit(c)
		}
		if err != nil {
			return nil, err
		}
	}
	return r.Trajectory, nil
}

// spec asks for averages of the latest two checkpoints at every epoch.
func spec(t *trajectory.Trajectory) sweep.Spec {
	s := sweep.Spec{Trajectories: []*trajectory.Trajectory{t}, Endpoints: [][]int{{}}, Policies: []bn.Policy{{Kind: bn.Copy}}, Splits: []string{"val"}}
	for i := range t.Checkpoints {
		s.Endpoints[0] = append(s.Endpoints[0], i)
	}
	var err error
	if s.Schemes, err = averaging.ParseAll([]string{"lawa:k=2"}); err != nil {
		log.Fatal(err)
	}
	return s
}

// A sweep by a backend of one's own, in two shards that could be on two machines.
func Example() {
	dir, err := os.MkdirTemp("", "sweep")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	t, err := record(filepath.Join(dir, "run"), 1, 3)
	if err != nil {
		log.Fatal(err)
	}
	plan, err := sweep.NewPlan(context.Background(), spec(t), mean{})
	if err != nil {
		log.Fatal(err)
	}
	note := func(n sweep.Note) { log.Print(n) }
	var stores sweep.Stores
	for i := range 2 {
		shard := sweep.Shard{I: i + 1, N: 2}
		folder, err := sweep.OpenShard(dir, shard, note)
		if err != nil {
			log.Fatal(err)
		}
		defer folder.Close()
		sum, err := sweep.Run(context.Background(), plan.Shard(shard), mean{}, folder.Store, sweep.Options{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("shard %v: %d evaluations\n", shard, sum.Evaluated)
		stores = append(stores, folder.Store)
	}
	table, err := sweep.Table(plan, mean{}.Provenance(), stores...)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range table.Rows {
		fmt.Println(r.Scheme, r.Epoch, r.Metric, r.Value)
	}
	// Output:
	// shard 1/2: 3 evaluations
	// shard 2/2: 2 evaluations
	// last 1 mean 1
	// last 2 mean 2
	// lawa:k=2 2 mean 1.5
	// last 3 mean 3
	// lawa:k=2 3 mean 2.5
}
