//go:build !quick

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/sweep"
)

func newSweep() *cobra.Command {
	var o sweepOptions
	var out string
	var u untilOptions
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

Most averages are settled by a part of the examples: --until 0.1 evaluates 1/16 of them
first, drawn at random, then 1/8 and so on, and stops with each average when its
difference from the baseline is known to ±0.1, for all points of a curve at once. Such
values say so in the table and in figures; --examples N stops at a number of examples
instead. The same sweep without either evaluates the rest.

Choosing k on the split that is then reported is leakage: choose on one split,
report another (--split val,train evaluates several; --split-half halves them).`,
		Example: `  lawa-replay sweep run --k 1,2,4-8,10,16 --out sweep
  lawa-replay sweep run --k 6 --scheme ema:decay=0.5..0.95/0.05 --scheme swa:start=10..20/5 --out sweep
  lawa-replay sweep checkpoints/ --k 1-10 --model net.ts --data tensors:val.safetensors --bn copy --out sweep
  lawa-replay sweep run --k 1-10 --worker "python eval.py" --out sweep
  lawa-replay sweep run --k 1-16 --until 0.1 --bn copy --out sweep
  lawa-replay sweep run1 run2 run3 --k 6 --bn copy,recompute:samples=5000 --epochs 10-20 --out sweep`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runSweep(cmd.Context(), cmd, o, u, args, out) },
	}
	u.flags(c.Flags())
	c.Flags().StringVar(&out, "out", "", "folder of the sweep")
	o.flags(c.Flags())
	return c
}

// untilOptions are the flags of a sweep that stops when enough is known.
type untilOptions struct {
	width, metric string
	examples      int
	seed          uint64
}

func (u *untilOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&u.width, "until", "", "evaluate of each average only as many examples as it takes for the 95 % interval of its difference from the baseline to be this narrow, as in 0.1: ±0.1 of --until-metric")
	f.IntVar(&u.examples, "examples", 0, "evaluate of each average so many examples of a split, drawn at random, up to the next of 1/16, 1/8, … of it, and say how sure its values are")
	f.StringVar(&u.metric, "until-metric", "", "metric of --until (default: top1, or the loss of a language model)")
	f.Uint64Var(&u.seed, "until-seed", 0, "of the order in which examples are drawn")
}

// parse reads the flags; nil where nothing is asked for.
func (u untilOptions) parse() (*sweep.Until, error) {
	switch {
	case u.examples < 0:
		return nil, errors.New("--examples takes numbers from 1 on")
	case u.examples > 0 && u.width != "":
		return nil, errors.New("--until and --examples: give one of them")
	case u.examples > 0:
		return &sweep.Until{Examples: u.examples, Metric: u.metric, Seed: u.seed}, nil
	case u.width == "" && (u.metric != "" || u.seed != 0):
		return nil, errors.New("--until-metric and --until-seed are of --until and --examples")
	case u.width == "":
		return nil, nil
	}
	w, err := strconv.ParseFloat(strings.TrimPrefix(u.width, "±"), 64)
	if err != nil || !(w > 0) || math.IsInf(w, 0) {
		return nil, inFlag("until", fmt.Errorf("%q: half the width of an interval is wanted, as in 0.1", u.width))
	}
	return &sweep.Until{HalfWidth: w, Metric: u.metric, Seed: u.seed}, nil
}

func runSweep(ctx context.Context, cmd *cobra.Command, o sweepOptions, u untilOptions, runs []string, dir string) error {
	if dir == "" {
		return wrong(cmd, errors.New("--out is missing: the folder of the sweep"))
	}
	until, err := u.parse()
	if err == nil && until != nil && (o.worker != "" || o.noExamples) {
		err = errors.New("--until and --examples need a network of this program, and what each example gives")
	}
	if err != nil {
		return wrong(cmd, err)
	}
	j, err := o.ask(ctx, cmd, runs)
	if err != nil {
		return err
	}
	defer j.close()
	j.until = until
	if until != nil && until.Metric == "" {
		until.Metric = usualOf(j.backend.Metrics())
	}
	return asked(cmd, j.sweep(ctx, dir))
}

// usualOf is the metric of --until where none is named: top1 where there is one and the task is not that of a language model, otherwise
// the one that is trained for.
func usualOf(metrics []metric.Metric) string {
	has := func(name string) bool {
		return slices.ContainsFunc(metrics, func(m metric.Metric) bool { return m.Name == name })
	}
	if len(metrics) > 0 && (!has(metric.Top1.Name) || has(metric.Perplexity.Name)) {
		return metrics[0].Name
	}
	return metric.Top1.Name
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
		_, err := tabulate(p, nil, j.backend, software(), dir, stores, true)
		return err
	}
	if err := j.resume(dir); err != nil {
		return err
	}
	return j.run(ctx, p, dir, nil, so, func(sum sweep.Summary, stores sweep.Stores) error {
		table, err := tabulate(p, j.samples, j.backend, software(), dir, stores, false)
		if err != nil {
			return err
		}
		say("done: %s; the table is %s", made(sum), filepath.Join(dir, results.File))
		if s := j.samples; s != nil && s.Partly() > 0 {
			say("%d of the averages rest on a part of the examples; of those that were not known whole before, %.1f %% of the examples have gone through the network (the statistics of batch norm not counted)", s.Partly(), 100*float64(s.Passed)/float64(s.Of))
		}
		sayRuns(p.Spec.Trajectories, table)
		return nil
	})
}

// resume takes the order of an earlier sweep --until into the same folder, or writes down this one's.
func (j *job) resume(dir string) error {
	path := filepath.Join(dir, untilFile)
	var was struct {
		Seed uint64 `json:"seed"`
	}
	text, err := input.ReadFile(path, input.Text)
	if errors.Is(err, fs.ErrNotExist) {
		if j.until == nil {
			return nil
		}
		was.Seed = j.until.Seed
		if text, err = json.Marshal(was); err != nil {
			return err
		}
		return atomicfile.WriteBytes(path, append(text, '\n'))
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &was); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	switch {
	case j.until == nil:
		j.until = &sweep.Until{Seed: was.Seed} // the rest
	case j.until.Seed != was.Seed:
		return fmt.Errorf("%s: the examples of this sweep were drawn by seed %d (--until-seed), not %d", path, was.Seed, j.until.Seed)
	}
	return nil
}
