package importer

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// SidesDir is the folder of a trajectory that holds what lay beside the newest checkpoint that was copied into it: of what network
// it is, and by which tokenizer.
const SidesDir = "source"

// sides are the files of HuggingFace that say it.
var sides = []string{"config.json", "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}

// keepSides copies what lies beside a checkpoint, in its folder or that of its file, into the trajectory in dir.
func keepSides(dir, source string) error {
	if info, err := os.Stat(source); err != nil || !info.IsDir() {
		source = filepath.Dir(source)
	}
	for _, name := range sides {
		data, err := input.ReadFile(filepath.Join(source, name), input.Text)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := atomicfile.MkdirBelow(dir, SidesDir); err != nil {
			return err
		}
		to := filepath.Join(SidesDir, name)
		if have, err := input.ReadFile(filepath.Join(dir, to), input.Text); err == nil && bytes.Equal(have, data) {
			continue
		}
		err = atomicfile.WriteBelow(dir, to, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		}, func() error { return nil })
		if err != nil {
			return err
		}
	}
	return nil
}
