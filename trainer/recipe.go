package trainer

import (
	"errors"
	"fmt"

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
	if err != nil {
		return nil, nil, fmt.Errorf("split %s: %w", r.Data.Name(), err)
	}
	return inputs, all, nil
}

// StepsPerEpoch counts the batches of an epoch, the short last one too.
func StepsPerEpoch(examples, batchSize int) int64 {
	return int64((examples + batchSize - 1) / batchSize)
}
