package importer

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// sides are the files of HuggingFace that say of what network a checkpoint is, and by which tokenizer.
var sides = []string{"config.json", "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}

// keepSides copies what lies beside a checkpoint, in its folder or that of its file, into the trajectory.
func keepSides(r *trajectory.Recorder, source string) error {
	if info, err := os.Stat(source); err != nil || !info.IsDir() {
		source = filepath.Dir(source)
	}
	for _, name := range sides {
		data, err := input.ReadFile(filepath.Join(source, name), input.Text)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = r.KeepSource(name, data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
