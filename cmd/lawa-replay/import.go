package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/importer"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// foreignOptions are the flags that say how checkpoints of other programs are to be understood.
type foreignOptions struct{ importer.Options }

func (o *foreignOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.Key, "key", "", "where the state dict stands in a checkpoint, as in state_dict or model.ema (default: found, where there is one; . is the root); model,generator takes two as one model")
	f.StringArrayVar(&o.Strip, "strip", nil, "take this off the names of tensors, as in model. (may be given several times)")
	f.StringArrayVar(&o.Skip, "skip", nil, "leave out tensors of this name, or of a pattern as in 'head.*' (may be given several times)")
	f.Func("max-pickle", "size of the pickles that are read, as in 256MiB: what stands in a PyTorch file beside the tensors' bytes (default 64MiB; memory may grow to eight times that)", func(text string) (err error) {
		o.MaxPickle, err = parseBytes("--max-pickle", text)
		return err
	})
	f.StringVar(&o.Pattern, "pattern", "", "where the number stands in the names, as in 'run_{epoch}_#.pt' or 'ckpt-{step}/*': # is any number, * any text")
	f.StringVar(&o.Numbers, "numbers", "", "take epochs and steps from the name, or from inside (default: the name, if it says what it counts)")
	f.Int64Var(&o.StepsPerEpoch, "steps-per-epoch", 0, "optimizer steps of an epoch, where only the one or the other is known")
	f.Func("epoch-offset", "add this to the epochs found: 1 for files that count from 0 (default: 1 for Lightning's, else 0)", func(text string) error {
		v, err := strconv.ParseFloat(text, 64)
		o.EpochOffset = &v
		return err
	})
	f.StringVar(&o.Log, "log", "", "training log of the run: a table (CSV), JSON lines or trainer_state.json with epoch or step, and loss, lr, seconds, …")
	f.Func("log-offset", "add this to the log's epochs, or steps: 1 for a log that counts from 0 (default: as the log and the checkpoints tell)", func(text string) error {
		v, err := strconv.ParseFloat(text, 64)
		o.LogOffset = &v
		return err
	})
	f.BoolVar(&o.Strict, "strict", false, "refuse PyTorch files that name anything but tensors, containers and numbers")
}

// check says what is wrong with them, as far as that can be said without checkpoints.
func (o foreignOptions) check() error {
	if o.StepsPerEpoch < 0 {
		return errors.New("--steps-per-epoch takes numbers from 1 on")
	}
	if o.Numbers != "" && o.Numbers != "name" && o.Numbers != "inside" {
		return fmt.Errorf("--numbers %s: want name or inside", o.Numbers)
	}
	return nil
}

type importOptions struct {
	foreignOptions
	out, name, model, data string
	seed                   *int64
	batchSize              int
	devices                []string
	link, dryRun, asJSON   bool
	watch                  string
	interval, idle         time.Duration
	count                  int
}

