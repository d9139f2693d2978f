package trajectory

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/foreign"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Trajectory is an opened run. Its methods may be called from several goroutines.
type Trajectory struct {
	Dir         string
	Meta        Meta
	Checkpoints []Checkpoint
	Warnings    []string // what was passed over, such as a torn last line

	mu       sync.Mutex
	layout   []checkpoint.Tensor // of the first checkpoint mapped
	verified map[int]bool
	trusted  bool // all of them
	thorough bool // by SHA-256 where a faster digest is known, too
}

// Exists says whether dir holds a trajectory, whatever its state.
func Exists(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, metaFile))
	return err == nil
}

// Open reads trajectory.json and checkpoints.jsonl. Weights are looked at when they are mapped.
func Open(dir string) (*Trajectory, error) {
	t := &Trajectory{Dir: dir, verified: map[int]bool{}}
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
	c := t.Checkpoints[i]
	path := filepath.Join(t.Dir, c.File)
	if c.Link != nil {
		path = c.Link.Path
	}
	return fmt.Sprintf("trajectory %s: checkpoint of epoch %s (%s)", t.Meta.Run, EpochName(c.Epoch), path)
}

// Tensors lists what checkpoint i (from 0) holds, without reading its weights. Begin and End are those of the
// arranged file.
func (t *Trajectory) Tensors(i int) ([]checkpoint.Tensor, error) {
	c := t.Checkpoints[i]
	if c.Link != nil {
		f, err := c.Link.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.Name(i), err)
		}
		defer f.Close()
		return f.Layout(), nil
	}
	w, err := safetensors.Map(filepath.Join(t.Dir, c.File))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name(i), err)
	}
	defer w.Close()
	return w.Tensors, nil
}

// Linked makes a trajectory of checkpoints that lie elsewhere, without writing anything. Those without a
// digest get theirs from Seal.
func Linked(dir string, meta Meta, checkpoints []Checkpoint) (*Trajectory, error) {
	t := &Trajectory{Dir: dir, Meta: meta, verified: map[int]bool{}}
	for _, c := range checkpoints {
		if err := t.admit(c); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Seal reads the checkpoints of the given indices (from 0) that have no digest yet, gives them theirs, and
// verifies them meanwhile, unless they are trusted. progress, if it is not nil, is told how many of them are done.
func (t *Trajectory) Seal(ctx context.Context, indices []int, allowNonFinite bool, progress func(done, total int)) error {
	var missing []int
	for _, i := range indices {
		if t.Checkpoints[i].SHA256 == "" && !t.trusted {
			missing = append(missing, i)
		}
	}
	var mu sync.Mutex
	done := 0
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, i := range missing {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			d, err := t.seal(ctx, i, allowNonFinite)
			if err != nil {
				return fmt.Errorf("%s: %w", t.Name(i), err)
			}
			mu.Lock()
			defer mu.Unlock()
			t.mu.Lock()
			t.Checkpoints[i].SHA256, t.Checkpoints[i].XXH3, t.verified[i] = d.SHA256(), d.XXH3(), true
			t.mu.Unlock()
			if done++; progress != nil {
				progress(done, len(missing))
			}
			return nil
		})
	}
	return g.Wait()
}

func (t *Trajectory) seal(ctx context.Context, i int, allowNonFinite bool) (*digest, error) {
	link := t.Checkpoints[i].Link
	if link == nil {
		return nil, errors.New("it has no digest, and is no link whose digest could be made")
	}
	c, err := link.Open()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	d := newDigest(true)
	var bad []string
	err = c.Stream(func(x *foreign.Tensor, data []byte) error {
		d.Write(data)
		if x != nil && x.DType.Part() != "" && !checkpoint.Finite(x.DType.Part(), data) && !slices.Contains(bad, x.Name) {
			bad = append(bad, x.Name)
		}
		return ctx.Err()
	})
	if err == nil && !allowNonFinite {
		err = nonFinite(bad)
	}
	return d, err
}

// nonFinite is an error if there are such tensors.
func nonFinite(bad []string) error {
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("NaN or infinite values in %s (--allow-nonfinite goes on all the same)", checkpoint.Few(bad, 5))
}

// Map maps checkpoint i (from 0) into memory and verifies it.
func (t *Trajectory) Map(i int, allowNonFinite bool) (*checkpoint.Mapped, error) {
	s := t.Source(allowNonFinite)
	w, err := s.Map(i)
	if err != nil {
		return nil, err
	}
	if err := s.Verify(i, w); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// Source gives checkpoints by their index, and verifies them apart: so that their use may begin while
// they are being verified.
type Source struct {
	t              *Trajectory
	allowNonFinite bool
}

// Source gives the trajectory's checkpoints to a reader that only knows indices.
func (t *Trajectory) Source(allowNonFinite bool) Source { return Source{t, allowNonFinite} }

// Map maps checkpoint i (from 0) into memory. Its size must be the recorded one, and its tensors must have
// the names, shapes and types of the first checkpoint mapped.
func (s Source) Map(i int) (*checkpoint.Mapped, error) {
	t := s.t
	c := t.Checkpoints[i]
	var w *checkpoint.Mapped
	var err error
	if c.Link != nil {
		w, err = mapLink(*c.Link)
	} else {
		w, err = safetensors.Map(filepath.Join(t.Dir, c.File))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name(i), err)
	}
	if w.Size != c.Bytes {
		err = fmt.Errorf("%d bytes, %d were recorded", w.Size, c.Bytes)
	} else {
		t.mu.Lock()
		if t.layout == nil {
			t.layout = w.Tensors
		}
		err = checkpoint.SameTensors(t.layout, w.Tensors)
		t.mu.Unlock()
	}
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("%s: %w", t.Name(i), err)
	}
	return w, nil
}

// Trust takes all checkpoints for verified: they are neither compared with their digests nor searched for
// NaN.
func (t *Trajectory) Trust() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trusted = true
	for i := range t.Checkpoints {
		t.verified[i] = true
	}
}

// Thorough lets Verify compare SHA-256, which takes several times as long, where a faster digest is recorded, too.
func (t *Trajectory) Thorough() { t.thorough = true }

// Verify reads all of a checkpoint, once for each trajectory opened: its digest must be the recorded one,
// and its floating tensors must be finite, unless that is allowed.
func (s Source) Verify(i int, w *checkpoint.Mapped) error {
	t := s.t
	t.mu.Lock()
	verified := t.verified[i]
	t.mu.Unlock()
	if verified {
		return nil
	}
	c := t.Checkpoints[i]
	d := newDigest(c.XXH3 == "" || t.thorough)
	bad, err := scan(w, d)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", t.Name(i), err)
	case d.sha != nil && d.SHA256() != c.SHA256:
		return fmt.Errorf("%s: sha256 %s, recorded was %s: the file was altered", t.Name(i), d.SHA256(), c.SHA256)
	case c.XXH3 != "" && d.XXH3() != c.XXH3:
		return fmt.Errorf("%s: xxh3 %s, recorded was %s: the file was altered", t.Name(i), d.XXH3(), c.XXH3)
	case !s.allowNonFinite:
		if err := nonFinite(bad); err != nil {
			return fmt.Errorf("%s: %w", t.Name(i), err)
		}
	}
	t.mu.Lock()
	t.verified[i] = true
	t.mu.Unlock()
	return nil
}
