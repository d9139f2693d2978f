package trainer

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
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

// Run trains net on set.Train until cfg.Epochs, from rec's newest checkpoint or from new weights, and
// records a checkpoint at the end of each epoch (or every cfg.CheckpointEvery steps, and at the end). When
// ctx ends it returns ctx's error at the next step; what was recorded stays.
func Run(ctx context.Context, cfg Config, net model.Network, set *dataset.Set, on torch.Device, threads int, rec *trajectory.Recorder, hooks Hooks) error {
	if err := cfg.Check(); err != nil {
		return err
	}
	inputs, err := dataset.Match(net.Inputs(), set.Train.Fields())
	if err != nil {
		return fmt.Errorf("split %s: %w", set.Train.Name(), err)
	}
	learned := task.Classification{Smoothing: cfg.LabelSmoothing}
	if err := learned.Check(set.Train.Fields(), inputs); err != nil {
		return fmt.Errorf("split %s: %w", set.Train.Name(), err)
	}
	return torch.Worker(threads, true, func() error {
		in, err := net.On(on, true)
		if err != nil {
			return err
		}
		defer in.Free()
		momentum, err := torch.New[float32](on, net.Layout().Parameters())
		if err != nil {
			return err
		}
		defer momentum.Free()
		r := &run{cfg: cfg, net: in, device: on, momentum: momentum, set: set, task: learned, inputs: inputs, rec: rec, hooks: hooks,
			stepsPerEpoch: StepsPerEpoch(set.Train.Len(), cfg.BatchSize), tensors: files(net)}
		return r.train(ctx)
	})
}

// StepsPerEpoch counts the batches of an epoch, the short last one too.
func StepsPerEpoch(examples, batchSize int) int64 {
	return int64((examples + batchSize - 1) / batchSize)
}

type run struct {
	cfg           Config
	net           model.Instance
	device        torch.Device
	momentum      *torch.Tensor
	set           *dataset.Set
	task          task.Task
	inputs        []string      // the fields that the network takes
	batch         dataset.Batch // whose memory is used again
	rec           *trajectory.Recorder
	hooks         Hooks
	stepsPerEpoch int64
	tensors       []checkpoint.Tensor
}

// place is how far a run has come.
type place struct {
	step    int64
	seconds float64
	losses  float64 // sum of the steps' losses since the last checkpoint
	steps   int64   // that the sum is over
}

func (r *run) train(ctx context.Context) error {
	at, err := r.start()
	if err != nil {
		return err
	}
	total := int64(r.cfg.Epochs) * r.stepsPerEpoch
	var order []int
	epoch := int64(-1)
	for at.step < total {
		if err := ctx.Err(); err != nil {
			return err
		}
		began := time.Now()
		if e := at.step / r.stepsPerEpoch; e != epoch {
			epoch = e
			order = rand.New(rand.NewPCG(uint64(r.cfg.Seed), 1<<32+uint64(epoch))).Perm(r.set.Train.Len())
		}
		loss, err := r.step(at.step, order)
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
		due := at.step%r.stepsPerEpoch == 0
		if r.cfg.CheckpointEvery > 0 {
			due = at.step%int64(r.cfg.CheckpointEvery) == 0
		}
		if due || at.step == total {
			if err := r.record(&at); err != nil {
				return err
			}
		}
	}
	return nil
}

