//go:build !quick

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/dataset/device"
	"github.com/lawa-replay/lawa-replay/evaluator"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/trainer"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// trainOptions say which run to train, and how.
type trainOptions struct {
	model, data, device, out, name string
	files                          dataOptions
	resume                         bool
	seeds                          string // several, each a run of its own
	threads                        int
	optimizer, precision           string
	recipe                         json.RawMessage // that the run is of; nil for none
	config                         trainer.Config
}

func newTrain() *cobra.Command {
	var o trainOptions
	c := &cobra.Command{
		Use:   "train --out RUN",
		Short: "Train a network and record its trajectory",
		Long: `Train a network and record the weights at the end of every epoch.

The run is evaluated on the validation split after each epoch, by its own
batch-norm statistics: the baseline. Ctrl-C, or a kill, loses nothing that was
recorded; --resume goes on from the newest checkpoint, and on a CPU ends with the
same bits as a run that was not interrupted.

--seeds 0,1,2 trains a run for each into RUN/seed-0, RUN/seed-1 and RUN/seed-2; the
same command again goes on where it stopped. sweep RUN/seed-* then evaluates them
together, and figures show their mean and spread.

` + shortly(networkList()) + `

` + shortly(dataList()) + `

` + shortly(optimizerList()) + `

` + shortly(scheduleList()),
		Example: `  lawa-replay train --model resnet8:width=8,stem-stride=2 --data mnist:train=6000,shift=2 --epochs 20 --out run
  lawa-replay train --out run --resume`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(cmd.Flags()); err != nil {
				return wrong(cmd, err)
			}
			return runTrain(cmd.Context(), cmd, o)
		},
	}
	o.flags(c.Flags())
	return c
}

func (o *trainOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.out, "out", "", "folder of the trajectory")
	f.StringVar(&o.model, "model", "resnet20", "network")
	f.StringVar(&o.data, "data", "mnist", "data set")
	o.files.flags(f)
	f.StringVar(&o.device, "device", "cpu", "cpu, cuda or cuda:N")
	f.StringVar(&o.name, "run", "", "the run's name (default: the folder's)")
	f.BoolVar(&o.resume, "resume", false, "go on with the run in --out, with its own settings")
	f.IntVar(&o.threads, "threads", runtime.NumCPU(), "threads of the training step; another number rounds otherwise")
	f.IntVar(&o.config.Epochs, "epochs", 20, "epochs to train")
	f.IntVar(&o.config.BatchSize, "batch-size", 128, "examples per step")
	f.Int64Var(&o.config.Seed, "seed", 1, "seed of the weights, the data order and the augmentation")
	f.StringVar(&o.seeds, "seeds", "", "several seeds, as in 0,1,2 or 1-5: a run for each, in folders of their own below --out")
	f.Float64Var(&o.config.LR, "lr", 0.1, "peak learning rate")
	f.StringVar(&o.optimizer, "optimizer", "sgd", "optimizer, as in sgd:momentum=0.9,nesterov=true or adamw:weight-decay=0.1")
	f.Float64Var(&o.config.Momentum, "momentum", 0.9, "momentum of sgd")
	f.BoolVar(&o.config.Nesterov, "nesterov", false, "Nesterov momentum of sgd")
	f.Float64Var(&o.config.WeightDecay, "weight-decay", 5e-4, "weight decay of sgd, on every parameter (--optimizer sgd:decay-vectors=false: not on biases and norms)")
	f.StringVar(&o.config.Schedule, "schedule", "cosine", "learning rate behind the warm-up, as in step:every=30,gamma=0.1 (in epochs)")
	f.Float64Var(&o.config.Warmup, "warmup", 0, "epochs of linear warm-up")
	f.Float64Var(&o.config.DecayEpochs, "decay-epochs", 0, "epoch, warm-up counted, at which the schedule is at its end, where it stays; later than the last one, and the run ends on the way (default: --epochs)")
	f.StringVar(&o.precision, "precision", "float32", precisionUsage+"; weights and gradients stay float32")
	f.Float64Var(&o.config.LabelSmoothing, "label-smoothing", 0, "label smoothing of the training loss")
	f.Float64Var(&o.config.Mixup, "mixup", 0, "train on blends of two examples each, in shares drawn from Beta(MIXUP, MIXUP) for every batch (0: off; usual 0.2)")
	f.Float64Var(&o.config.ClipNorm, "clip-norm", 0, "clip the gradients to this norm, of all weights together (0: off; usual 1)")
	f.IntVar(&o.config.Accumulate, "accumulate", 0, "compute each batch in so many parts, one after another, which takes less memory; --batch-size stays what a step sees, and batch norm sees each part alone")
	f.IntVar(&o.config.LogTrain, "log-train", 0, "evaluate each checkpoint on so many training examples too, not augmented, as the split train-N (sweep --split val,train-N evaluates averages on it)")
	f.IntVar(&o.config.CheckpointEvery, "checkpoint-every", 0, "record every so many steps instead of every epoch")
}

