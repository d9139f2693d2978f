//go:build !quick

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lawa-replay/averaging"
	"lawa-replay/bn"
	"lawa-replay/dataset"
	"lawa-replay/evaluator"
	"lawa-replay/evaluator/results"
	"lawa-replay/internal/atomicfile"
	"lawa-replay/internal/torch"
	"lawa-replay/model"
	"lawa-replay/trajectory"
)

type sweepOptions struct {
	selection
	bnOptions
	out, epochs, split string
	workers            int
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
  copy         those of the newest checkpoint in the average
  average      averaged like the weights: what many do, not the statistics of the
               averaged network
  recompute    renewed by a pass over --bn-data, as torch.optim.swa_utils.update_bn
               does it; recompute:samples=N takes the first N examples, and
               recompute:samples=N,seed=S draws them

Choosing k on the split that is then reported is leakage: choose on one split,
report another (--split val,train evaluates several).`,
		Example: `  lawa-replay sweep run --k 1,2,4-8,10,16 --out sweep
  lawa-replay sweep run --k 6 --scheme ema:decay=0.5..0.95/0.05 --scheme swa:start=10..20/5 --out sweep
  lawa-replay sweep run1 run2 run3 --k 6 --bn copy,recompute:samples=5000 --epochs 10-20 --out sweep`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runSweep(cmd.Context(), cmd, o, args) },
	}
	f := c.Flags()
	f.StringVar(&o.out, "out", "", "folder of the sweep")
	o.selection.flags(f)
	f.StringVar(&o.epochs, "epochs", "", "epochs at which to average, as in 10-20,30 (default: all)")
	f.StringVar(&o.bn, "bn", "recompute", "policies for batch-norm statistics: copy, average, recompute[:samples=N[,seed=S]]")
	o.bnOptions.flags(f)
	f.StringVar(&o.split, "split", "val", "splits to evaluate: val, train")
	f.IntVar(&o.workers, "workers", 0, "workers of one thread each on a CPU (default: one per core)")
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
	policies, err := parsePolicies(o.bn)
	if err != nil {
		return wrong(cmd, err)
	}
	memory, err := parseMemory(o.memory)
	if err != nil {
		return wrong(cmd, err)
	}
	if o.workers < 0 || o.bnBatch < 0 {
		return wrong(cmd, errors.New("--workers and --bn-batch-size take numbers from 1 on"))
	}
	if err := device.Open(); err != nil {
		return err
	}
	s := &evaluator.Sweep{Dir: o.out, Schemes: schemes, Policies: policies, AllowNonFinite: o.allowNonFinite, AllowGaps: o.allowGaps, Memory: memory}
	net, err := o.open(s, runs)
	if err != nil {
		return err
	}
	for _, name := range strings.Split(o.split, ",") {
		if name = strings.TrimSpace(name); !slices.Contains(s.Splits, name) {
			s.Splits = append(s.Splits, name)
		}
	}
	if s.BNSplit, err = s.Set.Split(o.bnData); err != nil {
		return wrong(cmd, fmt.Errorf("--bn-data: %w", err))
	}
	for _, name := range s.Splits {
		if _, err := s.Set.Split(name); err != nil {
			return wrong(cmd, fmt.Errorf("--split: %w", err))
		}
	}
	for _, t := range s.Trajectories {
		endpoints, err := selectEpochs(t, o.epochs)
		if err != nil {
			return wrong(cmd, fmt.Errorf("--epochs: trajectory %s: %w", t.Meta.Run, err))
		}
		s.Endpoints = append(s.Endpoints, endpoints)
	}
	if err := s.Plan(); errors.As(err, &averaging.RequestError{}) {
		return wrong(cmd, err)
	} else if err != nil {
		return err
	}
	return sweep(ctx, s, evaluator.NewEngine(net, device, o.workers, runtime.NumCPU()))
}

// open reads the trajectories, their network and their data, which must be the same for all.
func (o bnOptions) open(s *evaluator.Sweep, runs []string) (*model.Network, error) {
	for _, dir := range runs {
		t, err := openRun(dir)
		if err != nil {
			return nil, err
		}
		for _, other := range s.Trajectories {
			if other.Meta.Run == t.Meta.Run && other.Meta.Seed == t.Meta.Seed {
				return nil, fmt.Errorf("%s and %s are both run %s with seed %d: their rows could not be told apart", other.Dir, dir, t.Meta.Run, t.Meta.Seed)
			}
			if other.Meta.Model != t.Meta.Model || other.Meta.Data != t.Meta.Data {
				return nil, fmt.Errorf("%s trained %s on %s, %s %s on %s: sweep them apart", other.Dir, other.Meta.Model, other.Meta.Data, dir, t.Meta.Model, t.Meta.Data)
			}
		}
		s.Trajectories = append(s.Trajectories, t)
	}
	meta := s.Trajectories[0].Meta
	var err error
	if s.Set, err = dataset.Open(meta.Data, o.dataDir); err != nil {
		return nil, err
	}
	if s.BNBatch = o.bnBatch; s.BNBatch == 0 {
		s.BNBatch = meta.BatchSize
	}
	return model.New(meta.Model, s.Set.Train.Channels, s.Set.Train.Classes)
}

// sweep runs s with a progress bar and says what it did.
func sweep(ctx context.Context, s *evaluator.Sweep, engine *evaluator.Engine) error {
	var runs []map[string]any
	for _, t := range s.Trajectories {
		runs = append(runs, map[string]any{"run": t.Meta.Run, "seed": t.Meta.Seed, "checkpoints": len(t.Checkpoints), "last_sha256": t.Checkpoints[len(t.Checkpoints)-1].SHA256, "devices": t.Meta.Devices})
	}
	var schemes, policies []string
	for _, scheme := range s.Schemes {
		schemes = append(schemes, scheme.Spec())
	}
	for _, p := range s.Policies {
		policies = append(policies, p.String())
	}
	s.Provenance = map[string]any{"software": software(), "device": engine.Device.String(), "model": engine.Net.Spec, "data": s.Set.Spec, "runs": runs,
		"schemes": schemes, "policies": policies, "splits": s.Splits, "bn_data": s.BNSplit.Name, "bn_batch_size": s.BNBatch}
	if err := claim(s.Dir); err != nil {
		return err
	}
	var bar *progress
	s.Progress = func(done, total int) { bar.set(done) }
	bar = newProgress("sweep", -1)
	s.Start = func(total int) { bar.close(); bar = newProgress("sweep", total) }
	sum, err := s.Run(ctx, engine)
	bar.close()
	switch {
	case errors.Is(err, context.Canceled):
		say("interrupted: %d of %d evaluations are kept in %s; the same command goes on with the rest", sum.Evaluations-sum.Missing+sum.Evaluated, sum.Evaluations, s.Dir)
		return err
	case errors.Is(err, atomicfile.ErrLocked):
		return fmt.Errorf("%w: wait for the other sweep, or choose another --out", err)
	case err != nil:
		return err
	}
	say("done: %d evaluations (%d made now, %d from the training log, %d already in the store); the table is %s", sum.Evaluations, sum.Evaluated,
		sum.Recorded, sum.Evaluations-sum.Evaluated-sum.Recorded, filepath.Join(s.Dir, results.File))
	return nil
}

// claim makes the sweep's folder, unless it is something else already.
func claim(dir string) error {
	if trajectory.Exists(dir) {
		return fmt.Errorf("%s holds a trajectory: choose another folder for the sweep", dir)
	}
	names, err := os.ReadDir(dir)
	if err == nil && len(names) > 0 && !slices.ContainsFunc(names, func(e os.DirEntry) bool { return e.Name() == "store" || e.Name() == ".lock" }) {
		return fmt.Errorf("%s holds other files: choose an empty folder, or that of an earlier sweep", dir)
	}
	return os.MkdirAll(dir, 0o755)
}

// parsePolicies splits a list such as copy,recompute:samples=10,seed=3 at the commas before a policy's name.
func parsePolicies(text string) ([]bn.Policy, error) {
	var texts []string
	for _, part := range strings.Split(text, ",") {
		if len(texts) > 0 && strings.Contains(part, "=") && !strings.Contains(part, ":") {
			texts[len(texts)-1] += "," + part
			continue
		}
		texts = append(texts, part)
	}
	var out []bn.Policy
	for _, t := range texts {
		p, err := bn.ParsePolicy(t)
		if err != nil {
			return nil, fmt.Errorf("--bn: %w", err)
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}
