package evaluator

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// What does not fit into the memory is reduced until it does.
func TestAllotmentWithinMemory(t *testing.T) {
	const mib = 1 << 20
	usual := allotment{workers: 2, threads: 1, group: 4, batch: 250}
	resnet50 := cost{model: 100 * mib, example: 20 * mib}
	for name, c := range map[string]struct {
		memory  int64
		cost    cost
		bnBatch int
		cores   int
		want    allotment
	}{
		"enough":           {100 << 30, resnet50, 0, 2, usual},
		"a smaller batch":  {4 << 30, resnet50, 0, 2, allotment{2, 1, 4, 62}},
		"fewer models":     {1500 * mib, resnet50, 0, 2, allotment{2, 1, 1, 32}},
		"fewer workers":    {1000 * mib, resnet50, 0, 2, allotment{1, 2, 1, 32}},
		"hardly any":       {120 * mib, resnet50, 0, 2, allotment{1, 2, 1, 1}},
		"large models":     {5 << 30, cost{model: 1 << 30, example: mib}, 0, 2, allotment{2, 1, 2, 250}},
		"statistics' own":  {8 << 30, resnet50, 128, 2, allotment{2, 1, 4, 125}},
		"more than memory": {mib, resnet50, 128, 2, allotment{1, 2, 1, 125}},
	} {
		if have := usual.within(c.memory, c.cost, c.bnBatch, c.cores); have != c.want {
			t.Errorf("%s: %v, expected %v", name, have, c.want)
		}
	}
}

// Little memory is told of, and changes no number.
func TestLittleMemory(t *testing.T) {
	dir := filepath.Join("..", "testdata", "script", "conv")
	run := func(memory int64) (table *results.Table, notes []hint.Note) {
		e := NewEngine(openScript(t, filepath.Join(dir, "net.ts")), torch.CPU, 2, 2)
		e.BNBatch = 32
		var err error
		if e.Set, err = dataset.Open("tensors:"+filepath.Join(dir, "val.safetensors"), ""); err != nil {
			t.Fatal(err)
		}
		s := &Sweep{Dir: t.TempDir(), Trajectories: []*trajectory.Trajectory{linked(t, dir)}, Endpoints: [][]int{{1, 2}}, Splits: []string{"val"}, Policies: []bn.Policy{{Kind: bn.Copy}},
			Schemes: []averaging.Scheme{averaging.Last{}, averaging.LAWA{Window: averaging.Window{Size: 2}, Stride: 1}}, Memory: memory, Note: func(n hint.Note) { notes = append(notes, n) }}
		if _, err := s.Run(context.Background(), e); err != nil {
			t.Fatal(err)
		}
		if memory == 1 && (e.Workers != 1 || e.group != 1) {
			t.Errorf("%d workers of %d models", e.Workers, e.group)
		}
		if table, err = results.Read(filepath.Join(s.Dir, results.File)); err != nil {
			t.Fatal(err)
		}
		return table, notes
	}
	want, notes := run(0)
	if len(notes) > 0 {
		t.Errorf("%+v", notes)
	}
	have, notes := run(1)
	if len(notes) != 1 || len(notes[0].Hints) != 1 || notes[0].Hints[0].Option != "memory" {
		t.Errorf("%+v", notes)
	}
	for i := range want.Rows {
		if a, b := want.Rows[i].Value, have.Rows[i].Value; !(a-b < 1e-6 && b-a < 1e-6) {
			t.Errorf("row %d: %v, with little memory %v", i, a, b)
		}
	}
}

func openScript(t *testing.T, path string) model.Network {
	t.Helper()
	net, err := model.New(path)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// What is found fastest is one of those that were tried, and computes.
func TestFastest(t *testing.T) {
	set, err := dataset.Open("mnist:train=200,val=300", "")
	if err != nil {
		t.Fatal(err)
	}
	net, err := model.New("resnet8:width=4,stem-stride=2,in-channels=1,classes=10")
	if err != nil {
		t.Fatal(err)
	}
	e := NewEngine(net, torch.CPU, 0, 2)
	val, err := e.Load(set.Val, device.NoLimit)
	if err != nil {
		t.Fatal(err)
	}
	defer val.Free()
	a, err := e.fastest(context.Background(), allotment{2, 1, 4, 250}, val)
	if err != nil || a.workers*a.threads != 2 || a.batch != 250 && a.batch != 125 {
		t.Errorf("%v, %v", a, err)
	}
	c, each, err := e.measure(context.Background(), val)
	if err != nil || c.model < 4*net.Layout().Floats() || c.model > 5*net.Layout().Floats() || c.example < 4*28*28 || c.example > 100*4*28*28 || each <= 0 {
		t.Errorf("%+v, %v, %v", c, each, err)
	}
}

// Large activations take smaller batches; small ones, and small batches, stay.
func TestSmallerBatches(t *testing.T) {
	for _, c := range []struct {
		batch   int
		example int64
		want    int
	}{{250, 100 << 10, 250}, {250, 12 << 20, 42}, {250, 1 << 30, 32}, {8, 1 << 30, 8}, {250, 0, 250}} {
		if have := smaller(c.batch, c.example); have != c.want {
			t.Errorf("%d examples of %d bytes: %d at a time, expected %d", c.batch, c.example, have, c.want)
		}
	}
}
