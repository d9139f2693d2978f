package trainer

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// record stores the weights and the optimizer's state, and then the line that makes the checkpoint exist.
func (r *run) record(at *place) error {
	values, err := r.weights.Values()
	if err != nil {
		return err
	}
	c := trajectory.Checkpoint{
		Epoch:   float64(at.step) / float64(r.Rates.StepsPerEpoch),
		Step:    at.step,
		Seconds: new(at.seconds),
		LR:      new(r.Rates.At(at.step - 1)),
		Metrics: map[string]trajectory.Number{"train/loss": trajectory.Number(at.losses / float64(at.steps))},
	}
	if _, ok := model.LanguageOf(r.Network); ok {
		if f, ok := dataset.Find(r.Data.Fields(), r.inputs[0]); ok {
			c.Tokens = new(float64(r.seen(at.step) * f.Elements()))
		}
	}
	if at.since > 0 {
		c.ExamplesPerSecond = new(at.examples / at.since)
		c.WaitedForData = new(at.waited)
	}
	c, err = r.rec.Write(c, r.tensors, encode(r.weights.Counters(), values))
	if err != nil {
		return err
	}
	if err := r.saveState(c.Index); err != nil {
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
	at.losses, at.steps, at.examples, at.since, at.waited = 0, 0, 0, 0, 0
	return r.rec.DropStates(c.Index)
}

// seen is on how many examples a run has trained after a step.
func (r *run) seen(step int64) int64 {
	n := int64(r.Data.Len())
	return step/r.Rates.StepsPerEpoch*n + min(step%r.Rates.StepsPerEpoch*int64(r.BatchSize), n)
}

// saveState stores the optimizer's slots, each a tensor of its name.
func (r *run) saveState(index int) error {
	var data []byte
	for i := range r.state.Slots {
		values, err := r.state.Values(i)
		if err != nil {
			return err
		}
		data = append(data, encode(nil, values)...)
	}
	return r.rec.WriteState(index, r.stateTensors(), data)
}

// stateTensors are those of a state file.
func (r *run) stateTensors() []checkpoint.Tensor {
	var out []checkpoint.Tensor
	for _, name := range r.state.Names {
		out = append(out, checkpoint.Tensor{Name: name, DType: checkpoint.F32, Shape: []int64{r.weights.Parameters()}})
	}
	return checkpoint.Arrange(out)
}

// start makes new weights, or takes up the newest checkpoint.
func (r *run) start() (place, error) {
	n := len(r.rec.Checkpoints)
	if n == 0 {
		return place{}, r.weights.Initialize(uint64(r.Seed))
	}
	c := r.rec.Checkpoints[n-1]
	if err := r.loadWeights(n - 1); err != nil {
		return place{}, fmt.Errorf("%s: %w", r.rec.Name(n-1), err)
	}
	if err := r.loadState(c.Index); err != nil {
		return place{}, fmt.Errorf("the optimizer's state of epoch %s: %w", trajectory.EpochName(c.Epoch), err)
	}
	if c.Seconds == nil {
		return place{}, fmt.Errorf("%s: the seconds spent training up to here are not recorded", r.rec.Name(n-1))
	}
	return place{step: c.Step, seconds: *c.Seconds}, nil
}

func (r *run) loadWeights(i int) error {
	w, err := r.rec.Map(i, true)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := checkpoint.SameTensors(r.tensors, w.Tensors); err != nil {
		return err
	}
	for _, e := range r.weights.Entries {
		t, _ := w.Tensor(e.Name)
		data := w.Data[t.Begin:t.End]
		if e.Role == model.Counter {
			r.weights.Counters()[e.Offset] = int64(binary.LittleEndian.Uint64(data))
			continue
		}
		if err := r.weights.Load(e.Offset, decode(data)); err != nil {
			return err
		}
	}
	return nil
}

// loadState puts the slots back, by their names.
func (r *run) loadState(index int) error {
	state, err := r.rec.State(index)
	if err != nil {
		return err
	}
	defer state.Close()
	for i, want := range r.stateTensors() {
		t, ok := state.Tensor(want.Name)
		switch {
		case !ok:
			return fmt.Errorf("%s: no tensor %s, which %s keeps", state.Path, want.Name, r.Optimizer.Spec())
		case t.DType != want.DType || !slices.Equal(t.Shape, want.Shape):
			return fmt.Errorf("%s: tensor %s is %s, expected %s", state.Path, t.Name, t, want)
		}
		if err := r.state.Set(i, decode(state.Data[t.Begin:t.End])); err != nil {
			return err
		}
	}
	for _, t := range state.Tensors {
		if !slices.Contains(r.state.Names, t.Name) {
			return fmt.Errorf("%s: tensor %s, which %s does not keep", state.Path, t.Name, r.Optimizer.Spec())
		}
	}
	return nil
}

// files arranges a network's tensors for a checkpoint: the counters, then the floats in their flat order.
func files(l *model.Layout) []checkpoint.Tensor {
	var out []checkpoint.Tensor
	for _, role := range []model.Role{model.Parameter, model.Statistic, model.Counter} {
		dtype := checkpoint.F32
		if role == model.Counter {
			dtype = checkpoint.I64
		}
		for _, e := range l.Entries {
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
