package importer

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint/folder"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// listed is what a folder holds.
type listed struct {
	items   []item
	own     string           // the file, or folder, by which the folder is one checkpoint itself; ""
	why     string           // by what it was known
	unknown []*folder.NotOne // folders in it with files of which none is known to be the model's
	plain   []string         // folders in it without any
	runs    []string         // trajectories of this program in it
	notes   []string
}

// listFolder lists the checkpoints in a folder. Where it holds numbered ones, a model beside them is its own; otherwise
// a folder that is called as frameworks call theirs is one checkpoint.
func listFolder(dir string) (*listed, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	l := &listed{}
	own, why, ownErr := folder.Within(dir)
	var none *folder.NotOne
	if ownErr != nil && !errors.As(ownErr, &none) {
		return nil, ownErr
	}
	if own == dir { // torch.distributed.checkpoint
		l.own, l.why = own, why
		return l, nil
	}
	aside := map[string][]string{} // folders, by what of them is left aside
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // follows links
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case err != nil:
			if isFile(e.Name()) {
				err = input.Cause(err)
				if errors.Is(err, os.ErrNotExist) {
					err = errors.New("a link to a file that is not there")
				}
				l.notes = append(l.notes, fmt.Sprintf("%s is left out: %v", path, err))
			}
		case !info.IsDir():
			if isFile(e.Name()) && folder.MayBeWeights(e.Name()) && path != own {
				l.items = append(l.items, item{path: path, entry: e.Name()})
			}
		case trajectory.Exists(path):
			l.runs = append(l.runs, path)
		default:
			if err := l.look(path, aside); err != nil {
				return nil, err
			}
		}
	}
	for _, why := range slices.Sorted(maps.Keys(aside)) {
		l.notes = append(l.notes, fmt.Sprintf("of %s: %s", strings.Join(atMost(aside[why], 2), ", "), why))
	}
	if own != "" {
		series := slices.DeleteFunc(slices.Clone(l.items), func(i item) bool {
			return !i.folder && filepath.Dir(i.path) == dir || strings.HasPrefix(own, filepath.Join(dir, i.entry)+string(filepath.Separator)) || sameNumber(dir, i.entry)
		})
		l.own, l.why = own, why
		_, err := os.Stat(filepath.Join(dir, "modules.json")) // sentence-transformers' parts, 1_Pooling, 2_Dense, …
		if l.items = series; err == nil || !isSeries(series) {
			l.own, l.items, l.notes = modelPath(dir, own), nil, nil
			return l, nil
		}
	} else if none != nil && none.Reason != "" && len(l.items) == 0 {
		return nil, none
	}
	return l, l.passedOver()
}

// look takes a folder within, if it is one checkpoint. aside gets what of it is left aside.
func (l *listed) look(path string, aside map[string][]string) error {
	name := filepath.Base(path)
	model, why, err := folder.Within(path)
	var none *folder.NotOne
	switch {
	case err == nil:
		l.items = append(l.items, item{path: modelPath(path, model), folder: true, entry: name})
		if strings.Contains(why, leftAside) {
			aside[why] = append(aside[why], name)
		}
	case !errors.As(err, &none):
		return err
	case len(none.Files) == 1 && none.Reason == "" && !holdsFolders(path):
		l.items = append(l.items, item{path: filepath.Join(path, none.Files[0]), entry: name, single: true})
	case len(none.Files) > 0 || none.Reason != "":
		l.unknown = append(l.unknown, none)
	default:
		l.plain = append(l.plain, path)
	}
	return nil
}

// leftAside is how folder.Within speaks of the files that it did not take.
const leftAside = "left aside"

// isSeries says whether files and folders are numbered like checkpoints: by a word, or several alike.
func isSeries(items []item) bool {
	var list []item
	for _, i := range items {
		list = append(list, item{label: i.entry, folder: i.entry != filepath.Base(i.path) || i.folder})
	}
	return slices.ContainsFunc(group(list), func(s *series) bool {
		return s.epoch >= 0 || s.step >= 0 || len(s.items) > 1 && s.numbered()
	})
}

// sameNumber says whether a folder is called as the one in it, such as DeepSpeed's checkpoint-500/global_step500: that is
// a part of it.
func sameNumber(dir, entry string) bool {
	a, b := parseName(filepath.Base(dir), true).fields, parseName(entry, true).fields
	return len(a) == 1 && len(b) == 1 && a[0].value == b[0].value && b[0].counts == steps
}

// modelPath is how the model of a folder is referred to: as the folder, where that is enough to find it again.
func modelPath(dir, model string) string {
	if folder.IsCheckpoint(dir) {
		return dir
	}
	return model
}

func holdsFolders(dir string) bool {
	entries, _ := os.ReadDir(dir)
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.IsDir() })
}

// passedOver speaks of folders with several files: an error, if they are called like the checkpoints that were found.
func (l *listed) passedOver() error {
	if len(l.items) == 0 {
		return nil
	}
	stems := map[string]bool{}
	for _, i := range l.items {
		stems[parseName(i.entry, true).stem] = true
	}
	for _, u := range l.unknown {
		if stems[parseName(filepath.Base(u.Dir), true).stem] {
			if u.Reason != "" {
				return u
			}
			return fmt.Errorf("%w: name the files, or a pattern of them such as '%s'", u, filepath.Join(filepath.Dir(u.Dir), "*", cmp.Or(first(u.Files), "model.pt")))
		}
	}
	if len(l.unknown) > 0 && !slices.ContainsFunc(l.items, func(i item) bool { return !i.single }) {
		for _, i := range l.items { // folders like any other, with one file by chance
			l.plain = append(l.plain, filepath.Dir(i.path))
		}
		l.items = nil
		return nil
	}
	for _, u := range l.unknown {
		l.notes = append(l.notes, fmt.Sprintf("left out: %v", u))
	}
	return nil
}
