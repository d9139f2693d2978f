package trainer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/optim"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Hooks are what a run tells, and asks, on its way. Each may be nil.
type Hooks struct {
	// Step is called after every step.
	Step func(step, total int64)
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
		r := &run{Recipe: recipe, net: in, weights: in.Weights(), inputs: inputs, fields: fields, rec: rec, hooks: hooks, tensors: files(in.Weights().Layout)}
		defer r.free()
		if err := r.prepare(); err != nil {
			return err
		}
		return r.train(ctx)
	})
}

type run struct {
	Recipe
	net     model.Instance
	weights *model.Weights
	state   *optim.State
	decays  *torch.Tensor // which weights do, where not all of them
	losses  *losses
	inputs  []string // the fields that the network takes
	fields  []string // these, and what the task needs
	loader  *dataset.Loader
	rec     *trajectory.Recorder
	hooks   Hooks
	tensors []checkpoint.Tensor
}

// prepare makes what lies on the device beside the weights.
func (r *run) prepare() error {
	var err error
	if r.state, err = optim.NewState(r.Optimizer, r.Device, r.weights.Parameters()); err != nil {
		return err
	}
	if r.losses, err = newLosses(r.Device); err != nil {
		return err
	}
	if optim.SparesVectors(r.Optimizer) {
		mask := make([]float32, r.weights.Parameters())
		for _, e := range r.weights.Entries {
			if e.Role == model.Parameter && len(e.Shape) > 1 {
				at := mask[e.Offset : e.Offset+e.Elements()]
				for i := range at {
					at[i] = 1
				}
			}
		}
		r.decays, err = torch.From(r.Device, mask, int64(len(mask)))
	}
	return err
}

func (r *run) free() {
	if r.state != nil {
		r.state.Free()
	}
	if r.losses != nil {
		r.losses.free()
	}
	r.decays.Free()
}

// place is how far a run has come.
type place struct {
	step    int64
	seconds float64
	losses  float64 // sum of the steps' losses since the last checkpoint
	steps   int64   // that the sum is over

	examples, since float64 // trained on since the last checkpoint of this process, and the seconds of that
	waited          float64 // seconds of these in which no batch was ready
}

// stream is one of the seed's generators: an order of the examples for each epoch, an augmentation for each step. Those
// of one purpose lie in 2³² numbers of its own.
type stream uint64

const (
	orders        stream = 1 << 32
	augmentations stream = 2 << 32
	mixtures      stream = 3 << 32
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
	r.loader = dataset.NewLoader(r.Data, batchesAhead, r.batches(at.step))
	defer r.loader.Close()
	for at.step < total {
		if err := ctx.Err(); err != nil {
			return err
		}
		began := time.Now()
		waited := r.loader.Waited()
		n := r.examples(at.step)
		if err := r.step(at.step, n); err != nil {
			return fmt.Errorf("step %d: %w", at.step+1, err)
		}
		at.step++
		due := at.step%perEpoch == 0
		if r.CheckpointEvery > 0 {
			due = at.step%int64(r.CheckpointEvery) == 0
		}
		due = due || at.step == total
		if due || r.losses.full() {
			if err := r.losses.flush(&at); err != nil {
				return err
			}
		}
		took := time.Since(began).Seconds()
		at.seconds += took
		at.since += took
		at.waited += (r.loader.Waited() - waited).Seconds()
		at.examples += float64(n)
		if r.hooks.Step != nil {
			r.hooks.Step(at.step, total)
		}
		if due {
			if err := r.record(&at); err != nil {
				return err
			}
		}
	}
	return nil
}

// batchesAhead is how many batches are read while one is computed with.
const batchesAhead = 2

// examples is how many a step's batch has: the last of an epoch may be short.
func (r *run) examples(step int64) int {
	return min(r.BatchSize, r.Data.Len()-int(step%r.Rates.StepsPerEpoch)*r.BatchSize)
}

// parts is in how many parts a batch of n examples is computed.
func (r *run) parts(n int) int { return min(max(1, r.Accumulate), n) }

// batches are what the steps from the given one on are computed of: each step's parts, whose changes one generator draws.
func (r *run) batches(step int64) func() (dataset.Request, bool) {
	perEpoch := r.Rates.StepsPerEpoch
	epoch, part := int64(-1), 0
	var order []int
	var draw *rand.Rand
	return func() (dataset.Request, bool) {
		if step >= int64(r.Rates.Epochs)*perEpoch {
			return dataset.Request{}, false
		}
		if e := step / perEpoch; e != epoch {
			epoch = e
			order = orders.generator(r.Seed, epoch).Perm(r.Data.Len())
		}
		if part == 0 {
			draw = augmentations.generator(r.Seed, step)
		}
		from, n := int(step%perEpoch)*r.BatchSize, r.examples(step)
		parts := r.parts(n)
		request := dataset.Request{Indices: order[from+part*n/parts : from+(part+1)*n/parts], Draw: draw}
		if part++; part == parts {
			step, part = step+1, 0
		}
		return request, true
	}
}

