//go:build !quick

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/evaluator"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/plots"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trainer"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// The demo's recipe.
const (
	demoModel  = "resnet8:width=8,stem-stride=2"
	demoData   = "mnist:train=6000,shift=2"
	demoK      = "1,2,4,6,8,10,16"
	demoPolicy = "recompute:samples=5000"
)

var demoConfig = trainer.Config{Epochs: 20, BatchSize: 128, Seed: 1, LR: 0.1, Momentum: 0.9, WeightDecay: 5e-4, Schedule: "cosine"}

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
  figures/  k-sensitivity, speedup and early-phase, as PNG, PDF and SVG, with CSV

A demo that was interrupted goes on where it stopped.`, demoModel, demoK),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), cmd.OutOrStdout(), dir)
		},
	}
	c.Flags().StringVar(&dir, "out", "demo", "folder for everything")
	return c
}

func runDemo(ctx context.Context, out io.Writer, dir string) error {
	began := time.Now()
	run, sweepDir, figures := filepath.Join(dir, "run"), filepath.Join(dir, "sweep"), filepath.Join(dir, "figures")
	set, err := dataset.Open(demoData, "")
	if err != nil {
		return err
	}
	channels, classes := dataset.Dims(set.Train)
	net, err := model.New(demoModel, channels, classes)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := demoTrain(ctx, run, net, set); err != nil {
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
	engine.Set, engine.BNSplit, engine.BNBatch = set, set.Train, demoConfig.BatchSize
	j.backend = engine
	if err := j.sweep(ctx, sweepDir); err != nil {
		return err
	}
	tab, err := readResults(sweepDir)
	if err != nil {
		return err
	}
	if err := drawAll(tab, figures); err != nil {
		return err
	}
	say("figures in %s; %.0f s in all\n", figures, time.Since(began).Seconds())
	summary, err := analysis.Summarize(tab, analysis.Choice{})
	if err != nil {
		return err
	}
	printSummary(out, summary)
	return nil
}

// demoTrain trains, or goes on with, or finds the finished run.
func demoTrain(ctx context.Context, run string, net model.Network, set *dataset.Set) error {
	o := trainOptions{out: run, name: "demo", threads: runtime.NumCPU(), config: demoConfig}
	if !trajectory.Exists(run) {
		rec, err := createRun(o, net, set, torch.CPU)
		if err != nil {
			return err
		}
		defer rec.Close()
		return train(ctx, o, net, set, torch.CPU, rec)
	}
	rec, err := trajectory.Append(run, formats.Files{})
	if err != nil {
		return err
	}
	defer rec.Close()
	cfg, err := trainer.Resume(rec.Trajectory)
	if err != nil {
		return err
	}
	if cfg != demoConfig || rec.Meta.Model != net.Spec() || rec.Meta.Data != set.Spec {
		return fmt.Errorf("%s holds another run than the demo's: choose another --out", run)
	}
	if n := len(rec.Checkpoints); n > 0 && rec.Checkpoints[n-1].Epoch == float64(cfg.Epochs) {
		say("found the finished run in %s", run)
		return nil
	}
	return train(ctx, o, net, set, torch.CPU, rec)
}

// drawAll draws every figure in every format.
func drawAll(tab *results.Table, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range plots.Names() {
		d, err := plots.New(name, tab, plots.Options{})
		if err != nil {
			return err
		}
		for _, format := range plots.Formats {
			if err := d.Save(filepath.Join(dir, name+format)); err != nil {
				return err
			}
		}
	}
	return nil
}
