package trajectory

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/singleflight"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Trajectory is an opened run. Its methods may be called from several goroutines.
type Trajectory struct {
	Dir         string
	Meta        Meta
	Checkpoints []Checkpoint
	Warnings    []string // what was passed over, such as a torn last line

	files    Files
	opening  singleflight.Group
	mu       sync.Mutex
	opened   map[int]checkpoint.Checkpoint // see Open
	layout   []checkpoint.Tensor           // of the first checkpoint opened
	verified map[int]bool
	trusted  bool // all of them
	thorough bool // by SHA-256 where a faster digest is known, too
}

func newTrajectory(dir string, files Files, meta Meta) *Trajectory {
	return &Trajectory{Dir: dir, Meta: meta, files: files, opened: map[int]checkpoint.Checkpoint{}, verified: map[int]bool{}}
}

// Exists says whether dir holds a trajectory, whatever its state.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, metaFile))
	return err == nil
}

// Open reads trajectory.json and checkpoints.jsonl. Weights are looked at when they are mapped.
func Open(dir string, files Files) (*Trajectory, error) {
	t := newTrajectory(dir, files, Meta{})
	text, err := input.ReadFile(filepath.Join(dir, metaFile), input.Text)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is not a trajectory: it holds no %s", dir, metaFile)
	} else if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &t.Meta); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, metaFile), err)
	}
	if t.Meta.Format != Format {
		return nil, fmt.Errorf("%s: format %d, this program reads format %d", filepath.Join(dir, metaFile), t.Meta.Format, Format)
	}
	t.Meta.forget()
	if err := t.Meta.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, metaFile), err)
	}
	if err := t.readLines(); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Trajectory) readLines() error {
	path := filepath.Join(t.Dir, linesFile)
	f, _, err := input.Open(path, input.Any)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for {
		line, err := input.ReadLine(r, maxLine)
		if err != nil && err != io.EOF {
			return fmt.Errorf("%s: line %d: %w", path, len(t.Checkpoints)+1, err)
		}
		whole := err == nil
		if !whole {
			if len(line) > 0 {
				t.Warnings = append(t.Warnings, fmt.Sprintf("%s: the last line is torn (%d bytes without a line end) and is passed over", path, len(line)))
			}
			return nil
		}
		c, err := parseLine(line)
		if err == nil {
			c.forget(t.Meta)
			err = t.admit(c)
		}
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", path, len(t.Checkpoints)+1, err)
		}
	}
}

func (t *Trajectory) admit(c Checkpoint) error {
	if want := len(t.Checkpoints) + 1; c.Index != want {
		return fmt.Errorf("index %d, expected %d", c.Index, want)
	}
	if err := c.check(); err != nil {
		return err
	}
	if n := len(t.Checkpoints); n > 0 {
		last := t.Checkpoints[n-1]
		if c.Step <= last.Step || c.Epoch <= last.Epoch {
			return fmt.Errorf("epoch %s, step %d does not come after epoch %s, step %d", EpochName(c.Epoch), c.Step, EpochName(last.Epoch), last.Step)
		}
	}
	t.Checkpoints = append(t.Checkpoints, c)
	return nil
}

// Step is the number of optimizer steps completed at checkpoint i (from 0), or nil where it is not known.
func (t *Trajectory) Step(i int) *int64 {
	if t.Meta.StepsUnknown {
		return nil
	}
	return &t.Checkpoints[i].Step
}

// Name is how messages call checkpoint i (from 0).
func (t *Trajectory) Name(i int) string {
	return fmt.Sprintf("trajectory %s: checkpoint of epoch %s (%s)", t.Meta.Run, EpochName(t.Checkpoints[i].Epoch), t.Path(i))
}

// Path is the file, or the folder, that checkpoint i (from 0) is read from.
func (t *Trajectory) Path(i int) string {
	if link := t.Checkpoints[i].Link; link != nil {
		return link.Path
	}
	return filepath.Join(t.Dir, t.Checkpoints[i].File)
}

// Linked makes a trajectory of checkpoints that lie elsewhere, without writing anything. Those without a
// digest get theirs from Seal. opened may hold them, as they were opened with what their links say: they are not opened
// again then.
func Linked(dir string, files Files, meta Meta, checkpoints []Checkpoint, opened []checkpoint.Checkpoint) (*Trajectory, error) {
	t := newTrajectory(dir, files, meta)
	for i, c := range checkpoints {
		if err := t.admit(c); err != nil {
			return nil, err
		}
		if i < len(opened) {
			if err := t.keep(i, opened[i]); err != nil {
				return nil, err
			}
		}
	}
	return t, nil
}
