//go:build !quick

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/evaluator"
	"github.com/lawa-replay/lawa-replay/evaluator/worker"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

type sweepOptions struct {
	selection
	networkOptions
	foreignOptions
	out, epochs, split, worker string
	workers                    int
	splitHalf                  bool
	workerTimeout, workerStart time.Duration
}

func newSweep() *cobra.Command {
	var o sweepOptions
	c := &cobra.Command{
		Use:   "sweep RUN... --k 1,2,4-8 --out SWEEP",
		Short: "Evaluate averaging schemes at every epoch of a trajectory",
		Long: `Evaluate schemes × epochs × batch-norm policies × splits over one or more
trajectories, and write the table SWEEP/results.parquet.

Every evaluation is kept in SWEEP/store under a digest of all it depends on. The
same sweep again evaluates nothing; a larger one only what is new; an interrupted
one goes on where it stopped. The baseline (each checkpoint with its own
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
		RunE: func(cmd *cobra.Command, args []string) error { return runSweep(cmd.Context(), cmd, o, args) },
	}
	f := c.Flags()
	f.StringVar(&o.out, "out", "", "folder of the sweep")
	o.selection.flags(f)
	f.StringVar(&o.epochs, "epochs", "", "epochs at which to average, as in 10-20,30 (default: all)")
	f.StringVar(&o.bn, "bn", "", "policies for batch-norm statistics: copy, average, recompute[:samples=N[,seed=S]] (default: recompute where there are statistics and data, else copy)")
	o.networkOptions.flags(f)
	o.foreignOptions.flags(f)
	f.StringVar(&o.split, "split", "", "splits to evaluate: val, train, or those of the worker (default: val; of a worker all)")
	f.BoolVar(&o.splitHalf, "split-half", false, "evaluate each split by halves too (val-half1, val-half2), so that a scheme can be chosen on one and reported on the other: plot speedup --split-half")
	f.StringVar(&o.worker, "worker", "", "evaluate by this command instead of a network of this program")
	f.DurationVar(&o.workerTimeout, "worker-timeout", 10*time.Minute, "time limit for one evaluation of a worker")
	f.DurationVar(&o.workerStart, "worker-start-timeout", 2*time.Minute, "time limit for the start of a worker")
	f.IntVar(&o.workers, "workers", 0, "workers of one thread each on a CPU (default: one per core; of --worker one)")
	return c
}

func runSweep(ctx context.Context, cmd *cobra.Command, o sweepOptions, runs []string) error {
	if o.out == "" {
		return wrong(cmd, errors.New("--out is missing: the folder of the sweep"))
	}
	device, err := torch.ParseDevice(o.device)
	if err != nil {
		return wrong(cmd, err)
	}
	schemes, err := o.parseSchemes()
	if err != nil {
		return wrong(cmd, err)
	}
	if err := o.foreignOptions.check(); err != nil {
		return wrong(cmd, err)
	}
	thorough, err := o.thorough()
	if err != nil {
		return wrong(cmd, err)
	}
	memory, err := parseMemory(o.memory)
	if err != nil {
		return wrong(cmd, err)
	}
	if o.workers < 0 || o.bnBatch < 0 || o.batch < 0 {
		return wrong(cmd, errors.New("--workers, --batch-size and --bn-batch-size take numbers from 1 on"))
	}
	var policies []bn.Policy
	if o.bn != "" {
		if policies, err = bn.ParsePolicies(o.bn); err != nil {
			return wrong(cmd, fmt.Errorf("--bn: %w", err))
		}
	}
	j := &job{dir: o.out, memory: memory, spec: sweep.Spec{Schemes: schemes, Policies: policies, AllowNonFinite: o.allowNonFinite, AllowGaps: o.allowGaps}}
	done, err := o.backend(ctx, cmd, j, device, runs)
	if err != nil {
		return err
	}
	defer done()
	if o.bn == "" {
		if j.spec.Policies, err = defaultPolicies(j.spec.Trajectories[0], j.backend); err != nil {
			return err
		}
	}
	for _, p := range j.spec.Policies {
		if err := j.backend.Supports(p); err != nil {
			return wrong(cmd, fmt.Errorf("--bn: %w", err))
		}
	}
	for _, t := range j.spec.Trajectories {
		if thorough {
			t.Thorough()
		}
		endpoints, err := selectEpochs(t, o.epochs)
		if err != nil {
			return wrong(cmd, fmt.Errorf("--epochs: trajectory %s: %w", t.Meta.Run, err))
		}
		j.spec.Endpoints = append(j.spec.Endpoints, endpoints)
	}
	if e, ok := j.backend.(*evaluator.Engine); ok {
		for _, t := range j.spec.Trajectories {
			if err := notePrefix(e, t); err != nil {
				return err
			}
		}
	}
	if err := j.run(ctx); errors.As(err, &averaging.RequestError{}) {
		return wrong(cmd, err)
	} else if err != nil {
		return err
	}
	return nil
}

// job is a sweep that is to be made.
type job struct {
	dir     string
	spec    sweep.Spec
	backend sweep.Backend
	memory  int64
}

// backend opens the trajectories, and what evaluates them: a network of this program, or workers.
func (o sweepOptions) backend(ctx context.Context, cmd *cobra.Command, j *job, device torch.Device, runs []string) (func(), error) {
	s := &j.spec
	if o.worker != "" {
		if o.model != "" && model.IsScript(o.model) || o.task != "" {
			return nil, wrong(cmd, errors.New("--worker takes its own network and task: --model and --task are for networks of this program"))
		}
		if o.splitHalf {
			return nil, wrong(cmd, errors.New("--split-half: a worker's splits are its own; let it announce two halves, and plot speedup --choose-on one of them"))
		}
		var err error
		if s.Trajectories, err = o.open(runs); err != nil {
			return nil, err
		}
		meta := s.Trajectories[0].Meta
		w, err := worker.NewWorkers(ctx, worker.Worker{Command: o.worker, Start: o.workerStart, Limit: o.workerTimeout,
			Hello: worker.Hello{Device: device.String(), Model: cmp.Or(o.model, meta.Model), Data: cmp.Or(o.data, meta.Data), Tied: meta.Tied}}, device.Kind(), max(1, o.workers))
		if err != nil {
			return nil, err
		}
		s.Splits = w.Splits()
		if o.split != "" {
			s.Splits = splitNames(o.split)
		}
		for _, name := range s.Splits {
			if !slices.Contains(w.Splits(), name) {
				w.Close()
				return nil, wrong(cmd, fmt.Errorf("--split: the worker has no %s; it announces %s", name, strings.Join(w.Splits(), ", ")))
			}
		}
		j.backend = w
		return w.Close, nil
	}
	if err := device.Open(); err != nil {
		return nil, err
	}
	var err error
	if s.Trajectories, err = o.open(runs); err != nil {
		return nil, err
	}
	e, err := o.engine(cmd, s.Trajectories[0].Meta, device, o.workers)
	if err != nil {
		return nil, err
	}
	for _, name := range splitNames(cmp.Or(o.split, "val")) {
		s.Splits = append(s.Splits, name)
		if o.splitHalf {
			s.Splits = append(s.Splits, name+"-half1", name+"-half2")
		}
	}
	for _, name := range s.Splits {
		if _, err := e.Set.Split(name); err != nil {
			return nil, wrong(cmd, fmt.Errorf("--split: %w", err))
		}
	}
	j.backend = e
	return func() {}, nil
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

// provenance is what the table's metadata say of a sweep.
func (j *job) provenance() (map[string]any, error) {
	var runs []map[string]any
	var dirs []string
	for _, t := range j.spec.Trajectories {
		dirs = append(dirs, t.Dir)
	}
	folders, err := sweep.Folders(dirs)
	if err != nil {
		return nil, err
	}
	for i, t := range j.spec.Trajectories {
		runs = append(runs, map[string]any{"run": t.Meta.Run, "seed": t.Meta.Seed, "folder": folders[i], "training": t.Meta.Training, "checkpoints": len(t.Checkpoints), "last_sha256": t.Checkpoints[len(t.Checkpoints)-1].SHA256, "devices": t.Meta.Devices})
	}
	var schemes, policies []string
	for _, scheme := range j.spec.Schemes {
		schemes = append(schemes, scheme.Spec())
	}
	for _, p := range j.spec.Policies {
		policies = append(policies, p.String())
	}
	out := j.backend.Provenance()
	maps.Copy(out, map[string]any{"software": software(), "runs": runs, "schemes": schemes, "policies": policies, "splits": j.spec.Splits})
	return out, nil
}

// run makes the sweep with a progress bar, and says what it did.
func (j *job) run(ctx context.Context) error {
	provenance, err := j.provenance()
	if err != nil {
		return err
	}
	if err := claim(j.dir); err != nil {
		return err
	}
	bar := newProgress(ctx, "sweep", -1)
	note := func(text string) { bar.close(); say("note: %s", text) }
	table, sum, err := j.evaluate(ctx, provenance, sweep.Options{
		Memory:   j.memory,
		Note:     note,
		Progress: func(done, _ int) { bar.set(done) },
		Start:    func(total int) { bar.close(); bar = newProgress(ctx, "sweep", total) },
	})
	bar.close()
	switch {
	case errors.Is(err, context.Canceled):
		say("interrupted: %d of %d evaluations are kept in %s; the same command goes on with the rest", sum.Evaluations-sum.Missing+sum.Evaluated, sum.Evaluations, j.dir)
		return err
	case errors.Is(err, atomicfile.ErrLocked):
		return fmt.Errorf("%w: wait for the other sweep, or choose another --out", err)
	case err != nil:
		return err
	}
	say("done: %d evaluations (%d made now, %d from the training log, %d already in the store); the table is %s", sum.Evaluations, sum.Evaluated,
		sum.Recorded, sum.Evaluations-sum.Evaluated-sum.Recorded, filepath.Join(j.dir, results.File))
	sayRuns(j.spec.Trajectories, table)
	return nil
}

// evaluate plans, and then, under the folder's lock, runs and tabulates.
func (j *job) evaluate(ctx context.Context, provenance map[string]any, o sweep.Options) (*results.Table, sweep.Summary, error) {
	p, err := sweep.NewPlan(ctx, j.spec, j.backend)
	if err != nil {
		return nil, sweep.Summary{}, err
	}
	store, err := sweep.OpenFolder(j.dir, o.Note)
	if err != nil {
		return nil, sweep.Summary{}, err
	}
	defer store.Close()
	for _, n := range p.Notes {
		o.Note(n)
	}
	sum, err := sweep.Run(ctx, p, j.backend, store.Store, o)
	if err != nil {
		return nil, sum, err
	}
	table, err := sweep.Table(p, provenance, store.Store)
	if err == nil {
		err = results.Write(filepath.Join(j.dir, results.File), table)
	}
	return table, sum, err
}

// claim is an error where the sweep's folder is something else already.
func claim(dir string) error {
	if trajectory.Exists(dir) {
		return fmt.Errorf("%s holds a trajectory: choose another folder for the sweep", dir)
	}
	names, err := os.ReadDir(dir)
	if err == nil && len(names) > 0 && !slices.ContainsFunc(names, func(e os.DirEntry) bool { return e.Name() == "store" || e.Name() == atomicfile.LockName }) {
		return fmt.Errorf("%s holds other files: choose an empty folder, or that of an earlier sweep", dir)
	}
	return nil
}
