// Package importer makes trajectories of the checkpoints that people already have.
//
// It believes that a wrong epoch number is worse than none: what the names and the files say is shown before
// anything is written, files that say two things are pointed out, and what cannot be told is asked for. Order
// is by number, never by text or by the time of a file.
package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
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
	Checkpoints   []Found
	StepsPerEpoch int64 // 0 where not known
	StepsUnknown  bool
	Tied, Shards  map[string]string
	Notes         []string // what to tell people
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
	u, err := understand(s.items, nil, o)
	if err != nil {
		return nil, err
	}
	u.Notes = append(s.notes, u.Notes...)
	return u, nil
}

// opened is a checkpoint with what its name says.
type opened struct {
	item
	name name
	c    checkpoint.Checkpoint
	of   *series // nil under --pattern
}

// understand takes those of the items that are ready, nil for all; what the names say follows from all of them.
func understand(items []item, ready func(item) bool, o Options) (*Understood, error) {
	if o.Files == nil {
		o.Files = formats.Files{}
	}
	u, open := &Understood{files: o.Files}, o.opener()
	inFolder := map[string]int{}
	for _, it := range items {
		inFolder[filepath.Dir(it.path)]++
	}
	var left []leftOut
	names, series, err := o.names(items)
	var clash *seriesError
	if errors.As(err, &clash) {
		if items, left, err = withoutCopies(items, clash, open); err == nil {
			names, series, err = o.names(items)
		}
	}
	if err != nil {
		return nil, err
	}
	if ready != nil {
		left = slices.DeleteFunc(left, func(l leftOut) bool { return !ready(l.item) })
	}
	var all []opened
	for i, it := range items {
		if ready != nil && !ready(it) {
			continue
		}
		if names[i].skip != "" {
			left = append(left, leftOut{item: it, name: names[i], why: names[i].skip})
			continue
		}
		c, err := open.open(it.path)
		if err != nil {
			return nil, err
		}
		all = append(all, opened{item: it, name: names[i], c: c, of: series[i]})
	}
	if len(all) == 0 {
		if len(left) > 0 && ready != nil { // nothing new
			u.report(left, nil)
			return u, nil
		}
		return nil, fmt.Errorf("none of the %d checkpoints has a number in its name that --pattern names", len(items))
	}
	if err := open.untie(all); err != nil {
		return nil, err
	}
	for _, a := range all {
		sidecars(a.c.About(), inFolder[filepath.Dir(a.path)] == 1)
	}
	compare := &comparer{}
	for i := range left {
		if left[i].copy == "" {
			left[i].look(all, open, compare)
		}
		if left[i].named {
			why := left[i].why
			if left[i].copy != "" {
				why = "it holds the weights of " + left[i].copy + " once more"
			}
			return nil, fmt.Errorf("%s was named with the others, but %s: name those that are of the series, or give --pattern", left[i].label, why)
		}
	}
	all, left = o.distinct(all, left, compare)
	u.report(left, all)
	numbers, err := o.number(all, u)
	if err != nil {
		return nil, err
	}
	first := all[0].c
	notes := map[string]int{}
	for i, a := range all {
		if err := sameKind(first, a.c); err != nil {
			return nil, fmt.Errorf("%s: %w: %d of %d differ so from %s: name those that are alike, or leave tensors out with --skip", a.path, err, unlike(all), len(all), all[0].base())
		}
		if averaged(a.c) != averaged(first) {
			return nil, fmt.Errorf("%s holds %s, %s %s: --key says which of their state dicts to take", a.base(), kind(a.c), all[0].base(), kind(first))
		}
		abs, err := filepath.Abs(a.path)
		if err != nil {
			return nil, err
		}
		f := Found{Names: a.name.String(), Inside: inside(a.c.About().Info), Tensors: len(a.c.Tensors()), Weights: checkpoint.Size(a.c), Format: a.c.About().Format, c: a.c, label: a.base()}
		f.Checkpoint = trajectory.Checkpoint{Epoch: numbers[i].epoch, Step: numbers[i].step, Bytes: a.c.About().FileBytes, Source: abs,
			Link: trajectory.NewLink(abs, a.c, open.o), Metrics: map[string]trajectory.Number{}}
		u.Checkpoints = append(u.Checkpoints, f)
		for _, n := range a.c.About().Notes {
			notes[n]++
		}
	}
	for _, n := range slices.Sorted(maps.Keys(notes)) {
		u.note("%s", n)
	}
	u.Tied, u.Shards = first.Tied(), first.About().Shards
	u.beside(all)
	if err := u.sort(); err != nil {
		return nil, err
	}
	if o.Log != "" {
		if err := u.readLog(o); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// averaged says whether a checkpoint's weights are known to be an average.
func averaged(c checkpoint.Checkpoint) bool {
	return c.About().Weights == checkpoint.EMA || c.About().Weights == checkpoint.Average
}

// kind says which weights they are, and by what that is known.
func kind(c checkpoint.Checkpoint) string {
	switch c.About().Weights {
	case "":
		return "weights"
	case checkpoint.EMA:
		return fmt.Sprintf("an EMA of the weights (%s)", c.About().WeightsWhy)
	case checkpoint.Average:
		return fmt.Sprintf("an average of the weights (%s)", c.About().WeightsWhy)
	}
	return fmt.Sprintf("the raw weights (%s)", c.About().WeightsWhy)
}

// sameKind says whether two checkpoints hold the same tensors, tied alike.
func sameKind(first, c checkpoint.Checkpoint) error {
	if err := checkpoint.SameTensors(first.Tensors(), c.Tensors()); err != nil {
		return err
	}
	if !maps.Equal(first.Tied(), c.Tied()) {
		return fmt.Errorf("its tied tensors are others than those of %s", first.About().Path)
	}
	return nil
}

// unlike counts the checkpoints that hold other tensors than the first.
func unlike(all []opened) int {
	n := 0
	for _, a := range all {
		if sameKind(all[0].c, a.c) != nil {
			n++
		}
	}
	return n
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
			return fmt.Errorf("%s and %s are both of epoch %s, or their steps (%d, %d) do not rise: --pattern says what in their names counts, --steps-per-epoch makes epochs of steps",
				before.label, f.label, trajectory.EpochName(f.Epoch), before.Step, f.Step)
		}
	}
	return nil
}

func (u *Understood) note(format string, args ...any) {
	u.Notes = append(u.Notes, fmt.Sprintf(format, args...))
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

// Copy writes a checkpoint's weights into the trajectory and records it.
func Copy(ctx context.Context, r *trajectory.Recorder, f Found) error {
	if err := safetensors.Holds(f.c.Tensors()); err != nil {
		return fmt.Errorf("%s: copying it: %w (--link leaves it where it is)", f.Source, err)
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