func newImport() *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use:   "import FILES... --out RUN",
		Short: "Make a trajectory of checkpoints that another program wrote",
		Long: `Make a trajectory of the checkpoints of another training program: files, folders
that are one checkpoint, or folders of them, as HuggingFace, PEFT, diffusers, accelerate,
Lightning, DeepSpeed, Megatron and SpeechBrain leave them. The file itself says its format:

` + brief(formatList().kinds) + `

No code in a pickle is ever run, and only the weights are read.

What the names and files say about epochs and steps is shown first; --dry-run stops
there. What was guessed is said, with the flag that decides otherwise; what can be read
in two ways is asked (docs/importing.md has the rules). "module." and "_orig_mod." are
taken off the names of tensors. Weights are copied into RUN; --link refers to the files
where they are. The same command again takes only what is new. sweep, average, inspect
and verify take such a folder as it is.

--watch DIR waits for checkpoints and takes each when it is whole, while the training
that writes them goes on; it ends after --count checkpoints, or --idle without any.`,
		Example: `  lawa-replay import checkpoints/ --out run
  lawa-replay import 'epoch_*.pt' --key model_ema --log train.csv --out run
  lawa-replay import hf-output/ --steps-per-epoch 500 --link --out run
  lawa-replay import --watch checkpoints/ --count 90 --out run`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && o.watch == "" {
				return errors.New("no checkpoints: give files or folders (or --watch DIR)")
			}
			if len(args) > 0 && o.watch != "" {
				return errors.New("--watch takes its folder and no other files")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runImport(cmd.Context(), cmd, o, args) },
	}
	f := c.Flags()
	f.StringVar(&o.out, "out", "", "folder of the trajectory")
	o.foreignOptions.flags(f)
	f.StringVar(&o.name, "name", "", "name of the run (default: that of the folder)")
	f.StringVar(&o.model, "model", "", "its network, for sweeps: resnet20, … or a TorchScript file (sweep --model says it too)")
	f.StringVar(&o.data, "data", "", "its data set, for sweeps (sweep --data says it too)")
	f.Func("seed", "its seed (default: not known)", func(text string) error {
		v, err := strconv.ParseInt(text, 10, 64)
		o.seed = &v
		return err
	})
	f.IntVar(&o.batchSize, "batch-size", 0, "its batch size: the default for recomputing batch-norm statistics")
	f.StringSliceVar(&o.devices, "devices", nil, "what it was trained on, as in cuda:0,cuda:1: GPU hours are hours × devices")
	f.BoolVar(&o.link, "link", false, "refer to the files in place instead of copying the weights")
	f.BoolVar(&o.dryRun, "dry-run", false, "only show what was understood")
	f.BoolVar(&o.asJSON, "json", false, "with --dry-run: print JSON, with null for what is not known")
	f.StringVar(&o.watch, "watch", "", "folder in which checkpoints appear")
	f.DurationVar(&o.interval, "interval", 2*time.Second, "with --watch: time between looks; a file is whole when it did not change from one to the next")
	f.IntVar(&o.count, "count", 0, "with --watch: end when the trajectory has so many checkpoints")
	f.DurationVar(&o.idle, "idle", 0, "with --watch: end when nothing came for so long, as in 1h")
	return c
}

func runImport(ctx context.Context, cmd *cobra.Command, o importOptions, args []string) error {
	if o.out == "" && !o.dryRun {
		return wrong(cmd, errors.New("--out is missing: the folder of the trajectory"))
	}
	if o.interval < time.Millisecond || o.count < 0 || o.batchSize < 0 {
		return wrong(cmd, errors.New("--interval, --count and --batch-size take numbers above 0"))
	}
	if o.asJSON && !o.dryRun {
		return wrong(cmd, errors.New("--json is of --dry-run"))
	}
	if err := o.check(); err != nil {
		return wrong(cmd, err)
	}
	if o.watch != "" {
		return watch(ctx, o)
	}
	u, err := importer.Understand(args, o.Options)
	if err != nil {
		return err
	}
	if o.asJSON {
		return printJSON(cmd.OutOrStdout(), understoodJSON(u))
	}
	showUnderstood(u, o.dryRun)
	if o.dryRun {
		return nil
	}
	r, err := o.recorder(u)
	if err != nil {
		return err
	}
	defer r.Close()
	defer r.Discard() // if nothing came of it
	verb := map[bool]string{false: "copied", true: "linked"}[o.link]
	bar := newProgress(ctx, "import", len(u.Checkpoints))
	defer bar.close()
	if o.link && len(r.Checkpoints) == 0 {
		if err := u.Seal(ctx, func(done, _ int) { bar.set(done) }); err != nil {
			return err
		}
	}
	had := len(r.Checkpoints)
	var layout []checkpoint.Tensor
	left := 0
	for i, f := range u.Checkpoints {
		took, err := importer.Add(ctx, r, u, f, &layout, o.link)
		if err != nil {
			bar.close()
			if errors.Is(err, context.Canceled) {
				say("interrupted: %d of %d checkpoints are in %s; the same command goes on with the rest", len(r.Checkpoints), len(u.Checkpoints), o.out)
			}
			return err
		}
		if !took {
			left++
		}
		bar.set(i + 1)
	}
	bar.close()
	more := ""
	if left > 0 {
		more = fmt.Sprintf(" (%d there already, or older than the last one there)", left)
	}
	say("%s: %s %s%s", o.out, english.Plural(len(r.Checkpoints)-had, "checkpoint", ""), verb, more)
	return nil
}

// recorder opens the trajectory to add to, or creates it.
func (o importOptions) recorder(u *importer.Understood) (*trajectory.Recorder, error) {
	if trajectory.Exists(o.out) {
		return trajectory.Append(o.out, formats.Files{})
	}
	name := o.name
	if name == "" {
		abs, err := filepath.Abs(o.out)
		if err != nil {
			return nil, err
		}
		name = filepath.Base(abs)
	}
	return trajectory.Create(o.out, formats.Files{}, u.Meta(trajectory.Meta{Run: name, Model: located(o.model, "torchscript:"), Data: located(o.data, "tensors:"), Seed: o.seed, BatchSize: o.batchSize, Devices: o.devices, Software: "lawa-replay " + Version + " (import)"}))
}

