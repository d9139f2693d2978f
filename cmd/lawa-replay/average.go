package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/export"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

type averageOptions struct {
	selection
	networkOptions
	foreignOptions
	out       string
	at        []string
	outDir    string
	format    string
	shardSize string
	noVerify  bool
	whole     bool
}

func newAverage() *cobra.Command {
	var o averageOptions
	c := &cobra.Command{
		Use:   "average RUN... --scheme SPEC --at EPOCH --out FILE",
		Short: "Write averaged weights as safetensors or for PyTorch",
		Long: `Write the average that a scheme gives at an epoch, with the names, shapes and dtypes
of the checkpoints; tied weights stay tied. The file says which checkpoints are in it,
with which coefficients and digests. Sums are float64, rounded once.

The name of --out says the format:
  avg.safetensors    one file
  avg.pt             a state dict for torch.load(weights_only=True); with --whole all that
                     the newest checkpoint's file holds, as training programs load it
  avg/model.safetensors.index.json   shards, in the layout of a sharded source, or of
                     at most --shard-size

Several schemes or epochs are written into --out-dir, in one pass over the
trajectory, as SCHEME@EPOCH in the --format given.

RUN may also be a folder of checkpoints of another program, as import takes them, or
the checkpoints one by one, as checkpoint-*/adapter_model.safetensors names them.

Integer tensors are those of the newest checkpoint. Batch-norm statistics (--bn):
` + brief(policyList().kinds) + `
The data of recompute are --bn-data. Averaging a state dict is average.`,
		Example: `  lawa-replay average run --scheme lawa:k=6 --at 90 --out avg.safetensors
  lawa-replay average run --k 1-16 --at 10-90 --out-dir averages
  lawa-replay average checkpoints/ --k 6 --at 90 --out avg.pt
  lawa-replay average run --scheme ema:decay=0.9 --at 20 --bn recompute --dtype bf16 --out avg.safetensors`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runAverage(cmd.Context(), cmd, o, args) },
	}
	f := c.Flags()
	f.StringVar(&o.out, "out", "", "the file to write, for one average")
	f.StringVar(&o.outDir, "out-dir", "", "the folder to write into, for any number of averages")
	f.StringArrayVar(&o.at, "at", nil, "epochs at which to average, as in 90 or 10-20,30; may be repeated")
	o.selection.flags(f)
	f.StringVar(&o.bn, "bn", "average", "batch-norm statistics: average, copy, recompute[:samples=N,seed=S,tolerance=T]")
	f.StringVar(&o.format, "format", "", "of the files in --out-dir: safetensors (the default), pt or sharded")
	f.StringVar(&o.shardSize, "shard-size", "", "of sharded files, such as 5GB (default: the shards of the source)")
	f.BoolVar(&o.whole, "whole", false, "write the newest checkpoint's own file with the average in place of its weights, as for Lightning: of PyTorch's files")
	f.BoolVar(&o.noVerify, "no-verify", false, "neither compare the checkpoints with their digests nor look for NaN")
	o.networkOptions.flags(f)
	o.foreignOptions.flags(f)
	return c
}

func runAverage(ctx context.Context, cmd *cobra.Command, o averageOptions, run []string) error {
	e := &export.Export{AllowNonFinite: o.allowNonFinite, AllowGaps: o.allowGaps, Software: "lawa-replay " + Version}
	if err := o.parse(e); err != nil {
		return wrong(cmd, err)
	}
	var err error
	done := func() {}
	if e.Policy.Kind == bn.Recompute {
		done, err = o.prepareRecompute(cmd, e, run)
	} else {
		e.Trajectory, err = openRun(run, o.foreignOptions)
	}
	if err != nil {
		return err
	}
	defer done()
	t := e.Trajectory
	if err := o.factors(t); err != nil {
		return err
	}
	switch thorough, _ := o.thorough(); { // parse has read it
	case o.noVerify:
		t.Trust()
	case thorough:
		t.Thorough()
	}
	for _, text := range o.at {
		endpoints, err := selectEpochs(t, text)
		if err != nil {
			return wrong(cmd, fmt.Errorf("--at: trajectory %s: %w", t.Meta.Run, err))
		}
		for _, i := range endpoints {
			if !slices.Contains(e.Endpoints, i) {
				e.Endpoints = append(e.Endpoints, i)
			}
		}
	}
	if err := e.Plan(); errors.As(err, &averaging.RequestError{}) {
		return wrong(cmd, fmt.Errorf("trajectory %s: %w", t.Meta.Run, err))
	} else if err != nil {
		return err
	}
	files := len(e.Schemes) * len(e.Endpoints)
	switch {
	case o.out != "" && files > 1:
		return wrong(cmd, fmt.Errorf("--out takes one average, these are %d: give --out-dir", files))
	case o.out != "":
		e.Path = func(averaging.Scheme, int) string { return o.out }
	default:
		if err := os.MkdirAll(o.outDir, 0o755); err != nil {
			return err
		}
		e.Path = func(s averaging.Scheme, endpoint int) string {
			return filepath.Join(o.outDir, export.FileName(t, s, endpoint, e.Format))
		}
	}
	if err := o.replacing(e); err != nil {
		return wrong(cmd, err)
	}
	return o.write(ctx, e, files)
}

