// Package importer makes trajectories of the checkpoints that people already have.
//
// It believes that a wrong epoch number is worse than none: what the names and the files say is shown before
// anything is written, files that say two things are pointed out, and what cannot be told is asked for. Order
// is by number, never by text or by the time of a file.
package importer

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Options of an import.
type Options struct {
	checkpoint.Options
	Files         trajectory.Files // opens the checkpoints; nil is formats.Files
	Pattern       string           // of the names, with {epoch} or {step} in it; "" understands the usual ones
	Numbers       string           // "name", "inside", or "" for whichever is there, names first
	StepsPerEpoch int64            // 0: as far as the checkpoints tell
	EpochOffset   *float64         // added to the epochs found; nil: 1 for Lightning's, which count from 0, else 0
	Log           string           // a CSV or JSON-lines file of what was logged; ""
	LogOffset     *float64         // added to the log's epochs, or steps; nil: as the log tells

	watching bool // checkpoints come one by one: a number is one although there is none to compare it with
}

// Found is a checkpoint, understood.
type Found struct {
	trajectory.Checkpoint
	Names   string // what its name was understood to say
	Inside  string // what the file says
	Tensors int
	Weights int64 // bytes
	Format  string

	c     checkpoint.Checkpoint
	label string
}

// Understood is a set of checkpoints in the order of training.
type Understood struct {
	noting
	Checkpoints   []Found
	StepsPerEpoch int64 // 0 where not known
	StepsUnknown  bool
	Tied, Shards  map[string]string
	files         trajectory.Files
	counted       bool    // the epochs only count the checkpoints
	offset        float64 // what was added to the epochs found
}

// Understand opens the checkpoints that paths name (files, folders that are one, folders of them), orders them
// and gives them epochs and steps. Nothing is written, and no weights are read, but of those that may be copies.
func Understand(paths []string, o Options) (*Understood, error) {
	s, err := find(paths)
	if err != nil {
		return nil, err
	}
	u, err := understand(s.items, func(item) bool { return true }, o)
	if err != nil {
		return nil, err
	}
	u.Notes = append(s.Notes, u.Notes...)
	return u, nil
}

// sort orders the checkpoints, and says which do not follow one another.
func (u *Understood) sort() error {
	slices.SortStableFunc(u.Checkpoints, func(a, b Found) int {
		return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Step, b.Step))
	})
	if u.StepsUnknown {
		for i := range u.Checkpoints {
			u.Checkpoints[i].Step = int64(i + 1)
		}
	}
	for i := range u.Checkpoints {
		f := &u.Checkpoints[i]
		f.Index = i + 1
		if i == 0 {
			continue
		}
		if before := u.Checkpoints[i-1]; before.Epoch == f.Epoch || before.Step >= f.Step {
			return hint.With(whatCounts(fmt.Errorf("%s and %s are both of epoch %s, or their steps (%d, %d) do not rise",
				before.label, f.label, trajectory.EpochName(f.Epoch), before.Step, f.Step)), "steps-per-epoch", "makes epochs of steps")
		}
	}
	return nil
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
	var opened []checkpoint.Checkpoint
	for _, f := range u.Checkpoints {
		list, opened = append(list, f.Checkpoint), append(opened, f.c)
	}
	return trajectory.Linked(dir, u.files, u.Meta(m), list, opened)
}

// Copy writes a checkpoint's weights into the trajectory and records it, with what lies beside it in trajectory.SourceDir.
func Copy(ctx context.Context, r *trajectory.Recorder, f Found) error {
	if err := safetensors.Holds(f.c.Tensors()); err != nil {
		return hint.With(fmt.Errorf("%s: copying it: %w", f.Source, err), "link", "leaves it where it is")
	}
	line := f.Checkpoint
	line.Link = nil
	line, err := r.WriteFrom(line, func(w io.Writer) error {
		return f.c.Stream(func(_ *checkpoint.Tensor, data []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			_, err := w.Write(data)
			return err
		})
	})
	if err == nil {
		err = keepSides(r, f.Source)
	}
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
		one := &Understood{Checkpoints: []Found{f}, files: formats.Files{}}
		one.Checkpoints[0].Index = 1
		if err := one.Seal(ctx, nil); err != nil {
			return err
		}
		line.SHA256, line.XXH3 = one.Checkpoints[0].SHA256, one.Checkpoints[0].XXH3
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
		u.Checkpoints[i].SHA256, u.Checkpoints[i].XXH3 = t.Checkpoints[i].SHA256, t.Checkpoints[i].XXH3
	}
	return err
}
