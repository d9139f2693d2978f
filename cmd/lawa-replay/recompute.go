//go:build !quick

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"lawa-replay/evaluator"
	"lawa-replay/export"
	"lawa-replay/internal/torch"
	"lawa-replay/trajectory/safetensors"
)

// prepareRenewal opens the trajectory with the network and the data that the policy recompute needs.
func (o averageOptions) prepareRenewal(cmd *cobra.Command, e *export.Export, run string) (done func(), err error) {
	device, err := torch.ParseDevice(o.device)
	if err != nil {
		return nil, wrong(cmd, err)
	}
	if err := device.Open(); err != nil {
		return nil, err
	}
	var s evaluator.Sweep
	net, err := o.open(&s, []string{run})
	if err != nil {
		return nil, err
	}
	e.Trajectory = s.Trajectories[0]
	split, err := s.Set.Split(o.bnData)
	if err != nil {
		return nil, wrong(cmd, fmt.Errorf("--bn-data: %w", err))
	}
	split, named, err := evaluator.RecomputeData(e.Policy, split, s.BNBatch)
	if err != nil {
		return nil, wrong(cmd, fmt.Errorf("--bn: %w", err))
	}
	text, err := json.Marshal(named)
	if err != nil {
		return nil, err
	}
	resident, err := split.On(device)
	if err != nil {
		return nil, err
	}
	engine := evaluator.NewEngine(net, device, 1, runtime.NumCPU())
	e.RenewedFrom = string(text)
	e.Renew = func(ctx context.Context, tensors []safetensors.Tensor, data []byte) error {
		return engine.Renew(ctx, tensors, data, resident, s.BNBatch)
	}
	return resident.Free, nil
}
