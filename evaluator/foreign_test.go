package evaluator

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/importer"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// linked opens checkpoints as they lie.
func linked(t *testing.T, paths ...string) *trajectory.Trajectory {
	t.Helper()
	u, err := importer.Understand(paths, importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	run, err := u.Trajectory(t.TempDir(), trajectory.Meta{Run: "linked"})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// TestPretrained: the networks of github.com/akamaster/pytorch_resnet_cifar10, whose files are legacy pickles of a
// DataParallel with a classifier called linear, give the logits that PyTorch gives for the same pixels
// (bench/cifar10.py), within 1e-4.
func TestPretrained(t *testing.T) {
	dir := filepath.Join("..", "testdata", "cifar10")
	set, err := dataset.Open("cifar10", dir)
	if err != nil {
		t.Fatal(err)
	}
	for spec, files := range map[string][2]string{"resnet20": {"resnet20-12fca82f.th", "logits20.json"}, "resnet32": {"resnet32-d509ac18.th", "logits32.json"}} {
		text, err := os.ReadFile(filepath.Join(dir, files[1]))
		if err != nil {
			t.Fatal(err)
		}
		var want [][]float64
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		run := linked(t, filepath.Join(dir, files[0]))
		net, err := model.New(spec + ":in-channels=3,classes=10")
		if err != nil {
			t.Fatal(err)
		}
		if err := run.Seal(context.Background(), []int{0}, false, nil); err != nil {
			t.Fatal(err)
		}
		w, err := run.Map(0, false)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if err := Match(net, w.Tensors, nil); err != nil {
			t.Fatal(err)
		}
		val, err := NewEngine(net, torch.CPU, 1, 1).Load(set.Val, device.NoLimit)
		if err != nil {
			t.Fatal(err)
		}
		defer val.Free()
		logits := make([]float32, 30*10)
		err = torch.Worker(1, false, func() error {
			in, err := net.On(torch.CPU, model.Options{})
			if err != nil {
				return err
			}
			defer in.Free()
			if err := load(net, in.Weights(), weights{tensors: w.Tensors, data: w.Data}); err != nil {
				return err
			}
			var s torch.Scope
			defer s.Close()
			y := in.Forward(&s, val.feed.Walk().Batch(&s, 0, 30).Inputs(val.inputs), model.Evaluate)
			if err := s.Err(); err != nil {
				return err
			}
			return torch.Read(logits, y, 0)
		})
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for i, v := range logits {
			worst = max(worst, math.Abs(float64(v)-want[i/10][i%10]))
		}
		if !(worst < 1e-4) {
			t.Errorf("%s: logits differ from PyTorch's by up to %g", spec, worst)
		}
	}
}

// scripted sweeps one of the runs of testdata/script by its TorchScript module.
func scripted(t *testing.T, kind, data, bnData string, scored task.Task, policies ...bn.Policy) map[[4]string]float64 {
	t.Helper()
	dir := filepath.Join("..", "testdata", "script", kind)
	run := linked(t, dir)
	net, err := model.New(filepath.Join(dir, "net.ts"))
	if err != nil {
		t.Fatal(err)
	}
	e := NewEngine(net, torch.CPU, 2, 2)
	e.Task, e.BNBatch = scored, 32
	if e.Set, err = dataset.Open("tensors:"+filepath.Join(dir, data), ""); err != nil {
		t.Fatal(err)
	}
	if bnData != "" {
		if e.BNSplit, err = dataset.OpenTensors("tensors:" + filepath.Join(dir, bnData)); err != nil {
			t.Fatal(err)
		}
	}
	return swept(t, run, e, policies...)
}

// swept gives the values by scheme, epoch, policy and metric.
func swept(t *testing.T, run *trajectory.Trajectory, e sweep.Backend, policies ...bn.Policy) map[[4]string]float64 {
	t.Helper()
	s := &Sweep{Dir: t.TempDir(), Trajectories: []*trajectory.Trajectory{run}, Splits: []string{"val"}, Policies: policies}
	s.Endpoints = [][]int{{}}
	for i := range run.Checkpoints {
		s.Endpoints[0] = append(s.Endpoints[0], i)
	}
	var err error
	if s.Schemes, err = averaging.ParseAll([]string{"lawa:k=1", "lawa:k=2", "lawa:k=3", "ema:decay=0.8"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	table, err := results.Read(filepath.Join(s.Dir, results.File))
	if err != nil {
		t.Fatal(err)
	}
	out := map[[4]string]float64{}
	for _, r := range table.Rows {
		out[[4]string{r.Scheme, trajectory.EpochName(r.Epoch), r.Policy, r.Metric}] = r.Value
	}
	return out
}

// compare holds values against reference.json, which bench/script_run.py wrote with PyTorch; metric names the column
// of a reference metric.
func compare(t *testing.T, kind string, have map[[4]string]float64, metrics map[string]string, tolerance float64) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "testdata", "script", kind, "reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Scheme, Policy, Metric string
		Epoch, Value           float64
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	compared := 0
	policies := map[string]bool{}
	for k := range have {
		policies[k[2]] = true
	}
	for _, r := range rows {
		metric, ok := metrics[r.Metric]
		if !ok || !policies[r.Policy] {
			continue
		}
		v, ok := have[[4]string{r.Scheme, trajectory.EpochName(r.Epoch), r.Policy, metric}]
		if !ok {
			t.Errorf("no value of %s for %s at epoch %g, policy %s", metric, r.Scheme, r.Epoch, r.Policy)
			continue
		}
		compared++
		if !(math.Abs(v-r.Value) <= tolerance*max(1, math.Abs(r.Value))) {
			t.Errorf("%s of %s at epoch %g, policy %s: %.9g, PyTorch gives %.9g", metric, r.Scheme, r.Epoch, r.Policy, v, r.Value)
		}
	}
	if compared < 9 {
		t.Errorf("only %d values were compared", compared)
	}
}

var allPolicies = []bn.Policy{{Kind: bn.Copy}, {Kind: bn.Average}, {Kind: bn.Recompute}}

// TestTorchScript: averages of PyTorch's checkpoints, evaluated by their scripted module, are what PyTorch makes of
// them: state-dict arithmetic, update_bn (with a momentum, and with None), and the metrics of each task.
func TestTorchScript(t *testing.T) {
	conv := scripted(t, "conv", "val.safetensors", "bn.safetensors", task.Classification{}, allPolicies...)
	compare(t, "conv", conv, map[string]string{"loss": "loss", "top1": "top1"}, 1e-6)
	lm := scripted(t, "lm", "val.safetensors", "", task.LanguageModel{}, allPolicies[:1]...)
	compare(t, "lm", lm, map[string]string{"loss": "loss", "perplexity": "perplexity", "top1": "top1"}, 1e-6)
	masked := scripted(t, "lm", "masked.safetensors", "", task.LanguageModel{Masked: true}, allPolicies[:1]...)
	compare(t, "lm", masked, map[string]string{"masked": "loss"}, 1e-6)
	mlp := scripted(t, "mlp", "val.safetensors", "", task.Regression{}, allPolicies[:2]...)
	compare(t, "mlp", mlp, map[string]string{"mse": "mse", "mae": "mae"}, 1e-6)
}

// What a module cannot do is refused, with a reason.
func TestTorchScriptRefuses(t *testing.T) {
	dir := filepath.Join("..", "testdata", "script", "mlp")
	run := linked(t, dir)
	traced, err := model.New(filepath.Join(dir, "traced.ts"))
	if err != nil {
		t.Fatal(err)
	}
	e := NewEngine(traced, torch.CPU, 1, 1)
	e.Task, e.BNBatch = task.Regression{}, 20
	if e.Set, err = dataset.Open("tensors:"+filepath.Join(dir, "val.npz"), ""); err != nil {
		t.Fatal(err)
	}
	e.BNSplit = e.Set.Val
	swept(t, run, e, allPolicies[:1]...) // evaluation needs no training mode
	s := &Sweep{Dir: t.TempDir(), Trajectories: []*trajectory.Trajectory{run}, Endpoints: [][]int{{0}}, Splits: []string{"val"}, Policies: allPolicies[2:], Schemes: []averaging.Scheme{averaging.Last{}}}
	if _, err := s.Run(context.Background(), e); err == nil || !strings.Contains(err.Error(), "traced") || !strings.Contains(err.Error(), "epoch 1") {
		t.Errorf("recomputing a traced module's statistics: %v", err)
	}
	e.BNSplit = nil
	if _, err := s.Run(context.Background(), e); err == nil || !strings.Contains(err.Error(), "needs data") {
		t.Errorf("recompute without data: %v", err)
	}

	other, err := model.New(filepath.Join("..", "testdata", "script", "conv", "net.ts"))
	if err != nil {
		t.Fatal(err)
	}
	e.Net, s.Policies = other, allPolicies[:1]
	if _, err := s.Run(context.Background(), e); err == nil || !strings.Contains(err.Error(), "missing: conv1.weight") || !strings.Contains(err.Error(), "not the network's: ") || !strings.Contains(err.Error(), "net.0.weight") {
		t.Errorf("another network's checkpoints: %v", err)
	}
	tensors, err := run.Tensors(0)
	if err != nil {
		t.Fatal(err)
	}
	changed := slices.Clone(tensors)
	for i := range changed {
		if changed[i].Name == "net.0.weight" {
			changed[i].Shape = []int64{16, 6}
		}
	}
	if err := Match(traced, changed, nil); err == nil || !strings.Contains(err.Error(), "net.0.weight is F32[16 6], expected F32[16 5]") {
		t.Errorf("another shape: %v", err)
	}
	// num_batches_tracked came with PyTorch 0.4.1; older files lack it.
	without := slices.DeleteFunc(slices.Clone(tensors), func(x checkpoint.Tensor) bool { return strings.HasSuffix(x.Name, "num_batches_tracked") })
	if err := Match(traced, without, nil); err != nil {
		t.Errorf("without num_batches_tracked: %v", err)
	}
	for name, want := range map[string]string{"none.ts": "none.ts", "../testdata/foreign/bare-2.pt": "torch.jit.save"} {
		if _, err := model.New(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Targets and outputs that do not belong together are errors that say so.
func TestTasksRefuse(t *testing.T) {
	dir := filepath.Join("..", "testdata", "script")
	for _, c := range []struct {
		kind, data string
		task       task.Task
		want       string
	}{
		{"mlp", "mlp/val.safetensors", task.Classification{}, "a classification has one class"},
		{"conv", "conv/bn.safetensors", task.Classification{}, "no field called targets"},
		{"mlp", "mlp/val.safetensors", task.LanguageModel{}, "whole numbers are wanted"},
		{"conv", "conv/val.safetensors", task.Regression{}, "outputs of shape [150 7]"},
		{"conv", "conv/val.safetensors", task.LanguageModel{Masked: true}, "one dimension is expected"},
		{"lm", "lm/val.safetensors", task.LanguageModel{Masked: true}, "no field called targets"},
		{"lm", "mlp/val.npz", task.Regression{}, "libtorch"},
	} {
		net, err := model.New(filepath.Join(dir, c.kind, "net.ts"))
		if err != nil {
			t.Fatal(err)
		}
		e := NewEngine(net, torch.CPU, 1, 1)
		e.Task = c.task
		if e.Set, err = dataset.Open("tensors:"+filepath.Join(dir, c.data), ""); err != nil {
			t.Fatal(err)
		}
		s := &Sweep{Dir: t.TempDir(), Trajectories: []*trajectory.Trajectory{linked(t, filepath.Join(dir, c.kind))}, Endpoints: [][]int{{0}}, Splits: []string{"val"}, Policies: allPolicies[:1], Schemes: []averaging.Scheme{averaging.Last{}}}
		if _, err := s.Run(context.Background(), e); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s on %s as %s: %v, expected …%s…", c.kind, c.data, c.task, err, c.want)
		}
	}
}
