//go:build !quick

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/evaluator"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/export"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// prepareRecompute opens the trajectory with the network and the data that the policy recompute needs.
func (o averageOptions) prepareRecompute(cmd *cobra.Command, e *export.Export, run []string) (done func(), err error) {
	on, err := torch.ParseDevice(o.device)
	if err != nil {
		return nil, wrong(cmd, err)
	}
	if err := on.Open(); err != nil {
		return nil, err
	}
	if e.Trajectory, err = openRun(run, o.foreignOptions); err != nil {
		return nil, err
	}
	engine, err := o.engine(cmd, []*trajectory.Trajectory{e.Trajectory}, on, 1)
	if err != nil {
		return nil, err
	}
	if err := engine.Supports(e.Policy); err != nil {
		return nil, wrong(cmd, err)
	}
	tensors, err := e.Trajectory.Tensors(0)
	if err != nil {
		return nil, err
	}
	if err := engine.Check(tensors, e.Trajectory.Meta.Tied); err != nil {
		return nil, err
	}
	if err := notePrefix(engine, e.Trajectory); err != nil {
		return nil, err
	}
	from, err := engine.BNSource(e.Policy)
	if err != nil {
		return nil, wrong(cmd, inFlag("bn", err))
	}
	text, err := json.Marshal(from.Names)
	if err != nil {
		return nil, err
	}
	room, err := device.Room(on)
	if err != nil {
		return nil, err
	}
	data, err := engine.LoadInputs(from.Split, room)
	if err != nil {
		return nil, err
	}
	e.RecomputedFrom = string(text)
	e.Recompute = func(ctx context.Context, tensors []checkpoint.Tensor, weights []byte) error {
		return engine.Recompute(ctx, tensors, e.Trajectory.Meta.Tied, weights, e.Policy, data)
	}
	return data.Free, nil
}

// notePrefix says which prefix of a trajectory's names is not the network's.
func notePrefix(e *evaluator.Engine, t *trajectory.Trajectory) error {
	tensors, err := t.Tensors(0)
	if err != nil {
		return err
	}
	if p := evaluator.Prefix(e.Net, tensors, t.Meta.Tied); p != "" {
		say("note: %s: %s is taken off the tensors' names: without it they are the network's", t.Meta.Run, p)
	}
	return nil
}

// arithmetic is the precision that was asked for, or else that of the training; where the device does not have that, float32.
func (o networkOptions) arithmetic(meta trajectory.Meta, on torch.Device) (torch.Precision, error) {
	if o.precision != "" {
		p, err := torch.ParsePrecision(o.precision)
		if err == nil {
			err = p.Check(on)
		}
		return p, err
	}
	var training struct{ Precision string }
	if json.Unmarshal(meta.Training, &training) != nil { // of another program
		return torch.Float32, nil
	}
	p, err := torch.ParsePrecision(training.Precision)
	if err == nil {
		err = p.Check(on)
	}
	if err != nil {
		say("note: %s was trained in %s, and is evaluated in float32: %v", meta.Run, training.Precision, err)
		return torch.Float32, nil
	}
	return p, nil
}

// engine opens the network and its data.
func (o networkOptions) engine(cmd *cobra.Command, runs []*trajectory.Trajectory, device torch.Device, workers int) (*evaluator.Engine, error) {
	meta := runs[0].Meta
	spec, data := cmp.Or(o.model, meta.Model), cmp.Or(o.data, meta.Data)
	if spec == "" {
		var err error
		if spec, err = configured(runs); err != nil {
			return nil, err
		}
	} else if o.model != "" {
		noteOther(o.model, runs)
	}
	if spec == "" {
		return nil, wrong(cmd, errors.New("--model is missing: the trajectory does not record its network, nor is there a config.json beside its checkpoints (resnet20, …, a TorchScript file; or sweep --worker)"))
	}
	if data == "" {
		return nil, wrong(cmd, errors.New("--data is missing: the trajectory does not record its data (mnist, cifar10, text:FILE, …, or tensors:FILE)"))
	}
	if _, err := task.Parse(o.task); err != nil {
		return nil, wrong(cmd, inFlag("task", err))
	}
	set, err := openData(cmd.Context(), data, o.files, textDefaults(spec, runs...))
	if err != nil {
		return nil, err
	}
	net, err := model.New(spec, set.Val.Fields()...)
	if err != nil {
		return nil, err
	}
	scored, err := taskOf(o.task, net)
	if err == nil {
		err = asks(net, set)
	}
	if err != nil {
		return nil, wrong(cmd, err)
	}
	e := evaluator.NewEngine(net, device, workers, runtime.NumCPU())
	if e.Precision, err = o.arithmetic(meta, device); err != nil {
		return nil, wrong(cmd, inFlag("precision", err))
	}
	e.Set, e.Task, e.Batch, e.BNBatch = set, scored, o.batch, cmp.Or(o.bnBatch, meta.BatchSize)
	switch {
	case dataset.IsTensors(o.bnData):
		e.BNSplit, err = dataset.OpenTensors(o.bnData)
	case o.bnData == "train" && set.Train == nil && !cmd.Flags().Changed("bn-data"): // Supports says that it is missing
	default:
		e.BNSplit, err = set.Split(o.bnData)
	}
	if err != nil {
		return nil, wrong(cmd, inFlag("bn-data", err))
	}
	return e, nil
}
