package importer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint/folder"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// hub takes the revisions of a model in the HuggingFace hub's cache, models--OWNER--NAME: refs/step1000 holds the commit
// that it is, and snapshots/COMMIT the files. It says whether the folder, or the one above snapshots, is such a cache.
func (f *search) hub(dir string) (bool, error) {
	if filepath.Base(dir) == "snapshots" {
		dir = filepath.Dir(dir)
	}
	snapshots, err := os.ReadDir(filepath.Join(dir, "snapshots"))
	if err != nil {
		return false, nil
	}
	refs, err := os.ReadDir(filepath.Join(dir, "refs"))
	if err != nil || len(refs) == 0 || len(snapshots) < 2 { // one is one checkpoint
		return false, nil
	}
	named := map[string]bool{}
	for _, ref := range refs {
		if ref.IsDir() { // pull requests
			continue
		}
		text, err := input.ReadFile(filepath.Join(dir, "refs", ref.Name()), 256)
		if err != nil {
			return true, fmt.Errorf("the revision %s of the cache: %w", ref.Name(), err)
		}
		commit := strings.TrimSpace(string(text))
		if !slices.ContainsFunc(snapshots, func(e os.DirEntry) bool { return e.Name() == commit }) {
			f.note("revision %s is left out: its snapshot is not in the cache", ref.Name())
			continue
		}
		named[commit] = true
		snapshot := filepath.Join(dir, "snapshots", commit)
		model, _, err := folder.Within(snapshot)
		if err != nil {
			f.note("revision %s is left out: %v", ref.Name(), err)
			continue
		}
		f.items = append(f.items, item{path: modelPath(snapshot, model), label: ref.Name(), folder: true})
	}
	for _, e := range snapshots {
		if !named[e.Name()] {
			f.note("snapshot %s is left out: no revision of the cache is that commit", e.Name())
		}
	}
	if len(f.items) == 0 {
		return true, fmt.Errorf("%w in %s: it is a cache of the HuggingFace hub, and none of its revisions is whole", ErrNoCheckpoints, dir)
	}
	f.hubs = append(f.hubs, dir)
	f.note("%s is a cache of the HuggingFace hub: its revisions are the checkpoints", dir)
	return true, nil
}
