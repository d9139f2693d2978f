package export

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/checkpoint/pytorch"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
)

// source opens the file of a checkpoint as the program that trained wrote it.
func (e *Export) source(i int) (checkpoint.Checkpoint, error) {
	t := e.Trajectory
	c, err := t.Open(i)
	if err != nil || t.Checkpoints[i].Link != nil {
		return c, err
	}
	path := t.Checkpoints[i].Source
	if path == "" {
		return nil, fmt.Errorf("%s: it was not imported from a file that could be written again: %w", t.Name(i), pytorch.ErrNotWhole)
	}
	from, err := formats.Open(path, checkpoint.Options{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name(i), err)
	}
	if err := checkpoint.SameTensors(c.Tensors(), from.Tensors()); err != nil {
		from.Close()
		return nil, fmt.Errorf("%s: %w", t.Name(i), err)
	}
	return from, nil
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
	records, folder, err := pytorch.Rewritten(c, func(w io.Writer, t *checkpoint.Tensor) error {
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
type again struct{ record pytorch.Record }

func (a again) Write(w io.Writer, _, _ int64) error { return a.record.Write(w) }