// complete takes what stands in texts of its own.
func (o *trainOptions) complete(f *pflag.FlagSet) error {
	if err := o.setOptimizer(f, o.optimizer); err != nil {
		return err
	}
	return inFlag("precision", o.config.SetPrecision(o.precision))
}

// setOptimizer takes --optimizer, for which the flags of sgd's settings are shorthands.
func (o *trainOptions) setOptimizer(f *pflag.FlagSet, text string) error {
	if !f.Changed("optimizer") || o.resume { // a run that goes on keeps its own
		return nil
	}
	for _, flag := range []string{"momentum", "nesterov", "weight-decay"} {
		if f.Changed(flag) {
			return fmt.Errorf("--%s and --optimizer %s: settings stand in the optimizer, as in sgd:%s=…", flag, text, flag)
		}
	}
	if err := o.config.SetOptimizer(text); err != nil {
		return inFlag("optimizer", err)
	}
	if name, _, _ := strings.Cut(o.config.Optimizer, ":"); name != "" && name != "sgd" && !f.Changed("lr") {
		return fmt.Errorf("--lr is missing: the usual %g is for sgd, not for %s", o.config.LR, text)
	}
	return nil
}

// runTrain trains a new run, goes on with one, or does so for several seeds.
func runTrain(ctx context.Context, cmd *cobra.Command, o trainOptions) error {
	if o.out == "" {
		return wrong(cmd, errors.New("--out is missing: the folder of the trajectory"))
	}
	device, err := torch.ParseDevice(o.device)
	if err != nil {
		return wrong(cmd, err)
	}
	if err := device.Open(); err != nil {
		return err
	}
	if o.resume {
		for _, flag := range trainingFlags {
			if cmd.Flags().Changed(flag) {
				return wrong(cmd, fmt.Errorf("--%s cannot be given with --resume: the run keeps its settings", flag))
			}
		}
		rec, err := o.goOn()
		if err != nil {
			return err
		}
		defer rec.Close()
		net, set, err := o.prepare(cmd, device)
		if err != nil {
			return err
		}
		return train(ctx, o, net, set, device, rec)
	}
	runs, err := o.each(cmd.Flags())
	if err != nil {
		return wrong(cmd, err)
	}
	net, set, err := o.prepare(cmd, device)
	if err != nil {
		return err
	}
	if recipe := recordOf(ctx); o.seeds != "" || recipe != nil {
		for _, one := range runs {
			one.recipe = recipe
			if err := one.ensure(ctx, net, set, device); err != nil {
				return err
			}
		}
		return nil
	}
	rec, err := o.create(net, set, device)
	if err != nil {
		return err
	}
	defer rec.Close()
	return train(ctx, o, net, set, device, rec)
}

// trainingFlags are those that say what a run is: one that goes on keeps its own.
var trainingFlags = []string{"model", "data", "epochs", "batch-size", "seed", "seeds", "lr", "optimizer", "momentum", "nesterov", "weight-decay", "schedule", "warmup", "decay-epochs",
	"label-smoothing", "mixup", "clip-norm", "accumulate", "log-train", "checkpoint-every", "precision", "run"}