// step runs one optimizer step (from 0) on the next n examples.
func (r *run) step(step int64, n int) error {
	// What libtorch may draw follows from the seed and the step too.
	if err := torch.Seed(r.Seed<<32 + step); err != nil {
		return err
	}
	mix := mixtures.generator(r.Seed, step)
	if err := r.gradients(n, mix); err != nil {
		return err
	}
	if r.ClipNorm > 0 {
		if err := r.weights.Gradients().ClipNorm(r.ClipNorm); err != nil {
			return err
		}
	}
	r.losses.next()
	return r.Optimizer.Step(optim.Values{Weights: r.weights.Flat(), Gradients: r.weights.Gradients(), Slots: r.state.Slots, Decays: r.decays}, step, r.Rates.At(step))
}

// gradients adds up those of a step's batch of n examples, and its loss, part by part. A part weighs as much as it has of what the
// task's loss is a mean over: examples, of which there are n, or what is known only when all parts are read.
func (r *run) gradients(n int, mix *rand.Rand) error {
	parts := r.parts(n)
	sized, ok := r.Task.(task.Sized)
	if !ok {
		for range parts {
			if err := r.part(mix, func(b *dataset.Batch) (float64, error) { return float64(b.N) / float64(n), nil }); err != nil {
				return err
			}
		}
		return nil
	}
	total := int64(0)
	for range parts {
		err := r.part(mix, func(b *dataset.Batch) (float64, error) {
			size, err := sized.Size(b)
			if total += size; parts == 1 && size > 0 {
				return 1, err
			}
			return float64(size), err
		})
		if err != nil {
			return err
		}
	}
	switch {
	case total == 0:
		return fmt.Errorf("of its %d examples nothing is scored: there is no loss to train with", n)
	case parts == 1:
		return nil
	}
	if err := r.losses.divide(float64(total)); err != nil {
		return err
	}
	return r.weights.Gradients().Multiply(0, r.weights.Parameters(), 1/float64(total))
}

// part adds the gradients of the next part of a step's batch, and its loss, times its share.
func (r *run) part(mix *rand.Rand, share func(*dataset.Batch) (float64, error)) error {
	batch, err := r.loader.Next()
	if err != nil {
		return err
	}
	scale, err := share(batch)
	if err != nil || scale == 0 {
		return err
	}
	var s torch.Scope
	defer s.Close()
	b := device.Place(&s, r.Device, batch, r.fields)
	loss := r.loss(&s, b, mix)
	if scale != 1 {
		loss = s.Times(loss, scale)
	}
	s.Backward(loss)
	if err := s.Err(); err != nil {
		return err
	}
	return r.losses.add(loss)
}

// loss is that of a batch, or of its blend with itself in another order.
func (r *run) loss(s *torch.Scope, b *device.Batch, mix *rand.Rand) *torch.Tensor {
	inputs := b.Inputs(r.inputs)
	if r.Mixup == 0 {
		return r.lossOf(s, inputs, b)
	}
	order, share := b.Shuffle(s, r.Device, mix), beta(mix, r.Mixup)
	for i := range inputs {
		inputs[i] = s.Mix(inputs[i], order, share)
	}
	out := r.net.Forward(s, inputs, model.Train)
	return s.Add(s.Times(r.Task.Loss(s, out, b), share), s.Times(r.Task.Loss(s, out, b.In(s, order)), 1-share))
}

// lossOf is the loss of what the network makes of inputs. A scope with an error makes nil of it: tasks need not look.
func (r *run) lossOf(s *torch.Scope, inputs []*torch.Tensor, b *device.Batch) *torch.Tensor {
	net, apart := r.net.(model.Headed)
	t, able := r.Task.(task.HeadLoss)
	if !apart || !able {
		return r.Task.Loss(s, r.net.Forward(s, inputs, model.Train), b)
	}
	head := func(s *torch.Scope, rows *torch.Tensor) *torch.Tensor { return net.Head(s, rows, model.Train) }
	return t.LossOf(s, net.Body(s, inputs, model.Train), head, b)
}
