//go:build !quick

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/evaluator"
	"github.com/lawa-replay/lawa-replay/evaluator/worker"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// ask opens what the flags name, finds out what is asked for, and says which prefixes of names are not the network's.
func (o sweepOptions) ask(ctx context.Context, cmd *cobra.Command, runs []string) (*job, error) {
	j, err := o.open(ctx, cmd, runs)
	if err != nil {
		return nil, err
	}
	err = o.choose(cmd, j)
	if err == nil {
		err = j.sayPrefixes()
	}
	if err != nil {
		j.close()
		return nil, err
	}
	return j, nil
}

// choose finds the policies and the endpoints.
func (o sweepOptions) choose(cmd *cobra.Command, j *job) (err error) {
	if j.spec.Policies == nil {
		if j.spec.Policies, err = defaultPolicies(j.spec.Trajectories[0], j.backend); err != nil {
			return err
		}
	}
	for _, p := range j.spec.Policies {
		if err := j.backend.Supports(p); err != nil {
			return wrong(cmd, inFlag("bn", err))
		}
	}
	for _, t := range j.spec.Trajectories {
		endpoints, err := selectEpochs(t, o.epochs)
		if err != nil {
			return wrong(cmd, fmt.Errorf("--epochs: trajectory %s: %w", t.Meta.Run, err))
		}
		j.spec.Endpoints = append(j.spec.Endpoints, endpoints)
	}
	return nil
}

// open opens the trajectories, and what evaluates them: a network of this program, or workers.
func (o sweepOptions) open(ctx context.Context, cmd *cobra.Command, runs []string) (*job, error) {
	device, err := torch.ParseDevice(o.device)
	if err != nil {
		return nil, wrong(cmd, err)
	}
	j := &job{close: func() {}, noExamples: o.noExamples}
	if j.spec, j.memory, err = o.read(); err != nil {
		return nil, wrong(cmd, err)
	}
	if o.worker == "" {
		if err := device.Open(); err != nil {
			return nil, err
		}
	} else if err := o.checkWorker(); err != nil {
		return nil, wrong(cmd, err)
	}
	if j.spec.Trajectories, err = o.trajectories(runs); err != nil {
		return nil, err
	}
	if o.worker == "" {
		return j, o.openEngine(cmd, j, device)
	}
	return j, o.openWorkers(ctx, cmd, j, device)
}

// checkAll reads the flags as far as that goes without opening anything.
func (o sweepOptions) checkAll() error {
	device, err := torch.ParseDevice(o.device)
	if err == nil {
		_, err = networkOptions{precision: o.precision}.arithmetic(trajectory.Meta{}, device)
	}
	if err == nil {
		_, _, err = o.read()
	}
	return err
}

// checkWorker says which flags a worker makes no use of.
func (o sweepOptions) checkWorker() error {
	if o.model != "" && model.IsScript(o.model) || o.task != "" || o.precision != "" {
		return errors.New("--worker takes its own network, task and arithmetic: --model, --task and --precision are for networks of this program")
	}
	if o.splitHalf {
		return errors.New("--split-half: a worker's splits are its own; let it announce two halves, and plot speedup --choose-on one of them")
	}
	return nil
}

// openWorkers starts the first worker.
func (o sweepOptions) openWorkers(ctx context.Context, cmd *cobra.Command, j *job, device torch.Device) error {
	meta := j.spec.Trajectories[0].Meta
	w, err := worker.NewWorkers(ctx, worker.Worker{Command: o.worker, Start: o.workerStart, Limit: o.workerTimeout,
		Hello: worker.Hello{Device: device.String(), Model: cmp.Or(o.model, meta.Model), Data: cmp.Or(o.data, meta.Data), Tied: meta.Tied}}, device.Kind(), max(1, o.workers))
	if err != nil {
		return err
	}
	j.spec.Splits = w.Splits()
	if o.split != "" {
		j.spec.Splits = splitNames(o.split)
	}
	for _, name := range j.spec.Splits {
		if !slices.Contains(w.Splits(), name) {
			w.Close()
			return wrong(cmd, fmt.Errorf("--split: the worker has no %s; it announces %s", name, strings.Join(w.Splits(), ", ")))
		}
	}
	j.backend, j.close = w, w.Close
	return nil
}

// openEngine opens the network and its data.
func (o sweepOptions) openEngine(cmd *cobra.Command, j *job, device torch.Device) error {
	e, err := o.engine(cmd, j.spec.Trajectories, device, o.workers)
	if err != nil {
		return err
	}
	for _, name := range splitNames(cmp.Or(o.split, "val")) {
		j.spec.Splits = append(j.spec.Splits, name)
		if o.splitHalf {
			j.spec.Splits = append(j.spec.Splits, name+"-half1", name+"-half2")
		}
	}
	for _, name := range j.spec.Splits {
		if _, err := e.Set.Split(name); err != nil {
			return wrong(cmd, inFlag("split", err))
		}
	}
	j.backend = e
	return nil
}

// sayPrefixes says which prefixes of the trajectories' names are not the network's.
func (j *job) sayPrefixes() error {
	e, ok := j.backend.(*evaluator.Engine)
	if !ok {
		return nil
	}
	for _, t := range j.spec.Trajectories {
		if err := notePrefix(e, t); err != nil {
			return err
		}
	}
	return nil
}

// defaultPolicies is recompute where there are batch-norm statistics and data to recompute them from.
func defaultPolicies(t *trajectory.Trajectory, backend sweep.Backend) ([]bn.Policy, error) {
	tensors, err := t.Tensors(0)
	if err != nil {
		return nil, err
	}
	recompute := bn.Policy{Kind: bn.Recompute}
	if bn.Count(tensors) == 0 {
		return []bn.Policy{{Kind: bn.Copy}}, nil
	}
	if err := backend.Supports(recompute); err != nil {
		say("note: batch-norm statistics are those of the newest checkpoint (--bn copy): %s", withFlags(err))
		return []bn.Policy{{Kind: bn.Copy}}, nil
	}
	return []bn.Policy{recompute}, nil
}
