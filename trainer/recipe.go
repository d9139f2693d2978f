package trainer

import (
	"errors"
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/optim"
	"github.com/lawa-replay/lawa-replay/optim/schedule"
)

// Recipe is all that a run is made of.
type Recipe struct {
	Network         model.Network
	Data            dataset.Split // to train on
	Task            task.Task     // whose loss becomes small
	Optimizer       optim.Optimizer
	Rates           schedule.Rates // its StepsPerEpoch are the data's
	BatchSize       int
	Seed            int64
	CheckpointEvery int // steps; 0 means at the end of each epoch
	Device          model.Device
	Precision       model.Precision
	Threads         int // of a step; another number rounds otherwise

	// ClipNorm, above 0, is what the norm of all gradients together is at most, as torch.nn.utils.clip_grad_norm_ makes it.
	ClipNorm float64
	// Accumulate, above 1, computes a step's batch in so many parts, one after another, whose gradients add up to those of the
	// mean over the batch. Batch norm sees each part on its own.
	Accumulate int
	// Mixup, above 0, trains on a blend of each batch and the same in another order, λ of it and 1−λ of that, λ drawn from
	// Beta(Mixup, Mixup) for each batch: Zhang et al. 2018, arXiv 1710.09412.
	Mixup float64
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
	case !(r.ClipNorm >= 0) || math.IsInf(r.ClipNorm, 0):
		return fmt.Errorf("clipping gradients to a norm of %g: want a positive number", r.ClipNorm)
	case r.Accumulate < 0 || r.Accumulate > r.BatchSize:
		return fmt.Errorf("a batch of %d examples in %d parts", r.BatchSize, r.Accumulate)
	case !(r.Mixup >= 0) || math.IsInf(r.Mixup, 0):
		return fmt.Errorf("mixup by Beta(%g, %g): want a positive number", r.Mixup, r.Mixup)
	case r.Task == nil || r.Optimizer == nil || r.Rates.Schedule == nil:
		return errors.New("a run needs a task, an optimizer and a schedule")
	}
	return r.Rates.Check()
}

// fields are those of the data that the network takes, and those that it and the task do.
func (r Recipe) fields() (inputs, all []string, err error) {
	inputs, err = dataset.Match(r.Network.Inputs(), r.Data.Fields())
	if err == nil && r.Data.Len() == 0 {
		err = errors.New("it holds no examples")
	}
	if err == nil {
		all, err = task.Fields(r.Task, r.Data.Fields(), inputs)
	}
	for _, name := range inputs {
		if f, _ := dataset.Find(r.Data.Fields(), name); err == nil && r.Mixup > 0 && f.Normalize == nil && !f.DType.Float() {
			err = fmt.Errorf("mixup: %s are %s, which cannot be blended", name, f.DType)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("split %s: %w", r.Data.Name(), err)
	}
	return inputs, all, nil
}

// StepsPerEpoch counts the batches of an epoch, the short last one too.
func StepsPerEpoch(examples, batchSize int) int64 {
	return int64((examples + batchSize - 1) / batchSize)
}
