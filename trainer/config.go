// Package trainer trains a network and records its trajectory.
//
// It believes that a run is a function of its recipe and its seed: the order of the data and the augmentation are drawn
// anew for each epoch and each step from the seed and their number, so there is no generator whose state could be lost,
// and a run that was killed and resumed ends, on a CPU, with the same bits as one that was not. What is trained, by which
// loss, optimizer and schedule, are values of interfaces; only Config knows the texts that name them.
package trainer

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/optim"
	"github.com/lawa-replay/lawa-replay/optim/schedule"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Config is what determines a run, beside its network and data, as numbers and texts: the training of trajectory.json.
// It can be compared.
type Config struct {
	Epochs          int     `json:"epochs"`
	BatchSize       int     `json:"batch_size"`
	Seed            int64   `json:"seed"`
	LR              float64 `json:"lr"`                  // peak learning rate
	Momentum        float64 `json:"momentum"`            // of SGD
	Nesterov        bool    `json:"nesterov"`            // of SGD
	WeightDecay     float64 `json:"weight_decay"`        // of SGD
	Optimizer       string  `json:"optimizer,omitempty"` // another than SGD; its text
	Schedule        string  `json:"schedule"`
	Warmup          float64 `json:"warmup"`                 // epochs of linear warm-up
	DecayEpochs     float64 `json:"decay_epochs,omitempty"` // at which the schedule is at its end, another than Epochs
	LabelSmoothing  float64 `json:"label_smoothing"`
	CheckpointEvery int     `json:"checkpoint_every"`     // steps; 0 means at the end of each epoch
	Precision       string  `json:"precision,omitempty"`  // another than float32
	ClipNorm        float64 `json:"clip_norm,omitempty"`  // of the gradients, at most
	Accumulate      int     `json:"accumulate,omitempty"` // parts in which a step's batch is computed, more than one
	Mixup           float64 `json:"mixup,omitempty"`      // of Beta(Mixup, Mixup)
	LogTrain        int     `json:"log_train,omitempty"`  // training examples on which each checkpoint is evaluated
}

// SetOptimizer takes the optimizer that a text names. SGD is kept as its settings, so that runs of one recipe are
// recorded alike, however it was said.
func (c *Config) SetOptimizer(text string) error {
	o, err := optim.Parse(text)
	if err != nil {
		return err
	}
	c.Momentum, c.Nesterov, c.WeightDecay, c.Optimizer = 0, false, 0, o.Spec()
	if sgd, ok := o.(optim.SGD); ok && !sgd.Spare {
		c.Momentum, c.Nesterov, c.WeightDecay, c.Optimizer = sgd.Momentum, sgd.Nesterov, sgd.WeightDecay, ""
	}
	return nil
}

// SetPrecision takes the precision of a name; float32 goes unsaid.
func (c *Config) SetPrecision(text string) error {
	p, err := model.ParsePrecision(text)
	if c.Precision = ""; err == nil && p != 0 {
		c.Precision = p.String()
	}
	return err
}

func (c Config) optimizer() (optim.Optimizer, error) {
	if c.Optimizer != "" {
		return optim.Parse(c.Optimizer)
	}
	o := optim.SGD{Momentum: c.Momentum, WeightDecay: c.WeightDecay, Nesterov: c.Nesterov}
	return o, o.Check()
}

// Recipe makes the parts of a run of what the texts name. The network, the data and the devices are for the caller to
// add.
func (c Config) Recipe() (Recipe, error) {
	r := Recipe{BatchSize: c.BatchSize, Seed: c.Seed, CheckpointEvery: c.CheckpointEvery, ClipNorm: c.ClipNorm, Accumulate: c.Accumulate, Mixup: c.Mixup}
	r.Rates = schedule.Rates{Peak: c.LR, Warmup: c.Warmup, Epochs: c.Epochs, Decay: c.DecayEpochs}
	r.Task = task.Classification{Smoothing: c.LabelSmoothing}
	if !(c.LabelSmoothing >= 0 && c.LabelSmoothing < 1) {
		return r, fmt.Errorf("label smoothing %g: want a number from 0 to below 1", c.LabelSmoothing)
	}
	if c.LogTrain < 0 {
		return r, fmt.Errorf("%d training examples to evaluate on", c.LogTrain)
	}
	var err error
	if r.Precision, err = model.ParsePrecision(c.Precision); err != nil {
		return r, err
	}
	if r.Optimizer, err = c.optimizer(); err != nil {
		return r, err
	}
	if r.Rates.Schedule, err = schedule.Parse(c.Schedule); err != nil {
		return r, err
	}
	return r, r.Check()
}

// Check says what is wrong with the settings.
func (c Config) Check() error {
	_, err := c.Recipe()
	return err
}

// Differences says, setting by setting, what c has and what was asked for instead.
func (c Config) Differences(asked Config) []string {
	have, want := c.settings(), asked.settings()
	text := func(m map[string]any, key string) string {
		if v, ok := m[key]; ok {
			return fmt.Sprint(v)
		}
		return "none"
	}
	var out []string
	for key := range have {
		if have[key] != want[key] {
			out = append(out, fmt.Sprintf("%s %s, asked for %s", key, text(have, key), text(want, key)))
		}
	}
	for key := range want {
		if _, ok := have[key]; !ok {
			out = append(out, fmt.Sprintf("%s none, asked for %s", key, text(want, key)))
		}
	}
	slices.Sort(out)
	return out
}

// settings are the configuration's, by the names under which they are recorded.
func (c Config) settings() map[string]any {
	var m map[string]any
	text, err := json.Marshal(c)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		panic(err) // a struct of numbers and texts
	}
	return m
}

// MarshalJSON leaves SGD's settings out where another optimizer is used.
func (c Config) MarshalJSON() ([]byte, error) {
	type plain Config
	text, err := json.Marshal(plain(c))
	if err != nil || c.Optimizer == "" {
		return text, err
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, err
	}
	for _, key := range []string{"momentum", "nesterov", "weight_decay"} {
		delete(m, key)
	}
	return json.Marshal(m)
}

// Resume reads the configuration that a trajectory was trained with.
func Resume(t *trajectory.Trajectory) (Config, error) {
	var cfg Config
	if len(t.Meta.Training) == 0 || string(t.Meta.Training) == "null" {
		return cfg, fmt.Errorf("%s was not trained by this program: there are no settings to go on with", t.Dir)
	}
	if err := json.Unmarshal(t.Meta.Training, &cfg); err != nil {
		return cfg, fmt.Errorf("%s: training: %w", t.Dir, err)
	}
	return cfg, cfg.Check()
}
