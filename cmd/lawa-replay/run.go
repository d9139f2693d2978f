//go:build !quick

package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lawa-replay/lawa-replay/sweep"
)

func newRun() *cobra.Command {
	var text, worker string
	c := &cobra.Command{
		Use:   "run SWEEP --shard I/N",
		Short: "Evaluate a shard of a plan",
		Long: `Evaluate part I of N of SWEEP/plan.json, which plan wrote: a block of endpoints, with
all their averages, policies and splits. No evaluation is in two of the N shards, so
that all of them can run at the same time, on any machines that see the folders.

What is evaluated is kept in SWEEP/shards/I-of-N. Started again, a shard goes on where
it stopped; what the sweep's own store or another shard had when it began is not
evaluated again. The plan is made anew first, and compared: it says so if checkpoints,
network, data or program are not those that were planned with.

The device and what else depends on the machine may be said here; otherwise it is as
it was planned. A plan that evaluates by a command (plan --worker) runs it only if
--worker says the same command here: whoever can write plan.json could have put another
one into it.`,
		Example: `  lawa-replay run sweep --shard 3/8
  lawa-replay run sweep --shard 3/8 --device cuda:0 --memory 16GiB
  lawa-replay run sweep --shard 3/8 --worker "python eval.py"
  sbatch --array=1-8 --wrap 'lawa-replay run sweep --shard $SLURM_ARRAY_TASK_ID/8'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			shard, err := sweep.ParseShard(text)
			if err != nil {
				return wrong(cmd, inFlag("shard", err))
			}
			return runShard(cmd.Context(), cmd, args[0], shard, worker)
		},
	}
	c.Flags().StringVar(&text, "shard", "1/1", "which part of how many, as in 3/8")
	c.Flags().StringVar(&worker, "worker", "", "the command by which the plan evaluates, as a consent to run it")
	var all pflag.FlagSet
	new(sweepOptions).flags(&all)
	for _, name := range machineFlags {
		f := *all.Lookup(name)
		usage, _, _ := strings.Cut(f.Usage, " (default")
		f.Usage = usage + " (default: as planned)"
		f.DefValue = map[string]string{"string": "", "bool": "false"}[f.Value.Type()] // what the help leaves out
		if f.DefValue == "" && f.Value.Type() != "string" {
			f.DefValue = "0"
		}
		c.Flags().AddFlag(&f)
	}
	return c
}

func runShard(ctx context.Context, cmd *cobra.Command, dir string, shard sweep.Shard, worker string) error {
	planned, err := openPlan(dir)
	if err != nil {
		return err
	}
	if err := planned.consent(worker); err != nil {
		return wrong(cmd, err)
	}
	if err := planned.options.checkAll(); err != nil {
		return planned.failed(err)
	}
	for _, name := range machineFlags {
		if f := cmd.Flags().Lookup(name); f.Changed {
			if err := planned.cmd.Flags().Set(name, f.Value.String()); err != nil {
				return wrong(cmd, err)
			}
		}
	}
	if err := planned.options.checkAll(); err != nil {
		return wrong(cmd, err)
	}
	j, err := planned.options.open(ctx, planned.cmd, planned.runs)
	if err != nil {
		return planned.failed(err)
	}
	defer j.close()
	j.from = planned.from
	if j.spec, err = planned.Spec(j.spec.Trajectories); err != nil {
		return planned.failed(err)
	}
	p, err := j.plan(ctx)
	if err == nil {
		err = planned.Same(p, j.backend)
	}
	if err != nil {
		return planned.failed(err)
	}
	return j.run(ctx, p.Shard(shard), planned.dir, &shard, nil, func(sum sweep.Summary, stores sweep.Stores) error {
		say("done: shard %v, %s", shard, made(sum))
		if missing, _ := p.Missing(stores...); len(missing) == 0 {
			say("nothing of the sweep is missing now: lawa-replay merge %s makes the table", dir)
		}
		return nil
	})
}
