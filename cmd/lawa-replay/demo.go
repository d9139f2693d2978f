//go:build !quick

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/evaluator"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/plots"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trainer"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// The demo's recipe: a training, and the sweep over it.
const (
	demoK      = "1,2,4,6,8,10,16"
	demoPolicy = "recompute:samples=5000"
)

var demoTraining = trainOptions{
	model: "resnet8:width=8,stem-stride=2", data: "mnist:train=6000,shift=2", device: "cpu", name: "demo", threads: runtime.NumCPU(),
	config: trainer.Config{Epochs: 20, BatchSize: 128, Seed: 1, LR: 0.1, Momentum: 0.9, WeightDecay: 5e-4, Schedule: "cosine"},
}

func newDemo() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Train, sweep over k and draw the figures, in a minute or two",
		Long: fmt.Sprintf(`Train %s on 6,000 MNIST images for 20 epochs, evaluate
averages of the latest k = %s checkpoints at every epoch, draw the figures
and print what averaging would have saved. Everything stays in the folder:

  run/      the trajectory
  sweep/    the evaluations and results.parquet
  figures/  those that the sweep has the data for, as PNG, PDF and SVG, with CSV

A demo that was interrupted goes on where it stopped.`, demoTraining.model, demoK),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), cmd, dir)
		},
	}
	c.Flags().StringVar(&dir, "out", "demo", "folder for everything")
	return c
}

func runDemo(ctx context.Context, cmd *cobra.Command, dir string) error {
	began := time.Now()
	training := demoTraining
	run, sweepDir, figures := filepath.Join(dir, "run"), filepath.Join(dir, "sweep"), filepath.Join(dir, "figures")
	training.out = run
	net, set, err := training.open(cmd)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := training.ensure(ctx, net, set, torch.CPU); err != nil {
		return err
	}
	t, err := trajectory.Open(run, formats.Files{})
	if err != nil {
		return err
	}
	j := &job{memory: freeMemory() / 2, spec: sweep.Spec{Trajectories: []*trajectory.Trajectory{t}, Splits: []string{"val"}}}
	if j.spec.Schemes, err = (selection{k: demoK}).parseSchemes(); err != nil {
		return err
	}
	if j.spec.Policies, err = bn.ParsePolicies(demoPolicy); err != nil {
		return err
	}
	endpoints, err := selectEpochs(t, "")
	if err != nil {
		return err
	}
	j.spec.Endpoints = [][]int{endpoints}
	engine := evaluator.NewEngine(net, torch.CPU, 0, runtime.NumCPU())
	engine.Set, engine.BNSplit, engine.BNBatch = set, set.Train, training.config.BatchSize
	j.backend = engine
	if err := j.sweep(ctx, sweepDir); err != nil {
		return err
	}
	tab, err := readResults(sweepDir)
	if err != nil {
		return err
	}
	if err := (atlas{dir: figures, sweep: sweepDir, formats: plots.Formats}).draw(tab); err != nil {
		return err
	}
	say("figures in %s; %.0f s in all\n", figures, time.Since(began).Seconds())
	summary, err := analysis.Summarize(tab, analysis.Choice{})
	if err != nil {
		return err
	}
	printSummary(cmd.OutOrStdout(), summary)
	return nil
}
