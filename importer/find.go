package importer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/trajectory"
)

// ErrNoCheckpoints says that a folder holds none.
var ErrNoCheckpoints = errors.New("no checkpoints")

// item is a file, or a folder, that may be a checkpoint.
type item struct {
	path   string // what is opened
	label  string // by which it is numbered and sorted: its name, with those of folders above as far as they differ
	folder bool   // the label is that of a folder
	named  bool   // it was named on its own: it is never left out
	entry  string // of a listed folder: the name in it of the file, or of the folder in which it lies; "" otherwise
	single bool   // the only file in a folder, under a name that models do not have
}

// search is what paths were found to name.
type search struct {
	noting
	items []item
	hubs  []string // caches of the HuggingFace hub with several revisions: each is a run
}

// find lists the checkpoints that paths name, in their natural order: files, folders that are one checkpoint, folders
// of checkpoints, and patterns of them with * and ?.
func find(paths []string) (*search, error) {
	f := &search{}
	paths, err := Expand(paths)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if err := f.add(path); err != nil {
			return nil, err
		}
	}
	if len(f.hubs) > 1 {
		return nil, fmt.Errorf("%s and %s are caches of two models, each with checkpoints of its own: they are %d runs, and one is asked for", f.hubs[0], f.hubs[1], len(f.hubs))
	}
	f.label()
	return f, nil
}

// Expand puts in place of patterns with *, ? and [ what is called so, as a shell does that was not kept from it by quotes.
func Expand(paths []string) ([]string, error) {
	var out []string
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil || !strings.ContainsAny(path, "*?[") {
			out = append(out, path)
			continue
		}
		matches, err := filepath.Glob(path)
		if err == nil && len(matches) == 0 {
			err = fmt.Errorf("%w: nothing is called so", ErrNoCheckpoints)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append(out, matches...)
	}
	return out, nil
}

// add takes what one path names.
func (f *search) add(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: no such file or folder", path)
	} else if err != nil {
		return err
	}
	if !info.IsDir() {
		f.items = append(f.items, item{path: path, named: true})
		return nil
	}
	if trajectory.Exists(path) {
		return fmt.Errorf("%s is a trajectory already: sweep, average, inspect and verify take it as it is", path)
	}
	if is, err := f.hub(path); is || err != nil {
		return err
	}
	l, err := listFolder(path)
	if err != nil {
		return err
	}
	if !isSeries(l.items) {
		if places, err := seriesBelow(path, l); err != nil {
			return err
		} else if len(places) > 0 {
			return f.beside(path, l, places)
		}
	}
	switch {
	case len(l.items) == 0 && l.own == "":
		return f.below(path, l)
	case len(l.items) == 0:
		f.items = append(f.items, item{path: l.own, folder: l.own == path, named: true})
		if l.own != path && filepath.Dir(l.own) != path || strings.Contains(l.why, leftAside) {
			f.note("%s is taken for the checkpoint of %s (%s)", filepath.Base(l.own), path, l.why)
		}
		return nil
	}
	if l.own != "" {
		f.note("%s is left out: it is a model beside the checkpoints of %s, not one of them (name it to take it alone)", relativeTo(path, l.own), path)
	}
	for _, n := range l.notes {
		f.note("%s", n)
	}
	f.items = append(f.items, l.items...)
	return nil
}

// label gives the items their labels, each once, in their natural order.
func (f *search) label() {
	clean := func(i item) string {
		if abs, err := filepath.Abs(i.path); err == nil {
			return abs
		}
		return filepath.Clean(i.path)
	}
	shared := ""
	for n, i := range f.items {
		dir := filepath.Dir(clean(i))
		if n == 0 {
			shared = dir
			if len(f.items) == 1 && !saysWhen(filepath.Base(clean(i)), i.folder) && saysWhen(filepath.Base(dir), true) {
				shared = filepath.Dir(dir) // epoch_12/model.pt: the folder says it
			}
			continue
		}
		for shared != dir && !strings.HasPrefix(dir, strings.TrimSuffix(shared, string(filepath.Separator))+string(filepath.Separator)) {
			shared = filepath.Dir(shared)
		}
	}
	for n := range f.items {
		i := &f.items[n]
		if info, err := os.Stat(i.path); err == nil && i.label == "" {
			i.folder = info.IsDir()
		}
		if i.label == "" {
			i.label = filepath.ToSlash(relativeTo(shared, clean(*i)))
		}
	}
	slices.SortStableFunc(f.items, func(a, b item) int { return natural(a.label, b.label) })
	f.items = slices.CompactFunc(f.items, func(a, b item) bool { return clean(a) == clean(b) })
}

// saysWhen says whether a word in a name says of which epoch or step it is.
func saysWhen(name string, folder bool) bool {
	return slices.ContainsFunc(parseName(name, folder).fields, func(f field) bool { return f.counts == epochs || f.counts == steps })
}

// relativeTo is a path as seen from dir.
func relativeTo(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil {
		return rel
	}
	return path
}

// IsOne says whether a path names one checkpoint: a file, or a folder that is one and holds no others.
func IsOne(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	if !info.IsDir() {
		return true
	}
	l, err := listFolder(path)
	if err != nil || l.own == "" || len(l.items) > 0 {
		return false
	}
	places, err := seriesBelow(path, l)
	return err == nil && len(places) == 0
}