// located makes the path of a file that is there absolute, wherever the trajectory is then used from. Other texts
// stay as they are.
func located(text, prefix string) string {
	path := strings.TrimPrefix(text, prefix)
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		if abs, err := filepath.Abs(path); err == nil {
			return text[:len(text)-len(path)] + abs
		}
	}
	return text
}

func watch(ctx context.Context, o importOptions) error {
	if info, err := os.Stat(o.watch); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("--watch %s: not a folder", o.watch)
	}
	taken := 0
	w := &importer.Watcher{Dir: o.watch, Options: o.Options, Link: o.link, Interval: o.interval, Count: o.count, Idle: o.idle, Open: o.recorder,
		Took: func(f importer.Found) {
			taken++
			say("epoch %s: %s, %s", trajectory.EpochName(f.Epoch), filepath.Base(f.Source), humanize.IBytes(uint64(f.Weights)))
		},
		Note: sayNote}
	say("watching %s; Ctrl-C ends it", o.watch)
	err := w.Run(ctx)
	if err == nil || errors.Is(err, context.Canceled) {
		say("%s: %s taken", o.out, english.Plural(taken, "checkpoint", ""))
	}
	return err
}

// understoodJSON is what the checkpoints were taken for, for programs.
func understoodJSON(u *importer.Understood) any {
	type one struct {
		Epoch   float64  `json:"epoch"`
		Step    *int64   `json:"step"`
		Names   string   `json:"name_says"`
		Inside  string   `json:"inside"`
		Tensors int      `json:"tensors"`
		Weights int64    `json:"weights_bytes"`
		Bytes   int64    `json:"file_bytes"`
		Format  string   `json:"format"`
		Key     string   `json:"key"`
		LR      *float64 `json:"lr"`
		Seconds *float64 `json:"seconds"`
		Tokens  *float64 `json:"tokens"`
		Source  string   `json:"source"`
	}
	out := struct {
		Checkpoints []one           `json:"checkpoints"`
		Notes       []importer.Note `json:"notes"`
	}{[]one{}, append([]importer.Note{}, u.Notes...)}
	for _, f := range u.Checkpoints {
		c := one{f.Epoch, &f.Step, f.Names, f.Inside, f.Tensors, f.Weights, f.Bytes, f.Format, "", f.LR, f.Seconds, f.Tokens, f.Source}
		if u.StepsUnknown {
			c.Step = nil
		}
		if f.Link != nil {
			c.Key = f.Link.Key
		}
		out.Checkpoints = append(out.Checkpoints, c)
	}
	return out
}

// showUnderstood says what the checkpoints were taken for.
func showUnderstood(u *importer.Understood, all bool) {
	w := newTableOf(text.AlignLeft, "epoch", "step", "its name says", "inside", "tensors", "weights", "of", "file")
	n := len(u.Checkpoints)
	for i, f := range u.Checkpoints {
		if !all && n > 12 && i >= 6 && i < n-3 {
			if i == 6 {
				w.AppendRow(table.Row{"…", "", "", "", "", "", "", fmt.Sprintf("%d more", n-9)})
			}
			continue
		}
		step := fmt.Sprint(f.Step)
		if u.StepsUnknown {
			step = "–"
		}
		w.AppendRow(table.Row{trajectory.EpochName(f.Epoch), step, f.Names, f.Inside, f.Tensors, humanize.IBytes(uint64(f.Weights)), humanize.IBytes(uint64(f.Bytes)), relative("", f.Source)})
	}
	fmt.Fprintln(plain{os.Stderr}, w.Render())
	if n > 0 {
		say("%s", formatOf(u.Checkpoints[0]))
	}
	for _, note := range u.Notes {
		sayNote(note)
	}
}

// formatOf says what a checkpoint is, and where in it the weights stand.
func formatOf(f importer.Found) string {
	if f.Link.Key != "" {
		return f.Format + ", state dict under " + f.Link.Key
	}
	return f.Format
}

// relative is a path as people see it from here, if that is shorter.
func relative(from, path string) string {
	from, err := filepath.Abs(from)
	if err == nil {
		if rel, err := filepath.Rel(from, path); err == nil && len(rel) < len(path) {
			return rel
		}
	}
	return path
}