// each are the runs that --seeds asks for, or the one.
func (o trainOptions) each(f *pflag.FlagSet) ([]trainOptions, error) {
	if o.seeds == "" {
		return []trainOptions{o}, nil
	}
	if f.Changed("seed") {
		return nil, errors.New("--seed and --seeds: give one of them")
	}
	if trajectory.Exists(o.out) {
		return nil, fmt.Errorf("--seeds: %s holds a run; those of the seeds go into folders below another --out", o.out)
	}
	seeds, err := spec.Ranges(o.seeds, 0, math.MaxInt32)
	if err != nil {
		return nil, inFlag("seeds", err)
	}
	if o.name == "" {
		o.name = filepath.Base(filepath.Clean(o.out))
	}
	var out []trainOptions
	for _, seed := range seeds {
		one := o
		one.config.Seed = int64(seed)
		one.out = filepath.Join(o.out, fmt.Sprintf("seed-%d", seed))
		out = append(out, one)
	}
	return out, nil
}

// prepare checks the settings, and opens the data and the network.
func (o trainOptions) prepare(cmd *cobra.Command, device torch.Device) (model.Network, *dataset.Set, error) {
	recipe, err := o.config.Recipe()
	if err == nil {
		err = recipe.Precision.Check(device)
	}
	if err != nil {
		return nil, nil, wrong(cmd, err)
	}
	net, set, err := o.open(cmd)
	if err == nil && o.config.LogTrain > 0 {
		if _, err = o.logged(set); err != nil {
			err = wrong(cmd, inFlag("log-train", err))
		}
	}
	return net, set, err
}

// logged is the part of the training split that --log-train asks for.
func (o trainOptions) logged(set *dataset.Set) (dataset.Split, error) {
	return set.Split(fmt.Sprintf("train-%d", o.config.LogTrain))
}

// ensure trains a run, goes on with what stands there of it, or finds it finished. What is another run is an error.
func (o trainOptions) ensure(ctx context.Context, net model.Network, set *dataset.Set, device torch.Device) error {
	if !trajectory.Exists(o.out) {
		rec, err := o.create(net, set, device)
		if err != nil {
			return err
		}
		defer rec.Close()
		return train(ctx, o, net, set, device, rec)
	}
	asked := o.config
	rec, err := o.goOn()
	if err != nil {
		return err
	}
	defer rec.Close()
	differs := o.config.Differences(asked)
	for what, of := range map[string][2]string{"model": {rec.Meta.Model, net.Spec()}, "data": {rec.Meta.Data, set.Spec}} {
		if of[0] != of[1] {
			differs = append(differs, fmt.Sprintf("%s %s, asked for %s", what, of[0], of[1]))
		}
	}
	if len(differs) > 0 {
		slices.Sort(differs)
		return fmt.Errorf("%s was trained with other settings: %s; choose another --out", o.out, strings.Join(differs, "; "))
	}
	if n := len(rec.Checkpoints); n > 0 && rec.Checkpoints[n-1].Step == int64(asked.Epochs)*rec.Meta.StepsPerEpoch {
		say("found the finished run in %s", o.out)
		return nil
	}
	return train(ctx, o, net, set, device, rec)
}

// goOn opens the run in o.out, whose settings become the options'.
func (o *trainOptions) goOn() (*trajectory.Recorder, error) {
	rec, err := trajectory.Append(o.out, formats.Files{})
	if err != nil {
		return nil, err
	}
	for _, w := range rec.Warnings {
		say("warning: %s", w)
	}
	o.model, o.data = rec.Meta.Model, rec.Meta.Data
	if o.config, err = trainer.Resume(rec.Trajectory); err != nil {
		rec.Close()
		return nil, err
	}
	return rec, nil
}

// open opens the data and the network.
func (o trainOptions) open(cmd *cobra.Command) (model.Network, *dataset.Set, error) {
	set, err := openData(cmd.Context(), o.data, o.files, textDefaults(o.model))
	if err != nil {
		return nil, nil, err
	}
	if set.Train == nil {
		return nil, nil, fmt.Errorf("--data %s: there is no training split in it", o.data)
	}
	if model.IsScript(o.model) {
		return nil, nil, wrong(cmd, errors.New("--model: a TorchScript module can be evaluated, not trained"))
	}
	net, err := model.New(o.model, set.Train.Fields()...)
	if err == nil {
		err = asks(net, set)
	}
	return net, set, wrong(cmd, err)
}

