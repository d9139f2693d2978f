package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Format is how an average is stored.
type Format string

// The formats.
const (
	Safetensors Format = "safetensors"
	PT          Format = "pt"      // PyTorch's: a bare state dict, for torch.load(weights_only=True)
	Sharded     Format = "sharded" // safetensors in several files and an index, as HuggingFace's libraries write them
)

const indexName = "model.safetensors.index.json"

// FormatOf knows a format by the name of the file.
func FormatOf(path string) (Format, error) {
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case strings.HasSuffix(path, ".safetensors.index.json"):
		return Sharded, nil
	case ext == ".safetensors":
		return Safetensors, nil
	case slices.Contains([]string{".pt", ".pth", ".th", ".bin", ".ckpt"}, ext), strings.HasSuffix(strings.ToLower(path), ".pth.tar"):
		return PT, nil
	}
	return "", fmt.Errorf("%s: the file's name must end in .safetensors, .pt or .safetensors.index.json", path)
}

// ParseFormat reads a format's name; "" is Safetensors.
func ParseFormat(text string) (Format, error) {
	switch f := Format(text); f {
	case "":
		return Safetensors, nil
	case Safetensors, PT, Sharded:
		return f, nil
	}
	return "", spec.Unknown("format", text, []string{string(Safetensors), string(PT), string(Sharded)})
}

// FileName names an average's file in a folder of many: lawa-k=6@90.safetensors, or a folder of shards.
func FileName(t *trajectory.Trajectory, scheme averaging.Scheme, endpoint int, format Format) string {
	name := scheme.Spec()
	if file, ok := strings.CutPrefix(name, "weights:"); ok {
		name = "weights:" + filepath.Base(file)
	}
	name = strings.NewReplacer(":", "-", ",", "_", "/", "-", " ", "_").Replace(name)
	name = fmt.Sprintf("%s@%s", name, trajectory.EpochName(t.Checkpoints[endpoint].Epoch))
	if format == Sharded {
		return filepath.Join(name, indexName)
	}
	return name + "." + string(format)
}

// shards says into which files the tensors go: as in the source, or, with a size given, as many as fit.
func (e *Export) shards(tensors []checkpoint.Tensor) (map[string]string, error) {
	if e.ShardSize <= 0 {
		if len(e.Trajectory.Meta.Shards) == 0 {
			return nil, hint.With(errors.New("the trajectory's source has no shards whose layout could be kept"), "shard-size", "makes some")
		}
		return sourceShards(e.Trajectory.Meta.Shards)
	}
	number := map[string]int{}
	n, size := 1, int64(0)
	for _, t := range tensors {
		if size > 0 && size+t.End-t.Begin > e.ShardSize {
			n, size = n+1, 0
		}
		size += t.End - t.Begin
		number[t.Name] = n
	}
	out := map[string]string{}
	for name, i := range number {
		out[name] = fmt.Sprintf("model-%05d-of-%05d.safetensors", i, n)
	}
	return out, nil
}

// sourceShards is the layout of the source, whose names are somebody else's. They are not always those of
// safetensors files: pytorch_model-00001-of-00002.bin.
func sourceShards(of map[string]string) (map[string]string, error) {
	out, from := map[string]string{}, map[string]string{}
	for _, tensor := range slices.Sorted(maps.Keys(of)) {
		file := of[tensor]
		if err := input.Local(file); err != nil {
			return nil, fmt.Errorf("shards of the source: the file of tensor %s: %w", tensor, err)
		}
		name := file
		if ext := filepath.Ext(name); ext != ".safetensors" {
			name = strings.TrimSuffix(name, ext) + ".safetensors"
		}
		if other, taken := from[name]; taken && other != file {
			return nil, hint.With(fmt.Errorf("shards of the source: %s and %s would both be written as %s", other, file, name), "shard-size", "makes shards of other names")
		}
		out[tensor], from[name] = name, file
	}
	return out, nil
}

// held is a data section in memory.
type held []byte

func (h held) Write(w io.Writer, begin, end int64) error {
	_, err := w.Write(h[begin:end])
	return err
}

// store writes one average, whole or not at all: its name appears when confirm says that the checkpoints are what
// they were.
func (e *Export) store(written Written, tensors []checkpoint.Tensor, metadata map[string]string, values bn.Section, confirm func() error) error {
	path, tied := written.Path, e.Trajectory.Meta.Tied
	if e.Format != PT {
		// As safetensors.torch.save_model says it: the name that was dropped, and the one that was kept.
		metadata = maps.Clone(metadata)
		if err := addTied(metadata, tied); err != nil {
			return err
		}
		if err := safetensors.Holds(tensors); err != nil {
			return fmt.Errorf("%w: a .pt file holds it", err)
		}
	}
	switch {
	case e.Format == PT && e.Whole:
		return e.storeWhole(written, tensors, metadata, values, confirm)
	case e.Format == PT:
		return atomicfile.WriteConfirmed(path, func(out io.Writer) error { return writePT(out, tensors, tied, metadata, values) }, confirm)
	case e.Format == Sharded:
		return e.storeShards(path, tensors, metadata, values, confirm)
	}
	return atomicfile.WriteConfirmed(path, func(out io.Writer) error { return writeSafetensors(out, tensors, metadata, values) }, confirm)
}

// addTied says which names stand for other tensors beside what else is said of the file, which it must not replace.
func addTied[V any](metadata map[string]V, tied map[string]string) error {
	for alias, kept := range tied {
		if _, taken := metadata[alias]; taken {
			return fmt.Errorf("tied tensor %s: the file says something else by this name (the format pt can hold it)", alias)
		}
		metadata[alias] = any(kept).(V)
	}
	return nil
}

// writeSafetensors writes a whole file of some of the tensors of values, in their order or that of their dtypes.
func writeSafetensors(out io.Writer, tensors []checkpoint.Tensor, metadata map[string]string, values bn.Section) error {
	header, err := checkpoint.EncodeHeader(checkpoint.Arrange(tensors), metadata)
	if err != nil {
		return err
	}
	if _, err := out.Write(header); err != nil {
		return err
	}
	at := map[string]checkpoint.Tensor{}
	for _, t := range tensors {
		at[t.Name] = t
	}
	// Neighbours go together.
	var begin, end int64
	for _, t := range checkpoint.Arrange(tensors) {
		from := at[t.Name]
		if from.Begin != end {
			if err := values.Write(out, begin, end); err != nil {
				return err
			}
			begin = from.Begin
		}
		end = from.End
	}
	return values.Write(out, begin, end)
}

// storeShards writes an average in several files. The index comes last: without it there is no checkpoint.
func (e *Export) storeShards(path string, tensors []checkpoint.Tensor, metadata map[string]string, values bn.Section, confirm func() error) error {
	shards, err := e.shards(tensors)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	parts := map[string][]checkpoint.Tensor{}
	total := int64(0)
	for _, t := range tensors {
		file, ok := shards[t.Name]
		if !ok {
			return fmt.Errorf("tensor %s: the source's index names no file for it", t.Name)
		}
		parts[file] = append(parts[file], t)
		total += t.End - t.Begin
	}
	for _, file := range slices.Sorted(maps.Keys(parts)) {
		write := func(out io.Writer) error { return writeSafetensors(out, parts[file], metadata, values) }
		if err := atomicfile.WriteBelow(dir, file, write, confirm); err != nil {
			return err
		}
	}
	about := map[string]any{"total_size": total}
	if err := addTied(about, e.Trajectory.Meta.Tied); err != nil {
		return err
	}
	text, err := json.MarshalIndent(map[string]any{"metadata": about, "weight_map": shards}, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, append(text, '\n'))
}
