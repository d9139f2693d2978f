// Package formats is the list of the formats in which checkpoints of other programs are read, and opens files of any of
// them.
//
// It believes that what a file is stands in the file: formats are told apart by first bytes, names only where they are
// all there is. A file of no format is called what it is, with what to do about it.
package formats

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/dcp"
	"github.com/lawa-replay/lawa-replay/checkpoint/folder"
	"github.com/lawa-replay/lawa-replay/checkpoint/other"
	"github.com/lawa-replay/lawa-replay/checkpoint/pytorch"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/checkpoint/shards"
	"github.com/lawa-replay/lawa-replay/checkpoint/statedict"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// single are the formats of one file: those that shards may have. The first that says that a file is its own opens it.
func single() []stored.Lister {
	return []stored.Lister{safetensors.Format, pytorch.Zip, pytorch.Legacy, pytorch.Pickle}
}

// All lists the formats, in the order in which they are asked.
func All() []checkpoint.Format {
	all := []checkpoint.Format{shards.Of(list), dcp.Format}
	for _, f := range single() {
		all = append(all, f)
	}
	return all
}

// Kinds describes the formats.
func Kinds() []checkpoint.Kind {
	var kinds []checkpoint.Kind
	for _, f := range All() {
		kinds = append(kinds, f.Kind())
	}
	return kinds
}

// Open opens a file, or a folder that is one checkpoint, of whatever format. What fails names the file.
func Open(path string, o checkpoint.Options) (checkpoint.Checkpoint, error) {
	return Files{}.Open(path, o)
}

// Files opens and writes the files of trajectories: those of their own, and those that they link to.
type Files struct {
	Also []checkpoint.Format // formats of the caller's own, asked before All
}

// Open implements trajectory.Files, as the function Open.
func (f Files) Open(path string, o checkpoint.Options) (checkpoint.Checkpoint, error) {
	file, why, err := model(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if n := folder.Shards(filepath.Base(file)); n > 1 {
		return nil, fmt.Errorf("%s: one of %d shards of a checkpoint, which is named by its folder, where an index says what is in which", path, n)
	}
	c, err := first(file, slices.Concat(f.Also, All()), func(format checkpoint.Format, in *checkpoint.File) (checkpoint.Checkpoint, error) {
		return format.Open(in, o)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	about := c.About()
	about.Path, about.Within = path, why
	if filepath.Base(file) == folder.DCPMetadata {
		file = filepath.Dir(file) // that has a name
	}
	statedict.ByNames(c, file)
	return c, nil
}

// Own implements trajectory.Files: a trajectory's own files are safetensors.
func (Files) Own(path string) (checkpoint.Checkpoint, error) { return safetensors.OpenPlain(path) }

// Write implements trajectory.Files.
func (Files) Write(w io.Writer, tensors []checkpoint.Tensor, metadata map[string]string, data []byte) error {
	return safetensors.Write(w, tensors, metadata, data)
}

// model is the file by which a path is opened: itself, or what of a folder is the model's, and why.
func model(path string) (file, why string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", "", input.Cause(err)
	}
	if !info.IsDir() {
		return path, "", nil
	}
	file, why, err = folder.Within(path)
	var none *folder.NotOne
	if errors.As(err, &none) && none.Reason == "" && len(none.Files) == 1 {
		file, why, err = filepath.Join(path, none.Files[0]), none.Files[0]+", the only file that may hold weights", nil
	}
	switch {
	case errors.As(err, &none):
		return "", "", errors.New(strings.TrimPrefix(none.Error(), path+": "))
	case err != nil:
		return "", "", input.Cause(err)
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, folder.DCPMetadata)
	}
	return file, why, nil
}

// list lists the tensors of one shard.
func list(path string, o checkpoint.Options) (*stored.List, error) {
	return first(path, single(), func(format stored.Lister, f *checkpoint.File) (*stored.List, error) { return format.List(f, o) })
}

// first opens a file by the first of the formats that says that it is its own.
func first[F checkpoint.Format, T any](path string, formats []F, open func(F, *checkpoint.File) (T, error)) (opened T, err error) {
	f, err := checkpoint.OpenFile(path)
	if err != nil {
		return opened, input.Cause(err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if f.Size() == 0 {
		return opened, errors.New("the file is empty")
	}
	head, err := f.Head()
	if err != nil {
		return opened, input.Cause(err)
	}
	for _, format := range formats {
		if format.Sniff(path, head) {
			return open(format, f)
		}
	}
	if what := other.What(f, head); what != "" {
		return opened, errors.New(what)
	}
	// What is wrong with it as safetensors, which have no magic number.
	if _, err = safetensors.ReadHeader(f, f.Size()); err == nil {
		err = errors.New("not a checkpoint of a format that is read")
	}
	if !strings.HasSuffix(path, ".safetensors") {
		err = fmt.Errorf("neither a PyTorch file nor safetensors: %w", err)
	}
	return opened, err
}
