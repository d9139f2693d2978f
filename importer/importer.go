// Package importer makes trajectories of the checkpoints that people already have.
//
// It believes that a wrong epoch number is worse than none: what the names and the files say is shown before
// anything is written, files that say two things are pointed out, and what cannot be told is asked for. Order
// is by number, never by text or by the time of a file.
package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"lawa-replay/trajectory"
	"lawa-replay/trajectory/foreign"
	"lawa-replay/trajectory/safetensors"
)

// Options of an import.
type Options struct {
	foreign.Options
	Pattern       string   // of the names, with {epoch} or {step} in it; "" understands the usual ones
	Numbers       string   // "name", "inside", or "" for whichever is there, names first
	StepsPerEpoch int64    // 0: as far as the checkpoints tell
	EpochOffset   *float64 // added to the epochs found; nil: 1 for Lightning's, which count from 0, else 0
	Log           string   // a CSV or JSON-lines file of what was logged; ""
}

// Found is a checkpoint, understood.
type Found struct {
	trajectory.Checkpoint
	Names   string // what its name was understood to say
	Inside  string // what the file says
	Tensors int
	Weights int64 // bytes
	Format  string
	layout  []safetensors.Tensor
}

// Understood is a set of checkpoints in the order of training.
type Understood struct {
	Checkpoints   []Found
	StepsPerEpoch int64 // 0 where not known
	StepsUnknown  bool
	Tied, Shards  map[string]string
	Notes         []string // what to tell people
	counted       bool     // the epochs only count the checkpoints
}

// Understand opens the checkpoints that paths name (files, folders that are one, folders of them), orders them
// and gives them epochs and steps. Nothing is written, and no weights are read.
func Understand(paths []string, o Options) (*Understood, error) {
	files, err := find(paths)
	if err != nil {
		return nil, err
	}
	return understand(files, o)
}

func understand(files []string, o Options) (*Understood, error) {
	u := &Understood{}
	names, err := o.names(files)
	if err != nil {
		return nil, err
	}
	var all []opened
	var left []string
	for i, path := range files {
		if names[i].skip {
			left = append(left, filepath.Base(path))
			continue
		}
		c, err := foreign.Open(path, o.Options)
		if err != nil {
			return nil, err
		}
		c.Close()
		all = append(all, opened{path, names[i], c})
	}
	if n := len(left); n > 0 {
		text := strings.Join(left[:min(n, 4)], ", ")
		if n > 4 {
			text += fmt.Sprintf(" and %d more", n-4)
		}
		u.note("left out, for their names have no number where others have one: %s", text)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("none of the %d checkpoints has a number in its name that --pattern names", len(files))
	}
	numbers, err := o.number(all, u)
	if err != nil {
		return nil, err
	}
	first := all[0].c
	for i, a := range all {
		if err := trajectory.SameTensors(first.Layout(), a.c.Layout()); err != nil {
			return nil, fmt.Errorf("%s: %w", a.path, err)
		}
		if !maps.Equal(first.Tied, a.c.Tied) {
			return nil, fmt.Errorf("%s: its tied tensors are others than those of %s", a.path, first.Path)
		}
		abs, err := filepath.Abs(a.path)
		if err != nil {
			return nil, err
		}
		f := Found{Names: a.name.String(), Inside: inside(a.c.Info), Tensors: len(a.c.Tensors), Weights: a.c.Bytes(), Format: a.c.Format, layout: a.c.Layout()}
		f.Checkpoint = trajectory.Checkpoint{Epoch: numbers[i].epoch, Step: numbers[i].step, Bytes: a.c.FileBytes(), Source: abs,
			Link: &trajectory.Link{Path: abs, Key: a.c.Key, Strict: o.Strict}, Metrics: map[string]trajectory.Number{}}
		for k, v := range a.c.Info.Numbers {
			f.logged(k, v)
		}
		u.Checkpoints = append(u.Checkpoints, f)
	}
	u.Tied, u.Shards = first.Tied, first.Shards
	slices.SortStableFunc(u.Checkpoints, func(a, b Found) int {
		if a.Epoch != b.Epoch {
			return int(math.Copysign(1, a.Epoch-b.Epoch))
		}
		return int(a.Step - b.Step)
	})
	if u.StepsUnknown {
		for i := range u.Checkpoints {
			u.Checkpoints[i].Step = int64(i + 1)
		}
	}
	for i := range u.Checkpoints {
		f := &u.Checkpoints[i]
		f.Index = i + 1
		if i > 0 {
			if before := u.Checkpoints[i-1]; before.Epoch == f.Epoch || before.Step >= f.Step {
				return nil, fmt.Errorf("%s and %s are both of epoch %s, or their steps (%d, %d) do not rise: --pattern says what in their names counts, --steps-per-epoch makes epochs of steps",
					filepath.Base(before.Source), filepath.Base(f.Source), trajectory.EpochName(f.Epoch), before.Step, f.Step)
			}
		}
	}
	if o.Log != "" {
		if err := u.readLog(o.Log); err != nil {
			return nil, err
		}
	}
	return u, nil
}

