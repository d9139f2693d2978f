package trajectory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// ErrLocked is the error, wrapped, of a trajectory that another process writes.
var ErrLocked = atomicfile.ErrLocked

// Recorder appends checkpoints to a trajectory. One process at a time may hold one.
type Recorder struct {
	*Trajectory
	unlock func()
}

// Create starts a trajectory in dir, which must be empty or not exist yet. While another process writes there the error is
// ErrLocked.
func Create(dir string, files Files, meta Meta) (*Recorder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := atomicfile.MkdirBelow(dir, weightsDir); err != nil {
		return nil, err
	}
	unlock, err := atomicfile.Lock(dir)
	if err != nil {
		return nil, err
	}
	if err := vacant(dir); err != nil {
		unlock()
		return nil, err
	}
	meta.Format, meta.Nulls = Format, true
	text, err := json.MarshalIndent(meta, "", "  ")
	if err == nil {
		err = atomicfile.WriteBytes(filepath.Join(dir, metaFile), append(text, '\n'))
	}
	if err != nil {
		unlock()
		return nil, err
	}
	return &Recorder{newTrajectory(dir, files, meta), unlock}, nil
}

// vacant says whether a folder holds nothing of another run.
func vacant(dir string) error {
	lines := fmt.Errorf("%s holds the %s of another run, whose %s is gone: choose another folder", dir, linesFile, metaFile)
	run := hint.With(fmt.Errorf("%s already holds a run", dir), "resume", "goes on with it; or choose another folder")
	for _, there := range []struct {
		file string
		err  error
	}{{metaFile, run}, {linesFile, lines}} {
		if _, err := os.Lstat(filepath.Join(dir, there.file)); err == nil {
			return there.err
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Append opens the trajectory in dir to go on with it. A torn last line is cut off, and temporary files
// that a kill left behind are removed. While another process writes it the error is ErrLocked.
func Append(dir string, files Files) (*Recorder, error) {
	if !Exists(dir) { // Lock would leave a file there
		_, err := Open(dir, files)
		return nil, err
	}
	unlock, err := atomicfile.Lock(dir)
	if err != nil {
		return nil, err
	}
	t, err := Open(dir, files)
	if err == nil && len(t.Warnings) > 0 {
		err = t.rewriteLines()
	}
	if err == nil {
		err = atomicfile.RemoveLeftovers(dir, weightsDir, stateDir)
	}
	if err != nil {
		unlock()
		return nil, err
	}
	return &Recorder{t, unlock}, nil
}

func (t *Trajectory) rewriteLines() error {
	return atomicfile.Write(filepath.Join(t.Dir, linesFile), func(w io.Writer) error {
		for _, c := range t.Checkpoints {
			line, err := json.Marshal(c)
			if err != nil {
				return err
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return err
			}
		}
		return nil
	})
}

// Discard removes a trajectory that has no checkpoints, and its folder if nothing else is in it.
func (r *Recorder) Discard() {
	if len(r.Checkpoints) > 0 {
		return
	}
	first := filepath.Join(weightsDir, fileName(1)) // whose line was not written
	for _, name := range []string{metaFile, first, weightsDir, atomicfile.LockName} {
		_ = atomicfile.RemoveBelow(r.Dir, name) // a folder only if it is empty
	}
	_ = syscall.Rmdir(r.Dir)
}

// Close lets another process record.
func (r *Recorder) Close() { r.unlock() }

// Write stores the weights of the next checkpoint, which does not exist until Commit. It returns c with
// Index, File, Bytes and digests filled in. data is the data section for the arranged tensors.
func (r *Recorder) Write(c Checkpoint, tensors []checkpoint.Tensor, data []byte) (Checkpoint, error) {
	return r.WriteFrom(c, func(w io.Writer) error {
		return r.files.Write(w, tensors, checkpoint.Metadata(), data)
	})
}

// WriteFrom is Write for weights that write gives as a whole safetensors file.
func (r *Recorder) WriteFrom(c Checkpoint, write func(io.Writer) error) (Checkpoint, error) {
	c.Index = len(r.Checkpoints) + 1
	c.File = filepath.Join(weightsDir, fileName(c.Index))
	d := newDigest(true)
	err := r.write(c.File, func(w io.Writer) error { return write(io.MultiWriter(w, d)) })
	c.Bytes, c.SHA256, c.XXH3 = d.n, d.SHA256(), d.XXH3()
	return c, err
}

// write writes a file below the trajectory's folder.
func (r *Recorder) write(name string, f func(io.Writer) error) error {
	return atomicfile.WriteBelow(r.Dir, name, f, func() error { return nil })
}

// fileName is what the file of a checkpoint, or of the trainer's state at it, is called.
func fileName(index int) string { return fmt.Sprintf("%06d.safetensors", index) }

// Commit appends the line of a checkpoint whose weights Write stored: from now on it exists.
func (r *Recorder) Commit(c Checkpoint) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := r.admit(c); err != nil {
		return err
	}
	undo := func(err error) error {
		r.Checkpoints = r.Checkpoints[:len(r.Checkpoints)-1]
		return fmt.Errorf("%s: %w", filepath.Join(r.Dir, linesFile), err)
	}
	f, err := atomicfile.OpenBelow(r.Dir, linesFile)
	if err != nil {
		return undo(err)
	}
	defer f.Close()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return undo(err)
	}
	if _, err = f.Write(append(line, '\n')); err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.Truncate(end) // a full disk may have taken half a line
		return undo(err)
	}
	return atomicfile.SyncDir(r.Dir)
}

// stateFile is where the trainer's state at checkpoint index lies, below the trajectory's folder.
func stateFile(index int) string {
	return filepath.Join(stateDir, fileName(index))
}

// WriteState stores what a trainer needs beside the weights to go on after checkpoint index, such as
// momentum. Write it before Commit; DropStates removes the older ones after.
func (r *Recorder) WriteState(index int, tensors []checkpoint.Tensor, data []byte) error {
	return r.write(stateFile(index), func(w io.Writer) error {
		return r.files.Write(w, tensors, nil, data)
	})
}

// State maps what WriteState stored.
func (r *Recorder) State(index int) (*checkpoint.Mapped, error) {
	c, err := r.files.Own(filepath.Join(r.Dir, stateFile(index)))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Map()
}

// DropStates removes every state but that of checkpoint index.
func (r *Recorder) DropStates(index int) error {
	names, err := atomicfile.NamesBelow(r.Dir, stateDir)
	if err != nil {
		return err
	}
	for _, name := range names {
		name = filepath.Join(stateDir, name)
		if filepath.Ext(name) == ".safetensors" && name != stateFile(index) {
			if err := atomicfile.RemoveBelow(r.Dir, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// ExamplesDir is the folder of a trajectory in which its trainer keeps what each example gave in the evaluations of the log
// (results/examples).
const ExamplesDir = "examples"

// SourceDir is the folder of a trajectory that holds small files which lay beside the newest checkpoint that was imported: of what
// network it is, and by which tokenizer.
const SourceDir = "source"

// KeepSource keeps such a file by its name, in place of an older one.
func (r *Recorder) KeepSource(name string, data []byte) error {
	name = filepath.Join(SourceDir, name)
	if have, err := input.ReadFile(filepath.Join(r.Dir, name), input.Text); err == nil && bytes.Equal(have, data) {
		return nil
	}
	if err := atomicfile.MkdirBelow(r.Dir, SourceDir); err != nil {
		return err
	}
	return atomicfile.WriteBelow(r.Dir, name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}, func() error { return nil })
}