// replacing says what is there already and is going to be replaced.
func (o averageOptions) replacing(e *export.Export) error {
	var read, outs []string
	for i := range e.Trajectory.Checkpoints {
		read = append(read, e.Trajectory.Path(i))
	}
	for _, s := range e.Schemes {
		for _, endpoint := range e.Endpoints {
			outs = append(outs, e.Path(s, endpoint))
		}
	}
	return replacing(outs, read...)
}

// parse reads what the command line says without the trajectory.
func (o averageOptions) parse(e *export.Export) error {
	if err := o.foreignOptions.check(); err != nil {
		return err
	}
	switch {
	case o.out == "" && o.outDir == "":
		return errors.New("--out is missing: the file to write (or --out-dir for several)")
	case o.out != "" && o.outDir != "":
		return errors.New("--out and --out-dir: give one of them")
	case o.out != "" && o.format != "":
		return errors.New("--format is for --out-dir: the name of --out says the format")
	case len(o.at) == 0:
		return errors.New("--at is missing: the epoch at which to average")
	case o.bnBatch < 0:
		return errors.New("--bn-batch-size takes numbers from 1 on")
	}
	if _, err := o.thorough(); err != nil {
		return err
	}
	var err error
	if o.out != "" {
		if e.Format, err = export.FormatOf(o.out); err != nil {
			return inFlag("out", err)
		}
	} else if e.Format, err = export.ParseFormat(o.format); err != nil {
		return inFlag("format", err)
	}
	e.Whole = o.whole
	if o.whole && (e.Format != export.PT || o.dtype != "") {
		return errors.New("--whole writes PyTorch's files, in the dtypes that they have: give --out a name such as avg.ckpt, or --format pt, and no --dtype")
	}
	if o.shardSize != "" {
		if e.ShardSize, err = parseBytes("--shard-size", o.shardSize); err != nil {
			return err
		}
	}
	if e.Schemes, err = o.parseSchemes(); err != nil {
		return err
	}
	if e.Policy, err = bn.ParsePolicy(o.bn); err != nil {
		return inFlag("bn", err)
	}
	if e.Memory, err = parseMemory(o.memory); err != nil {
		return err
	}
	e.DType, err = o.parseDType()
	return err
}

func (o averageOptions) write(ctx context.Context, e *export.Export, files int) error {
	bar := newProgress(ctx, "average", files)
	done, statistics := 0, 0
	var last export.Written
	e.Wrote = func(w export.Written) {
		done++
		bar.set(done)
		last, statistics = w, max(statistics, w.Statistics)
	}
	err := e.Run(ctx)
	bar.close()
	switch {
	case errors.Is(err, context.Canceled):
		say("interrupted: %d of %d files are written", done, files)
		return err
	case err != nil:
		return err
	case files == 1:
		c := e.Trajectory.Checkpoints
		epochs := "epoch " + trajectory.EpochName(c[last.Average.Newest()].Epoch)
		if n := len(last.Average.Indices); n > 1 {
			epochs = fmt.Sprintf("%d checkpoints of epochs %s to %s", n, trajectory.EpochName(c[last.Average.Indices[0]].Epoch), trajectory.EpochName(c[last.Average.Newest()].Epoch))
		}
		say("wrote %s: %s at epoch %s, %s", last.Path, last.Scheme.Spec(), trajectory.EpochName(c[last.Endpoint].Epoch), epochs)
	default:
		say("wrote %d files into %s", done, o.outDir)
	}
	if strings.HasSuffix(o.out, ".ckpt") && !o.whole {
		say("%s holds a state dict alone: it is no checkpoint that Lightning's load_from_checkpoint takes (--whole writes one)", o.out)
	}
	if statistics > 0 && e.Policy.Kind == bn.Average {
		say("batch-norm statistics are averaged like the weights; the averaged network's own need a pass over data (--bn recompute, or torch.optim.swa_utils.update_bn)")
	}
	return nil
}