func (u *Understood) note(format string, args ...any) {
	u.Notes = append(u.Notes, fmt.Sprintf(format, args...))
}

// opened is a checkpoint with what its name says.
type opened struct {
	path string
	name name
	c    *foreign.Checkpoint
}

// Meta completes what is known of the run.
func (u *Understood) Meta(m trajectory.Meta) trajectory.Meta {
	m.StepsPerEpoch, m.StepsUnknown, m.Tied, m.Shards = u.StepsPerEpoch, u.StepsUnknown, u.Tied, u.Shards
	return m
}

// Trajectory is the checkpoints as they lie, without writing anything. Their digests are not known yet
// (trajectory.Seal).
func (u *Understood) Trajectory(dir string, m trajectory.Meta) (*trajectory.Trajectory, error) {
	var list []trajectory.Checkpoint
	for _, f := range u.Checkpoints {
		list = append(list, f.Checkpoint)
	}
	return trajectory.Linked(dir, u.Meta(m), list)
}

// Copy writes a checkpoint's weights into the trajectory and records it.
func Copy(ctx context.Context, r *trajectory.Recorder, f Found) error {
	c, err := f.Link.Open()
	if err != nil {
		return err
	}
	defer c.Close()
	line := f.Checkpoint
	line.Link = nil
	line, err = r.WriteFrom(line, func(w io.Writer) error {
		return c.Stream(func(_ *foreign.Tensor, data []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			_, err := w.Write(data)
			return err
		})
	})
	if err != nil {
		return err
	}
	return r.Commit(line)
}

// Link records a checkpoint where it lies, with its digest: its weights are read once (here, or by Seal), and not
// copied.
func Link(ctx context.Context, r *trajectory.Recorder, f Found) error {
	line := f.Checkpoint
	line.Index = len(r.Checkpoints) + 1
	if line.SHA256 == "" {
		one := &Understood{Checkpoints: []Found{f}}
		one.Checkpoints[0].Index = 1
		if err := one.Seal(ctx, nil); err != nil {
			return err
		}
		line.SHA256 = one.Checkpoints[0].SHA256
	}
	return r.Commit(line)
}

// Seal gives the checkpoints their digests, reading several at a time. progress, if it is not nil, is told how many
// are done.
func (u *Understood) Seal(ctx context.Context, progress func(done, total int)) error {
	t, err := u.Trajectory("", trajectory.Meta{})
	if err != nil {
		return err
	}
	var all []int
	for i := range u.Checkpoints {
		all = append(all, i)
	}
	err = t.Seal(ctx, all, true, progress)
	for i := range u.Checkpoints {
		u.Checkpoints[i].SHA256 = t.Checkpoints[i].SHA256
	}
	return err
}

// logged puts a number beside the weights, or of a log, where it belongs: the learning rate, the seconds, or a
// metric by its split.
func (f *Found) logged(key string, v float64) {
	name, known := metricName(key)
	switch {
	case !known:
	case name == "lr":
		f.LR = &v
	case name == "seconds":
		f.Seconds = &v
	default:
		f.Metrics[name] = trajectory.Number(v)
	}
}

// ErrNoCheckpoints says that a folder holds none.
var ErrNoCheckpoints = errors.New("no checkpoints")

// splits are the words by which logs name them.
var splits = map[string]string{"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "eval": "val", "dev": "val", "test": "test"}

// metricName is the name that a trajectory gives a column or key, if it is one that is kept: lr, seconds, or
// split/metric.
func metricName(key string) (string, bool) {
	key = strings.ToLower(strings.TrimSpace(key))
	switch key {
	case "lr", "learning_rate", "learning rate":
		return "lr", true
	case "seconds", "time", "elapsed", "wall_time", "train_runtime":
		return "seconds", true
	case "loss":
		return "train/loss", true
	case "acc", "accuracy", "top1", "acc1":
		return "val/top1", true
	}
	split, rest, ok := strings.Cut(key, "/")
	if !ok {
		split, rest, ok = strings.Cut(key, "_")
	}
	if s, known := splits[split]; ok && known && rest != "" {
		switch rest {
		case "acc", "accuracy", "acc1", "top-1":
			rest = "top1"
		}
		return s + "/" + rest, true
	}
	return "", false
}
