package main

import (
	"errors"
	"time"

	"github.com/spf13/pflag"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/sweep"
)

// sweepOptions are the flags that say what is evaluated, and by what: those of sweep and of plan.
type sweepOptions struct {
	selection
	networkOptions
	foreignOptions
	epochs, split, worker      string
	workers                    int
	splitHalf, noExamples      bool
	workerTimeout, workerStart time.Duration
}

func (o *sweepOptions) flags(f *pflag.FlagSet) {
	o.selection.flags(f)
	f.StringVar(&o.epochs, "epochs", "", "epochs at which to average, as in 10-20,30 (default: all)")
	f.StringVar(&o.bn, "bn", "", "policies for batch-norm statistics: copy, average, recompute[:samples=N,seed=S,tolerance=T] (default: recompute where there are statistics and data, else copy)")
	o.networkOptions.flags(f)
	o.foreignOptions.flags(f)
	f.StringVar(&o.split, "split", "", "splits to evaluate: val, train, or those of the worker (default: val; of a worker all)")
	f.BoolVar(&o.splitHalf, "split-half", false, "evaluate each split by halves too (val-half1, val-half2), so that a scheme can be chosen on one and reported on the other: plot speedup --split-half")
	f.BoolVar(&o.noExamples, "no-examples", false, "do not keep what each example gave (about 4 bytes an example and evaluation), which compare and best need")
	f.StringVar(&o.worker, "worker", "", "evaluate by this command instead of a network of this program")
	f.DurationVar(&o.workerTimeout, "worker-timeout", 10*time.Minute, "time limit for one evaluation of a worker")
	f.DurationVar(&o.workerStart, "worker-start-timeout", 2*time.Minute, "time limit for the start of a worker")
	f.IntVar(&o.workers, "workers", 0, "workers of one thread each on a CPU (default: one per core; of --worker one)")
}

// machineFlags are those that say how a machine evaluates. They change no number, but for the kind of device, and may
// be others on each machine that evaluates a part of a plan.
var machineFlags = []string{"device", "workers", "memory", "batch-size", "verify", "no-examples", "worker-timeout", "worker-start-timeout"}

// read reads the flags as far as that goes without opening anything. Policies are nil where none are given.
func (o sweepOptions) read() (s sweep.Spec, memory int64, err error) {
	s = sweep.Spec{AllowNonFinite: o.allowNonFinite, AllowGaps: o.allowGaps}
	if s.Schemes, err = o.parseSchemes(); err != nil {
		return s, 0, err
	}
	if s.DType, err = o.parseDType(); err != nil {
		return s, 0, err
	}
	if err := o.foreignOptions.check(); err != nil {
		return s, 0, err
	}
	if _, err := o.thorough(); err != nil {
		return s, 0, err
	}
	if memory, err = parseMemory(o.memory); err != nil {
		return s, 0, err
	}
	if o.workers < 0 || o.bnBatch < 0 || o.batch < 0 {
		return s, 0, errors.New("--workers, --batch-size and --bn-batch-size take numbers from 1 on")
	}
	if o.bn != "" {
		if s.Policies, err = bn.ParsePolicies(o.bn); err != nil {
			return s, 0, inFlag("bn", err)
		}
	}
	return s, memory, nil
}
