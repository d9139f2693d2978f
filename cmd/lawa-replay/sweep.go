//go:build !quick

package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/sweep"
)

func newSweep() *cobra.Command {
	var o sweepOptions
	var out string
	c := &cobra.Command{
		Use:   "sweep RUN... --k 1,2,4-8 --out SWEEP",
		Short: "Evaluate averaging schemes at every epoch of a trajectory",
		Long: `Evaluate schemes × epochs × batch-norm policies × splits over one or more
trajectories, and write the table SWEEP/results.parquet.

Every evaluation is kept in SWEEP/store under a digest of all it depends on. The
same sweep again evaluates nothing; a larger one only what is new; an interrupted
one goes on where it stopped; the table of what there is so far is written from time
to time, so that plot, compare and report can look at it. The baseline (each checkpoint with its own
statistics) always comes along, from the training log where that has it.

Policies for batch-norm statistics (--bn, several in one sweep):
` + brief(policyList().kinds) + `
The data of recompute are --bn-data.

The network and the data are those that the trajectory records, or:
  --model net.ts                   a TorchScript module: torch.jit.script(net).save
  --data tensors:val.safetensors   tensors inputs and targets (or .npz, .npy)
  --worker "python eval.py"        a program of your own, in any language, which is
                                   told where an average lies and answers with
                                   metrics: docs/worker-protocol.md
RUN may also be a folder of checkpoints of another program, as import takes them.

Choosing k on the split that is then reported is leakage: choose on one split,
report another (--split val,train evaluates several; --split-half halves them).`,
		Example: `  lawa-replay sweep run --k 1,2,4-8,10,16 --out sweep
  lawa-replay sweep run --k 6 --scheme ema:decay=0.5..0.95/0.05 --scheme swa:start=10..20/5 --out sweep
  lawa-replay sweep checkpoints/ --k 1-10 --model net.ts --data tensors:val.safetensors --bn copy --out sweep
  lawa-replay sweep run --k 1-10 --worker "python eval.py" --out sweep
  lawa-replay sweep run1 run2 run3 --k 6 --bn copy,recompute:samples=5000 --epochs 10-20 --out sweep`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runSweep(cmd.Context(), cmd, o, args, out) },
	}
	c.Flags().StringVar(&out, "out", "", "folder of the sweep")
	o.flags(c.Flags())
	return c
}

func runSweep(ctx context.Context, cmd *cobra.Command, o sweepOptions, runs []string, dir string) error {
	if dir == "" {
		return wrong(cmd, errors.New("--out is missing: the folder of the sweep"))
	}
	j, err := o.ask(ctx, cmd, runs)
	if err != nil {
		return err
	}
	defer j.close()
	return asked(cmd, j.sweep(ctx, dir))
}

// sweep makes all of a sweep on this machine: plan, run and table.
func (j *job) sweep(ctx context.Context, dir string) error {
	p, err := j.plan(ctx)
	if err != nil {
		return err
	}
	if err := claim(dir); err != nil {
		return err
	}
	so := func(stores sweep.Stores) error {
		_, err := tabulate(p, j.backend, software(), dir, stores, true)
		return err
	}
	return j.run(ctx, p, dir, nil, so, func(sum sweep.Summary, stores sweep.Stores) error {
		table, err := tabulate(p, j.backend, software(), dir, stores, false)
		if err != nil {
			return err
		}
		say("done: %s; the table is %s", made(sum), filepath.Join(dir, results.File))
		sayRuns(p.Spec.Trajectories, table)
		return nil
	})
}
