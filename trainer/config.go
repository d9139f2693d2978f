// Package trainer trains a network and records its trajectory.
//
// It believes that a run is a function of its configuration and its seed: the order of the data and the
// augmentation are drawn anew for each epoch and each step from the seed and their number, so there is no
// generator whose state could be lost, and a run that was killed and resumed ends, on a CPU, with the
// same bits as one that was not.
package trainer

import (
	"errors"
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// Config is what determines a run, beside its network and data.
type Config struct {
	Epochs          int     `json:"epochs"`
	BatchSize       int     `json:"batch_size"`
	Seed            int64   `json:"seed"`
	LR              float64 `json:"lr"` // peak learning rate
	Momentum        float64 `json:"momentum"`
	Nesterov        bool    `json:"nesterov"`
	WeightDecay     float64 `json:"weight_decay"` // on every parameter, as torch.optim.SGD has it
	Schedule        string  `json:"schedule"`     // cosine, constant or step:every=30,gamma=0.1
	Warmup          float64 `json:"warmup"`       // epochs of linear warm-up
	LabelSmoothing  float64 `json:"label_smoothing"`
	CheckpointEvery int     `json:"checkpoint_every"` // steps; 0 means at the end of each epoch
}

// Check says what is wrong with the settings.
func (c Config) Check() error {
	switch {
	case c.Epochs < 1:
		return fmt.Errorf("epochs %d: want at least 1", c.Epochs)
	case c.BatchSize < 2:
		return fmt.Errorf("batch size %d: batch norm needs at least 2", c.BatchSize)
	case !(c.LR > 0) || math.IsInf(c.LR, 0):
		return fmt.Errorf("learning rate %g: want a positive number", c.LR)
	case !(c.Momentum >= 0 && c.Momentum < 1):
		return fmt.Errorf("momentum %g: want a number from 0 to below 1", c.Momentum)
	case c.Nesterov && c.Momentum == 0:
		return errors.New("Nesterov momentum needs a momentum")
	case !(c.WeightDecay >= 0) || math.IsInf(c.WeightDecay, 0):
		return fmt.Errorf("weight decay %g: want a number of at least 0", c.WeightDecay)
	case !(c.Warmup >= 0 && c.Warmup < float64(c.Epochs)):
		return fmt.Errorf("warm-up of %g epochs in a run of %d", c.Warmup, c.Epochs)
	case !(c.LabelSmoothing >= 0 && c.LabelSmoothing < 1):
		return fmt.Errorf("label smoothing %g: want a number from 0 to below 1", c.LabelSmoothing)
	case c.CheckpointEvery < 0:
		return fmt.Errorf("checkpoint every %d steps", c.CheckpointEvery)
	}
	_, err := c.schedule()
	return err
}

// schedule returns the factor on the learning rate as a function of the share of the run after warm-up
// that has passed, and of the epochs that have.
func (c Config) schedule() (func(share, epoch float64) float64, error) {
	s, err := spec.Parse(c.Schedule)
	if err != nil {
		return nil, fmt.Errorf("schedule %w", err)
	}
	var f func(share, epoch float64) float64
	switch s.Name {
	case "cosine": // Loshchilov, Hutter, SGDR (arXiv 1608.03983), eq. 5, one period, down to 0
		f = func(share, _ float64) float64 { return (1 + math.Cos(math.Pi*share)) / 2 }
	case "constant":
		f = func(_, _ float64) float64 { return 1 }
	case "step":
		every, gamma := s.Float("every", 30, 1e-3, 1e9), s.Float("gamma", 0.1, 0, 1)
		f = func(_, epoch float64) float64 { return math.Pow(gamma, math.Floor(epoch/every)) }
	default:
		return nil, spec.Unknown("schedule", s.Name, []string{"cosine", "constant", "step"})
	}
	if err := s.Done(); err != nil {
		return nil, fmt.Errorf("schedule %w", err)
	}
	return f, nil
}

// LRAt is the learning rate of a step (from 0) in a run of so many steps per epoch.
func (c Config) LRAt(step, stepsPerEpoch int64) float64 {
	f, err := c.schedule()
	if err != nil {
		return math.NaN() // Check has told
	}
	total, warm := float64(int64(c.Epochs)*stepsPerEpoch), c.Warmup*float64(stepsPerEpoch)
	at := float64(step)
	if at < warm {
		return c.LR * min(1, (at+1)/warm)
	}
	return c.LR * f((at-warm)/(total-warm), at/float64(stepsPerEpoch))
}
