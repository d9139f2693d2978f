package trainer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/optim"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Hooks are what a run tells, and asks, on its way. Each may be nil.
type Hooks struct {
	// Step is called after every step.
	Step func(step, total int64, loss float64)
	// Checkpoint is called when the weights of c are stored and before c is recorded; values are the
	// network's floats, in its flat order. It may add metrics and evaluations to c.
	Checkpoint func(c *trajectory.Checkpoint, values []float32) error
}

// Run trains to the last epoch of the recipe, from rec's newest checkpoint or from new weights, and records a checkpoint
// at the end of each epoch (or every CheckpointEvery steps, and at the end). When ctx ends it returns ctx's error at the
// next step; what was recorded stays.
func Run(ctx context.Context, recipe Recipe, rec *trajectory.Recorder, hooks Hooks) error {
	if err := recipe.Check(); err != nil {
		return err
	}
	recipe.Rates.StepsPerEpoch = StepsPerEpoch(recipe.Data.Len(), recipe.BatchSize)
	inputs, fields, err := recipe.fields()
	if err != nil {
		return err
	}
	return torch.Worker(recipe.Threads, true, func() error {
		in, err := recipe.Network.On(recipe.Device, model.Options{Trainable: true, Precision: recipe.Precision})
		if err != nil {
			return err
		}
		defer in.Free()
		state, err := optim.NewState(recipe.Optimizer, recipe.Device, in.Weights().Parameters())
		if err != nil {
			return err
		}
		defer state.Free()
		r := &run{Recipe: recipe, net: in, weights: in.Weights(), state: state, inputs: inputs, fields: fields, rec: rec, hooks: hooks, tensors: files(in.Weights().Layout)}
		return r.train(ctx)
	})
}

type run struct {
	Recipe
	net     model.Instance
	weights *model.Weights
	state   *optim.State
	inputs  []string      // the fields that the network takes
	fields  []string      // these, and what the task needs
	batch   dataset.Batch // whose memory is used again
	rec     *trajectory.Recorder
	hooks   Hooks
	tensors []checkpoint.Tensor
}

// place is how far a run has come.
type place struct {
	step    int64
	seconds float64
	losses  float64 // sum of the steps' losses since the last checkpoint
	steps   int64   // that the sum is over
}

// stream is one of the seed's generators: an order of the examples for each epoch, an augmentation for each step. Those
// of one purpose lie in 2³² numbers of its own.
type stream uint64

const (
	orders        stream = 1 << 32
	augmentations stream = 2 << 32
)

func (s stream) generator(seed, number int64) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(seed), uint64(s)+uint64(number)))
}

func (r *run) train(ctx context.Context) error {
	at, err := r.start()
	if err != nil {
		return err
	}
	perEpoch := r.Rates.StepsPerEpoch
	total := int64(r.Rates.Epochs) * perEpoch
	var order []int
	epoch := int64(-1)
	for at.step < total {
		if err := ctx.Err(); err != nil {
			return err
		}
		began := time.Now()
		if e := at.step / perEpoch; e != epoch {
			epoch = e
			order = orders.generator(r.Seed, epoch).Perm(r.Data.Len())
		}
		from := int(at.step%perEpoch) * r.BatchSize
		loss, err := r.step(at.step, order[from:min(from+r.BatchSize, len(order))])
		if err != nil {
			return fmt.Errorf("step %d: %w", at.step+1, err)
		}
		at.step++
		at.steps++
		at.losses += loss
		at.seconds += time.Since(began).Seconds()
		if r.hooks.Step != nil {
			r.hooks.Step(at.step, total, loss)
		}
		due := at.step%perEpoch == 0
		if r.CheckpointEvery > 0 {
			due = at.step%int64(r.CheckpointEvery) == 0
		}
		if due || at.step == total {
			if err := r.record(&at); err != nil {
				return err
			}
		}
	}
	return nil
}

// step runs one optimizer step (from 0) on the examples of the given indices, and returns its loss.
func (r *run) step(step int64, indices []int) (float64, error) {
	// What libtorch may draw follows from the seed and the step too.
	if err := torch.Seed(r.Seed<<32 + step); err != nil {
		return 0, err
	}
	if err := r.Data.Read(&r.batch, indices, augmentations.generator(r.Seed, step)); err != nil {
		return 0, err
	}
	if r.batch.N != len(indices) {
		return 0, fmt.Errorf("split %s: a batch of %d examples where %d were asked for", r.Data.Name(), r.batch.N, len(indices))
	}
	var s torch.Scope
	defer s.Close()
	b := device.Place(&s, r.Device, &r.batch, r.fields)
	out := r.net.Forward(&s, b.Inputs(r.inputs), model.Train)
	if err := s.Err(); err != nil {
		return 0, err
	}
	loss := r.Task.Loss(&s, out, b)
	s.Backward(loss)
	if err := s.Err(); err != nil {
		return 0, err
	}
	err := r.Optimizer.Step(optim.Values{Weights: r.weights.Flat(), Gradients: r.weights.Gradients(), Slots: r.state.Slots}, step, r.Rates.At(step))
	if err != nil {
		return 0, err
	}
	var value [1]float32
	if err := torch.Read(value[:], loss, 0); err != nil {
		return 0, err
	}
	if value[0] != value[0] {
		return 0, errors.New("the loss is NaN: training diverged (a lower learning rate, or a warm-up, may help)")
	}
	return float64(value[0]), nil
}
