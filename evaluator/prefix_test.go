package evaluator

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// prefixed writes a run's checkpoints with a prefix in front of their tensors' names.
func prefixed(t *testing.T, run *trajectory.Trajectory, prefix string) *trajectory.Trajectory {
	t.Helper()
	dir := t.TempDir()
	for i := range run.Checkpoints {
		if err := run.Seal(context.Background(), []int{i}, false, nil); err != nil {
			t.Fatal(err)
		}
		w, err := run.Map(i, false)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		tensors := slices.Clone(w.Tensors)
		for j := range tensors {
			tensors[j].Name = prefix + tensors[j].Name
		}
		tensors = checkpoint.Arrange(tensors)
		data := make([]byte, tensors[len(tensors)-1].End)
		for _, x := range tensors {
			from, _ := w.Tensor(strings.TrimPrefix(x.Name, prefix))
			copy(data[x.Begin:x.End], w.Data[from.Begin:from.End])
		}
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("epoch_%d.safetensors", i+1)))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := safetensors.Write(f, tensors, nil, data); err != nil {
			t.Fatal(err)
		}
	}
	return linked(t, dir)
}

// A prefix that all names share, as those in a LightningModule do, does not hinder a TorchScript module: every number is
// PyTorch's, statistics included. One that some share is in the error.
func TestPrefix(t *testing.T) {
	dir := filepath.Join("..", "testdata", "script", "conv")
	net, err := model.New(filepath.Join(dir, "net.ts"))
	if err != nil {
		t.Fatal(err)
	}
	e := NewEngine(net, torch.CPU, 2, 2)
	e.Task, e.BNBatch = task.Classification{}, 32
	if e.Set, err = dataset.Open("tensors:"+filepath.Join(dir, "val.safetensors"), ""); err != nil {
		t.Fatal(err)
	}
	if e.BNSplit, err = dataset.OpenTensors("tensors:" + filepath.Join(dir, "bn.safetensors")); err != nil {
		t.Fatal(err)
	}
	run := prefixed(t, linked(t, dir), "net.model.")
	compare(t, "conv", swept(t, run, e, allPolicies...), map[string]string{"loss": "loss", "top1": "top1"}, 1e-6)

	tensors, err := run.Tensors(0)
	if err != nil {
		t.Fatal(err)
	}
	if p := Prefix(net, tensors, nil); p != "net.model." {
		t.Errorf("the prefix is %q", p)
	}
	more := append(slices.Clone(tensors), checkpoint.Tensor{Name: "head.weight", DType: checkpoint.F32, Shape: []int64{3}})
	if err := Match(net, more, nil); err == nil || !strings.Contains(err.Error(), "without net.model. before their names") || !strings.Contains(err.Error(), "head.weight") {
		t.Errorf("one tensor more: %v", err)
	}
}
