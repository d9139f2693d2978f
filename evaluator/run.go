package evaluator

import (
	"errors"
	"fmt"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Data is a split for the engine's network on the engine's device. Goroutines may share it.
type Data struct {
	feed   *device.Feed
	inputs []string // the fields that the network takes
}

// Load brings a split to the engine's device: the fields that the network and the task need, whole if they take at most
// limit bytes there (device.NoLimit for any), and otherwise batch by batch. The caller frees it.
func (e *Engine) Load(s dataset.Split, limit int64) (*Data, error) {
	return e.data(s, limit, true)
}

// LoadInputs is Load for statistics, which need no targets.
func (e *Engine) LoadInputs(s dataset.Split, limit int64) (*Data, error) {
	return e.data(s, limit, false)
}

func (e *Engine) data(s dataset.Split, limit int64, scored bool) (*Data, error) {
	inputs, err := dataset.Match(e.Net.Inputs(), s.Fields())
	names := inputs
	if err == nil && scored {
		names, err = task.Fields(e.task(), s.Fields(), inputs)
	}
	if err == nil && s.Len() == 0 {
		err = errors.New("it holds no examples")
	}
	if err != nil {
		return nil, fmt.Errorf("split %s: %w", s.Name(), err)
	}
	feed, err := device.Open(s, e.Device, limit, names...)
	if err != nil {
		return nil, err
	}
	return &Data{feed, inputs}, nil
}

// Split is what the data are of.
func (d *Data) Split() dataset.Split { return d.feed.Split }

// Free releases the device's memory.
func (d *Data) Free() { d.feed.Free() }

// observe recomputes the statistics of several models from all examples, or as many as the tolerance takes, some at a time.
func (d *Data) observe(models []model.Instance, batch int, tolerance float64, interrupted func() error) error {
	w := d.feed.Walk()
	defer w.Close()
	inputs := func(s *torch.Scope, from, to int) []*torch.Tensor { return w.Batch(s, from, to).Inputs(d.inputs) }
	return model.Recompute(models, model.Observing{Examples: d.feed.Len(), BatchSize: batch, Batch: inputs, Tolerance: tolerance, Interrupted: interrupted})
}

// score puts examples [from, to) through several models, each batch through all of them.
func (d *Data) score(models []model.Instance, from, to, size int, results []task.Scores, interrupted func() error) error {
	w := d.feed.Walk()
	defer w.Close()
	var batch, s torch.Scope
	defer batch.Close()
	defer s.Close()
	for ; from < to; from += size {
		if err := interrupted(); err != nil {
			return err
		}
		b := w.Batch(&batch, from, min(from+size, to))
		if err := batch.Err(); err != nil {
			return err
		}
		for j, m := range models {
			if err := d.add(&s, m, from, b, results[j]); err != nil {
				return err
			}
			s.Close()
		}
		batch.Close()
	}
	return nil
}

// add scores what a model makes of a batch of the examples from the index from on.
func (d *Data) add(s *torch.Scope, m model.Instance, from int, b *device.Batch, to task.Scores) error {
	inputs := b.Inputs(d.inputs)
	net, apart := m.(model.Headed)
	scores, able := to.(task.HeadScores)
	if !apart || !able {
		y := m.Forward(s, inputs, model.Evaluate)
		if err := s.Err(); err != nil {
			return err
		}
		return to.Add(from, y, b)
	}
	hidden := net.Body(s, inputs, model.Evaluate)
	if err := s.Err(); err != nil {
		return err
	}
	return scores.AddOf(from, hidden, func(s *torch.Scope, rows *torch.Tensor) *torch.Tensor { return net.Head(s, rows, model.Evaluate) }, b)
}

// each is what each example gave, nil where the task does not tell it.
func (d *Data) each(s task.Scores) examples.Set {
	if s, ok := s.(task.ExampleScores); ok {
		return s.Examples().In(dataset.Documents(d.feed.Split))
	}
	return nil
}

// values are a task's, as sweeps keep them.
func values(from []task.Value) []Value {
	var out []Value
	for _, v := range from {
		out = append(out, Value{Metric: v.Metric, Value: trajectory.Number(v.Value), StdErr: trajectory.Number(v.StdErr), N: v.N})
	}
	return out
}
