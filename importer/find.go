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
	items []item
	notes []string
}

func (f *search) note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
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
	f.notes = append(f.notes, l.notes...)
	f.items = append(f.items, l.items...)
	return nil
}

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
			model, why, err := folder.Within(path)
			var none *folder.NotOne
			switch {
			case err == nil:
				l.items = append(l.items, item{path: modelPath(path, model), folder: true, entry: e.Name()})
				if strings.Contains(why, leftAside) {
					aside[why] = append(aside[why], e.Name())
				}
			case !errors.As(err, &none):
				return nil, err
			case len(none.Files) == 1 && none.Reason == "" && !holdsFolders(path):
				l.items = append(l.items, item{path: filepath.Join(path, none.Files[0]), entry: e.Name(), single: true})
			case len(none.Files) > 0 || none.Reason != "":
				l.unknown = append(l.unknown, none)
			default:
				l.plain = append(l.plain, path)
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

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// atMost shortens a list for a message.
func atMost(list []string, most int) []string {
	if len(list) <= most {
		return list
	}
	return append(slices.Clone(list[:most]), fmt.Sprintf("  … and %d more", len(list)-most))
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

// natural compares names with the numbers in them as numbers: epoch_9 comes before epoch_10.
func natural(a, b string) int {
	for a != "" && b != "" {
		x, restA, numA := chunk(a)
		y, restB, numB := chunk(b)
		if numA && numB {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if len(x) != len(y) {
				return len(x) - len(y)
			}
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
		a, b = restA, restB
	}
	return len(a) - len(b)
}

// chunk cuts off the digits at the front, or what comes before the first ones.
func chunk(s string) (head, rest string, number bool) {
	number = digit(s[0])
	i := 1
	for i < len(s) && digit(s[i]) == number {
		i++
	}
	return s[:i], s[i:], number
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
