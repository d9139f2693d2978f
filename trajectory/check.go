package trajectory

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/lawa-replay/lawa-replay/internal/input"
)

// maxLine bounds a line of checkpoints.jsonl, in bytes: thousands of evaluations fit.
const maxLine = 16 << 20

// maxStep is the largest step up to which a float64 holds every whole number: schemes compute with them.
const maxStep = 1 << 53

// parseLine reads a line of checkpoints.jsonl. What every line must have is missed where it is missing: it is not 0.
func parseLine(line []byte) (Checkpoint, error) {
	var c Checkpoint
	var has struct {
		Index *int     `json:"index"`
		Epoch *float64 `json:"epoch"`
		Step  *int64   `json:"step"`
		Bytes *int64   `json:"bytes"`
	}
	if err := json.Unmarshal(line, &has); err != nil {
		return c, err
	}
	for _, f := range []struct {
		name    string
		missing bool
	}{{"index", has.Index == nil}, {"epoch", has.Epoch == nil}, {"step", has.Step == nil}, {"bytes", has.Bytes == nil}} {
		if f.missing {
			return c, fmt.Errorf("it has no %s", f.name)
		}
	}
	if err := json.Unmarshal(line, &c); err != nil {
		return c, err
	}
	if sum, err := hex.DecodeString(c.SHA256); err != nil || len(sum) != 32 {
		return c, fmt.Errorf("sha256 %.80q, expected 64 hexadecimal digits", c.SHA256)
	}
	return c, nil
}

// check says what of a checkpoint's line cannot be, whoever wrote it.
func (c Checkpoint) check() error {
	switch {
	case c.Link != nil && c.File != "":
		return fmt.Errorf("it has both a file, %q, and a link, to %q: which of them holds the weights?", c.File, c.Link.Path)
	case c.Link != nil && c.Link.Path == "":
		return errors.New("it has a link without a path")
	case c.Link == nil && c.File == "":
		return errors.New("it has neither a file nor a link")
	case math.IsNaN(c.Epoch) || math.IsInf(c.Epoch, 0) || c.Epoch < 0:
		return fmt.Errorf("epoch %g, expected a number from 0 on", c.Epoch)
	case c.Step < 0 || c.Step > maxStep:
		return fmt.Errorf("step %d, expected a number from 0 to 2^53", c.Step)
	case c.Bytes < 0:
		return fmt.Errorf("%d bytes", c.Bytes)
	}
	if c.Link == nil {
		if err := input.Local(c.File); err != nil {
			return fmt.Errorf("its file: %w", err)
		}
	}
	return nil
}

// check says what of the whole run cannot be.
func (m Meta) check() error {
	if m.BatchSize < 0 || m.StepsPerEpoch < 0 || m.StepsPerEpoch > maxStep {
		return fmt.Errorf("batch_size %d, steps_per_epoch %d: expected numbers from 0 to 2^53", m.BatchSize, m.StepsPerEpoch)
	}
	for _, tensor := range slices.Sorted(maps.Keys(m.Shards)) {
		if err := input.Local(m.Shards[tensor]); err != nil {
			return fmt.Errorf("shards: the file of tensor %q: %w", tensor, err)
		}
	}
	return nil
}