// step runs one optimizer step (from 0) and returns its loss.
func (r *run) step(step int64, order []int) (float64, error) {
	// What libtorch may draw follows from the seed and the step too.
	if err := torch.Seed(r.cfg.Seed<<32 + step); err != nil {
		return 0, err
	}
	from := int(step%r.stepsPerEpoch) * r.cfg.BatchSize
	indices := order[from:min(from+r.cfg.BatchSize, len(order))]
	draw := rand.New(rand.NewPCG(uint64(r.cfg.Seed), 2<<32+uint64(step)))
	if err := r.set.Train.Read(&r.batch, indices, draw); err != nil {
		return 0, err
	}
	var s torch.Scope
	defer s.Close()
	b := device.Place(&s, r.device, &r.batch)
	out := r.net.Forward(&s, b.Inputs(r.inputs), model.Train)
	if err := s.Err(); err != nil {
		return 0, err
	}
	loss := r.task.Loss(&s, out, b)
	s.Backward(loss)
	if err := s.Err(); err != nil {
		return 0, err
	}
	w := r.net.Weights()
	err := torch.SGD(w.Flat(), w.Gradients(), r.momentum, r.cfg.LRAt(step, r.stepsPerEpoch), r.cfg.Momentum, r.cfg.WeightDecay, r.cfg.Nesterov, step == 0)
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

// record stores the weights and the trainer's state, and then the line that makes the checkpoint exist.
func (r *run) record(at *place) error {
	values, err := r.net.Weights().Values()
	if err != nil {
		return err
	}
	c := trajectory.Checkpoint{
		Epoch:   float64(at.step) / float64(r.stepsPerEpoch),
		Step:    at.step,
		Seconds: new(at.seconds),
		LR:      new(r.cfg.LRAt(at.step-1, r.stepsPerEpoch)),
		Metrics: map[string]trajectory.Number{"train/loss": trajectory.Number(at.losses / float64(at.steps))},
	}
	c, err = r.rec.Write(c, r.tensors, encode(r.net.Weights().Counters(), values))
	if err != nil {
		return err
	}
	momentum := make([]float32, r.net.Weights().Parameters())
	if err := torch.Read(momentum, r.momentum, 0); err != nil {
		return err
	}
	state := checkpoint.Arrange([]checkpoint.Tensor{{Name: "momentum", DType: checkpoint.F32, Shape: []int64{int64(len(momentum))}}})
	if err := r.rec.WriteState(c.Index, state, encode(nil, momentum)); err != nil {
		return err
	}
	if r.hooks.Checkpoint != nil {
		if err := r.hooks.Checkpoint(&c, values); err != nil {
			return err
		}
	}
	if err := r.rec.Commit(c); err != nil {
		return err
	}
	at.losses, at.steps = 0, 0
	return r.rec.DropStates(c.Index)
}

// start makes new weights, or takes up the newest checkpoint.
func (r *run) start() (place, error) {
	n := len(r.rec.Checkpoints)
	if n == 0 {
		return place{}, r.net.Weights().Initialize(uint64(r.cfg.Seed))
	}
	c := r.rec.Checkpoints[n-1]
	w, err := r.rec.Map(n-1, true)
	if err != nil {
		return place{}, err
	}
	defer w.Close()
	if err := checkpoint.SameTensors(r.tensors, w.Tensors); err != nil {
		return place{}, fmt.Errorf("%s: %w", r.rec.Name(n-1), err)
	}
	for _, e := range r.net.Weights().Entries {
		t, _ := w.Tensor(e.Name)
		data := w.Data[t.Begin:t.End]
		if e.Role == model.Counter {
			r.net.Weights().Counters()[e.Offset] = int64(binary.LittleEndian.Uint64(data))
			continue
		}
		if err := r.net.Weights().Load(e.Offset, decode(data)); err != nil {
			return place{}, err
		}
	}
	state, err := r.rec.State(c.Index)
	if err != nil {
		return place{}, fmt.Errorf("the optimizer's state of epoch %s: %w", trajectory.EpochName(c.Epoch), err)
	}
	defer state.Close()
	t, ok := state.Tensor("momentum")
	if !ok || t.DType != checkpoint.F32 || t.Elements() != r.net.Weights().Parameters() {
		return place{}, fmt.Errorf("%s: its tensor momentum is %v, expected F32[%d]", state.Path, t, r.net.Weights().Parameters())
	}
	if err := torch.Write(r.momentum, 0, decode(state.Data[t.Begin:t.End])); err != nil {
		return place{}, err
	}
	if c.Seconds == nil {
		return place{}, fmt.Errorf("%s: the seconds spent training up to here are not recorded", r.rec.Name(n-1))
	}
	return place{step: c.Step, seconds: *c.Seconds}, nil
}

// files arranges a network's tensors for a checkpoint: the counters, then the floats in their flat order.
func files(net model.Network) []checkpoint.Tensor {
	var out []checkpoint.Tensor
	for _, role := range []model.Role{model.Parameter, model.Statistic, model.Counter} {
		dtype := checkpoint.F32
		if role == model.Counter {
			dtype = checkpoint.I64
		}
		for _, e := range net.Layout().Entries {
			if e.Role == role {
				out = append(out, checkpoint.Tensor{Name: e.Name, DType: dtype, Shape: e.Shape})
			}
		}
	}
	return checkpoint.Arrange(out)
}

func encode(counters []int64, values []float32) []byte {
	out := make([]byte, 0, 8*len(counters)+4*len(values))
	for _, c := range counters {
		out = binary.LittleEndian.AppendUint64(out, uint64(c))
	}
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}

func decode(data []byte) []float32 {
	out := make([]float32, len(data)/4)
	checkpoint.Decode(out, checkpoint.F32, data)
	return out
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
