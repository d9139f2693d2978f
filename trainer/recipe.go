package trainer

import (
	"errors"
	"fmt"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/optim"
	"github.com/lawa-replay/lawa-replay/optim/schedule"
)

// Recipe is all that a run is made of.
type Recipe struct {
	Network         model.Network
	Data            *dataset.Set
	Loss            Loss
	Optimizer       optim.Optimizer
	Rates           schedule.Rates // its StepsPerEpoch are the data's
	BatchSize       int
	Seed            int64
	CheckpointEvery int // steps; 0 means at the end of each epoch
	Device          model.Device
	Threads         int // of a step; another number rounds otherwise
}

// Loss is what training makes small.
type Loss interface {
	// Loss is one number for the outputs of a batch, differentiable.
	Loss(s *torch.Scope, outputs, targets *torch.Tensor) *torch.Tensor
}

// CrossEntropy is that of logits against classes, with label smoothing as torch.nn.CrossEntropyLoss defines it.
type CrossEntropy struct{ Smoothing float64 }

// Loss implements Loss.
func (c CrossEntropy) Loss(s *torch.Scope, outputs, targets *torch.Tensor) *torch.Tensor {
	return s.CrossEntropy(outputs, targets, c.Smoothing)
}

// Check says what is wrong with the numbers.
func (r Recipe) Check() error {
	switch {
	case r.Rates.Epochs < 1:
		return fmt.Errorf("epochs %d: want at least 1", r.Rates.Epochs)
	case r.BatchSize < 2:
		return fmt.Errorf("batch size %d: batch norm needs at least 2", r.BatchSize)
	case r.CheckpointEvery < 0:
		return fmt.Errorf("checkpoint every %d steps", r.CheckpointEvery)
	case r.Loss == nil || r.Optimizer == nil || r.Rates.Schedule == nil:
		return errors.New("a run needs a loss, an optimizer and a schedule")
	}
	return r.Rates.Check()
}

// StepsPerEpoch counts the batches of an epoch, the short last one too.
func StepsPerEpoch(examples, batchSize int) int64 {
	return int64((examples + batchSize - 1) / batchSize)
}
