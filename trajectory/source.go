package trajectory

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

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
	c, err := t.Open(i)
	if err != nil {
		return nil, err
	}
	defer c.Close() // what is mapped needs no open file
	w, err := c.Map()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name(i), err)
	}
	if recorded := t.Checkpoints[i].Bytes; w.Size != recorded {
		w.Close()
		return nil, fmt.Errorf("%s: %d bytes, %d were recorded", t.Name(i), w.Size, recorded)
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

// scan reads the whole file once, into the digest, and gives the names of the tensors that are not finite.
func scan(w *checkpoint.Mapped, d *digest) (nonFinite []string, err error) {
	err = checkpoint.Guard(w.Path, func() error {
		const bytes = 1 << 17 // in cache from one use to the next
		d.Write(w.Head)
		for _, t := range w.Tensors { // in a file of ours back to back: that is all there is
			ok := true
			for begin := t.Begin; begin < t.End; begin += bytes {
				part := w.Data[begin:min(begin+bytes, t.End)]
				d.Write(part)
				ok = ok && (t.DType.Part() == "" || checkpoint.Finite(t.DType.Part(), part))
			}
			if !ok {
				nonFinite = append(nonFinite, t.Name)
			}
		}
		return nil
	})
	return nonFinite, err
}
