package importer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Watcher takes checkpoints into a trajectory as a training run leaves them in a folder.
type Watcher struct {
	Dir      string
	Options  Options
	Link     bool
	Interval time.Duration // between looks; a file is taken when it has not changed from one to the next
	Count    int           // stop when the trajectory has so many; 0 goes on
	Idle     time.Duration // stop when nothing came for so long; 0 goes on
	Open     func(*Understood) (*trajectory.Recorder, error)
	Took     func(Found)
	Note     func(hint.Note)

	recorder *trajectory.Recorder
	layout   []checkpoint.Tensor
	seen     map[string]state // by path
	noted    map[string]bool
}

// state is what a file looked like.
type state struct {
	size    int64
	changed time.Time
	looks   int // for which it has looked so
	done    bool
}

// patience is after how many looks an unreadable file is spoken of.
const patience = 5

// Run watches until it has what it waits for, or ctx ends, which is its error then.
func (w *Watcher) Run(ctx context.Context) error {
	w.seen, w.noted = map[string]state{}, map[string]bool{}
	defer func() {
		if w.recorder != nil {
			w.recorder.Close()
		}
	}()
	last := time.Now()
	for {
		took, err := w.look(ctx)
		if err != nil {
			return err
		}
		if took {
			last = time.Now()
		}
		if w.Count > 0 && w.recorder != nil && len(w.recorder.Checkpoints) >= w.Count || w.Idle > 0 && time.Since(last) > w.Idle {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(w.Interval):
		}
	}
}

// look takes what is new and has not changed since the last look. What names say follows from all that are there.
func (w *Watcher) look(ctx context.Context) (bool, error) {
	found, err := find([]string{w.Dir})
	if errors.Is(err, ErrNoCheckpoints) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	o := w.Options
	o.watching = true
	var ready []string
	for _, it := range found.items {
		was, known := w.seen[it.path]
		if was.done {
			continue
		}
		now := look(it.path)
		if known && now.size == was.size && now.changed.Equal(was.changed) {
			now.looks = was.looks + 1
			ready = append(ready, it.path)
		}
		w.seen[it.path] = now
	}
	if len(ready) == 0 {
		return false, nil
	}
	// Together where all can be read; but one that cannot must not keep back the others.
	if u, err := understand(found.items, func(it item) bool { return slices.Contains(ready, it.path) }, o); err == nil {
		return w.takeAll(ctx, u, ready)
	}
	took := false
	for _, path := range ready {
		u, err := understand(found.items, func(it item) bool { return it.path == path }, o)
		if err != nil {
			if w.seen[path].looks >= patience {
				w.note(hint.Note{Text: fmt.Sprintf("waiting for a checkpoint that can be read: %v", err), Hints: hint.All(err)})
			}
			continue
		}
		took = true
		if _, err := w.takeAll(ctx, u, []string{path}); err != nil {
			return true, err
		}
	}
	return took, nil
}

// takeAll records what was understood of files, and is done with them, those without a number too.
func (w *Watcher) takeAll(ctx context.Context, u *Understood, files []string) (bool, error) {
	for _, path := range files {
		w.done(path)
	}
	for _, f := range u.Checkpoints {
		if err := w.take(ctx, u, f); err != nil {
			return true, err
		}
	}
	return len(u.Checkpoints) > 0, nil
}

func (w *Watcher) done(path string) {
	s := w.seen[path]
	s.done = true
	w.seen[path] = s
}

// note tells a note, once.
func (w *Watcher) note(n hint.Note) {
	if !w.noted[n.Text] {
		w.noted[n.Text] = true
		w.Note(n)
	}
}

// take records one checkpoint, unless the trajectory has it, or has later ones.
func (w *Watcher) take(ctx context.Context, u *Understood, f Found) error {
	if w.recorder == nil {
		var err error
		if w.recorder, err = w.Open(u); err != nil {
			return err
		}
	}
	for _, n := range u.Notes {
		w.note(n)
	}
	r := w.recorder
	took, err := Add(ctx, r, u, f, &w.layout, w.Link)
	if err != nil || !took {
		if err == nil && !recorded(r.Trajectory, f) {
			w.note(hint.Note{Text: fmt.Sprintf("%s is left out: it is of epoch %s, and the trajectory has later ones", filepath.Base(f.Source), trajectory.EpochName(f.Epoch))})
		}
		return err
	}
	w.Took(f)
	return nil
}

// recorded says whether the trajectory has the checkpoint.
func recorded(t *trajectory.Trajectory, f Found) bool {
	return slices.ContainsFunc(t.Checkpoints, func(c trajectory.Checkpoint) bool { return c.Source == f.Source })
}

// Add records a checkpoint after those that are there, copied or linked. It says false where the trajectory
// has it already, or one of a later epoch. layout is that of the trajectory's tensors, nil at first.
func Add(ctx context.Context, r *trajectory.Recorder, u *Understood, f Found, layout *[]checkpoint.Tensor, link bool) (bool, error) {
	if recorded(r.Trajectory, f) {
		return false, nil
	}
	if n := len(r.Checkpoints); n > 0 {
		last := r.Checkpoints[n-1]
		if u.counted {
			f.Epoch = last.Epoch + 1
		}
		if r.Meta.StepsUnknown {
			f.Step = last.Step + 1
		}
		if f.Epoch <= last.Epoch || f.Step <= last.Step {
			return false, nil
		}
	}
	if *layout == nil {
		*layout = f.c.Tensors()
		if len(r.Checkpoints) > 0 {
			var err error
			if *layout, err = r.Tensors(0); err != nil {
				return false, err
			}
		}
	}
	if err := checkpoint.SameTensors(*layout, f.c.Tensors()); err != nil {
		return false, fmt.Errorf("%s: %w", f.Source, err)
	}
	if err := checkpoint.Averageable(f.c.Tensors()); err != nil {
		return false, fmt.Errorf("%s: %w", f.Source, err)
	}
	if link {
		return true, Link(ctx, r, f)
	}
	return true, Copy(ctx, r, f)
}

// look sums up what a file, or the files of a folder, look like.
func look(path string) state {
	info, err := os.Stat(path)
	if err != nil {
		return state{}
	}
	if !info.IsDir() {
		return state{size: info.Size(), changed: info.ModTime()}
	}
	s := state{changed: info.ModTime()}
	entries, err := os.ReadDir(path)
	if err != nil {
		return state{}
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			s.size += info.Size()
			if info.ModTime().After(s.changed) {
				s.changed = info.ModTime()
			}
		}
	}
	return s
}
