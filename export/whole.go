package export

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/foreign"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// source opens the file of a checkpoint as the program that trained wrote it.
func (e *Export) source(i int) (*foreign.Checkpoint, error) {
	t := e.Trajectory
	link := t.Checkpoints[i].Link
	if link == nil {
		path := t.Checkpoints[i].Source
		if path == "" {
			return nil, fmt.Errorf("%s: it was not imported from a file that could be written again: %w", t.Name(i), foreign.ErrNotWhole)
		}
		link = &trajectory.Link{Path: path}
	}
	c, err := link.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name(i), err)
	}
	want, err := t.Tensors(i)
	if err == nil {
		err = checkpoint.SameTensors(want, c.Layout())
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("%s: %w", t.Name(i), err)
	}
	return c, nil
}

// storeWhole writes the file of the newest checkpoint in an average, with the average in place of its weights: what
// stands beside them, such as hyper-parameters and the optimizer's state, is that checkpoint's.
func (e *Export) storeWhole(written Written, tensors []checkpoint.Tensor, metadata map[string]string, values bn.Section, confirm func() error) error {
	c, err := e.source(written.Average.Newest())
	if err != nil {
		return err
	}
	defer c.Close()
	at := map[string]checkpoint.Tensor{}
	for _, t := range tensors {
		at[t.Name] = t
	}
	records, folder, err := c.Rewritten(func(w io.Writer, t *foreign.Tensor) error {
		from := at[t.Name]
		return values.Write(w, from.Begin, from.End)
	})
	if err != nil {
		return err
	}
	about, err := json.MarshalIndent(metadata, "", " ")
	if err != nil {
		return err
	}
	own := folder + originRecord
	return atomicfile.WriteConfirmed(written.Path, func(out io.Writer) error {
		z := newArchive(out)
		for _, r := range records {
			if r.Name == own {
				continue
			}
			if err := z.add(r.Name, again{r}, 0, r.Size); err != nil {
				return err
			}
		}
		if err := z.add(own, held(about), 0, int64(len(about))); err != nil {
			return err
		}
		return z.Close()
	}, confirm)
}

// again is the data of a record that is written once more.
type again struct{ record foreign.Record }

func (a again) Write(w io.Writer, _, _ int64) error { return a.record.Write(w) }