// create starts the trajectory of a new run in o.out.
func (o trainOptions) create(net model.Network, set *dataset.Set, device torch.Device) (*trajectory.Recorder, error) {
	training, err := json.Marshal(o.config)
	if err != nil {
		return nil, err
	}
	if o.name == "" {
		o.name = filepath.Base(filepath.Clean(o.out))
	}
	return trajectory.Create(o.out, formats.Files{}, trajectory.Meta{
		Run: o.name, Model: net.Spec(), Data: set.Spec, Seed: new(o.config.Seed), BatchSize: o.config.BatchSize,
		StepsPerEpoch: trainer.StepsPerEpoch(set.Train.Len(), o.config.BatchSize), Devices: []string{device.String()},
		Software: software(), Training: training, Recipe: o.recipe,
	})
}

// software names what computes, for the record.
func software() string { return fmt.Sprintf("lawa-replay %s, libtorch %s", Version, torch.Version()) }

// train runs the trainer with a progress bar, and evaluates each checkpoint for the log.
func train(ctx context.Context, o trainOptions, net model.Network, set *dataset.Set, on torch.Device, rec *trajectory.Recorder) error {
	recipe, err := o.config.Recipe()
	if err != nil {
		return err
	}
	engine := evaluator.NewEngine(net, on, 0, runtime.NumCPU())
	engine.Precision = recipe.Precision
	if engine.Examples, err = examples.Open(filepath.Join(rec.Dir, trajectory.ExamplesDir), sayNote); err != nil {
		return err
	}
	defer engine.Examples.Close()
	if _, ok := model.LanguageOf(net); ok {
		if o.config.LabelSmoothing > 0 || o.config.Mixup > 0 {
			return fmt.Errorf("label smoothing and mixup are of classes: %s predicts tokens", net.Spec())
		}
		if recipe.Task, err = taskOf("", net); err != nil {
			return err
		}
		engine.Task = recipe.Task
	}
	room, err := device.Room(on)
	if err != nil {
		return err
	}
	val, err := engine.Load(set.Val, room)
	if err != nil {
		return err
	}
	defer val.Free()
	watched := []*evaluator.Data{val}
	if o.config.LogTrain > 0 {
		split, err := o.logged(set)
		if err != nil {
			return err
		}
		data, err := engine.Load(split, room)
		if err != nil {
			return err
		}
		defer data.Free()
		watched = append(watched, data)
	}
	recipe.Network, recipe.Data, recipe.Device, recipe.Threads = net, set.Train, on, o.threads
	steps := int64(o.config.Epochs) * rec.Meta.StepsPerEpoch
	say("training %s on %s, seed %d: %d parameters, %d steps in %d epochs", rec.Meta.Model, rec.Meta.Data, o.config.Seed, net.Layout().Parameters(), steps, o.config.Epochs)
	bar := newProgress(ctx, "train", int(steps))
	defer bar.close()
	hooks := trainer.Hooks{
		Step: func(step, _ int64) { bar.set(int(step)) },
		Checkpoint: func(c *trajectory.Checkpoint, values []float32) error {
			// Even when interrupted: a checkpoint whose weights are stored is worth its line.
			for _, data := range watched {
				if err := engine.Record(context.WithoutCancel(ctx), c, values, data); err != nil {
					return err
				}
			}
			bar.describe(fmt.Sprintf("train: epoch %s, top-1 %.2f %%", trajectory.EpochName(c.Epoch), float64(c.Metrics["val/top1"])))
			return nil
		},
	}
	err = trainer.Run(ctx, recipe, rec, hooks)
	bar.close()
	n := len(rec.Checkpoints)
	if errors.Is(err, context.Canceled) {
		again := "lawa-replay train --out " + o.out + " --resume"
		if o.seeds != "" || o.recipe != nil {
			again = "the same command"
		}
		say("interrupted: %d checkpoints are recorded in %s; go on with: %s", n, o.out, again)
		return err
	}
	if err != nil {
		return err
	}
	last := rec.Checkpoints[n-1]
	say("done: %d checkpoints in %s, %.1f s of training; top-1 %.2f %% and loss %.4f on val at epoch %s", n, o.out, *last.Seconds, float64(last.Metrics["val/top1"]), float64(last.Metrics["val/loss"]), trajectory.EpochName(last.Epoch))
	return nil
}
