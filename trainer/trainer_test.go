package trainer

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

var config = Config{Epochs: 3, BatchSize: 64, Seed: 5, LR: 0.1, Momentum: 0.9, WeightDecay: 5e-4, Schedule: "cosine"}

// train runs cfg into dir, stopping after so many steps if stop is not 0, and goes on if the run exists.
func train(t *testing.T, dir string, cfg Config, stop int64) (*trajectory.Trajectory, error) {
	t.Helper()
	set, err := dataset.Open("mnist:train=300,val=50,shift=2,flip=true", "")
	if err != nil {
		t.Fatal(err)
	}
	net, err := model.New("resnet8:width=4,stem-stride=2,in-channels=1,classes=10")
	if err != nil {
		t.Fatal(err)
	}
	rec, err := trajectory.Append(dir, formats.Files{})
	if err != nil {
		training, _ := json.Marshal(cfg)
		rec, err = trajectory.Create(dir, formats.Files{}, trajectory.Meta{Run: "t", Training: training, StepsPerEpoch: StepsPerEpoch(300, cfg.BatchSize)})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	hooks := Hooks{Step: func(step, _ int64) {
		if step == stop {
			cancel()
		}
	}}
	recipe, err := cfg.Recipe()
	if err != nil {
		return rec.Trajectory, err
	}
	recipe.Network, recipe.Data, recipe.Device, recipe.Threads = net, set.Train, torch.CPU, 2
	return rec.Trajectory, Run(ctx, recipe, rec, hooks)
}

func digests(t *trajectory.Trajectory) (out []string) {
	for _, c := range t.Checkpoints {
		out = append(out, c.SHA256)
	}
	return out
}

// A run that was interrupted and resumed has the same bits as one that was not.
func TestResumeIsBitEqual(t *testing.T) {
	for name, every := range map[string]int{"by epochs": 0, "by steps": 3, "with all there is": 3} {
		t.Run(name, func(t *testing.T) {
			cfg := config
			cfg.CheckpointEvery = every
			if name == "with all there is" {
				cfg.ClipNorm, cfg.Accumulate, cfg.Mixup, cfg.LabelSmoothing, cfg.Warmup, cfg.DecayEpochs = 0.5, 3, 0.4, 0.1, 0.5, 5
				cfg.Optimizer = "lookahead:k=2,optimizer=adamw,decay-vectors=false"
			}
			whole, err := train(t, filepath.Join(t.TempDir(), "whole"), cfg, 0)
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(t.TempDir(), "torn")
			for _, stop := range []int64{2, 7, 8, 12} {
				if _, err := train(t, dir, cfg, stop); !errors.Is(err, context.Canceled) {
					t.Fatalf("stopped at step %d: %v", stop, err)
				}
			}
			torn, err := train(t, dir, cfg, 0)
			if err != nil {
				t.Fatal(err)
			}
			a, b := digests(whole), digests(torn)
			if want := map[int]int{0: 3, 3: 5}[every]; len(a) != want {
				t.Fatalf("%d checkpoints, expected %d", len(a), want)
			}
			if strings.Join(a, " ") != strings.Join(b, " ") {
				t.Errorf("weights differ:\n%v\n%v", a, b)
			}
			for i, c := range torn.Checkpoints {
				if w := whole.Checkpoints[i]; c.Epoch != w.Epoch || c.Step != w.Step || *c.LR != *w.LR || c.Metrics["train/loss"] != w.Metrics["train/loss"] {
					t.Errorf("line %d: %+v, expected %+v", i+1, c, w)
				}
			}
		})
	}
}

// A run that checkpoints do not divide ends with a short interval, which makes no gap of all the others.
func TestShortLastInterval(t *testing.T) {
	cfg := config
	cfg.Epochs, cfg.CheckpointEvery = 2, 3 // 10 steps
	run, err := train(t, filepath.Join(t.TempDir(), "run"), cfg, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(run.Checkpoints); n != 4 || run.Checkpoints[3].Step != 10 {
		t.Fatalf("%d checkpoints", n)
	}
	scheme, err := averaging.Parse("lawa:k=4")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := averaging.NewPlan(averaging.Points(run), []averaging.Scheme{scheme}, []int{3}, false); err != nil {
		t.Error(err)
	}
}

func TestSeedsDiffer(t *testing.T) {
	cfg := config
	cfg.Epochs = 1
	a, err := train(t, filepath.Join(t.TempDir(), "a"), cfg, 0)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Seed++
	b, err := train(t, filepath.Join(t.TempDir(), "b"), cfg, 0)
	if err != nil {
		t.Fatal(err)
	}
	if a.Checkpoints[0].SHA256 == b.Checkpoints[0].SHA256 {
		t.Error("two seeds gave the same weights")
	}
}

func TestDivergenceIsAnError(t *testing.T) {
	cfg := config
	cfg.LR = 1e30
	if _, err := train(t, filepath.Join(t.TempDir(), "a"), cfg, 0); err == nil || !strings.Contains(err.Error(), "diverged") {
		t.Errorf("error %v", err)
	}
}

func TestDifferencesAreNamed(t *testing.T) {
	asked := config
	asked.LR, asked.ClipNorm = 0.2, 1
	if got := strings.Join(config.Differences(asked), "; "); got != "clip_norm none, asked for 1; lr 0.1, asked for 0.2" {
		t.Error(got)
	}
	if got := asked.Differences(asked); got != nil {
		t.Error(got)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"epochs":    func(c *Config) { c.Epochs = 0 },
		"batch":     func(c *Config) { c.BatchSize = 1 },
		"rate":      func(c *Config) { c.LR = math.NaN() },
		"momentum":  func(c *Config) { c.Momentum = 1 },
		"nesterov":  func(c *Config) { c.Momentum, c.Nesterov = 0, true },
		"decay":     func(c *Config) { c.WeightDecay = -1 },
		"warm-up":   func(c *Config) { c.Warmup = 3 },
		"smoothing": func(c *Config) { c.LabelSmoothing = 1 },
		"schedule":  func(c *Config) { c.Schedule = "cosin" },
		"gamma":     func(c *Config) { c.Schedule = "step:gamma=2" },
		"every":     func(c *Config) { c.CheckpointEvery = -1 },
		"clip":      func(c *Config) { c.ClipNorm = -1 },
		"parts":     func(c *Config) { c.Accumulate = 65 },
		"mixup":     func(c *Config) { c.Mixup = math.NaN() },
		"no decay":  func(c *Config) { c.Warmup, c.DecayEpochs = 1, 1 },
		"log-train": func(c *Config) { c.LogTrain = -1 },
	} {
		c := config
		change(&c)
		if c.Check() == nil {
			t.Errorf("%s: %+v passed", name, c)
		}
	}
	if err := config.Check(); err != nil {
		t.Error(err)
	}
}
