package importer

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint/folder"
	notread "github.com/lawa-replay/lawa-replay/checkpoint/other"
)

// How deep, and among how many folders, checkpoints are looked for below a folder that holds none itself. MLflow's
// mlruns/0/RUN/artifacts/checkpoints/epoch_1/model/data is the deepest that is known.
const (
	maxLevels  = 8
	maxFolders = 5000
)

// site is a folder with checkpoints below one that has none.
type site struct {
	dir string
	*listed
}

// series says whether they are numbered like checkpoints.
func (p site) series() bool { return isSeries(p.items) }

// places are the folders below dir that hold checkpoints, and what else there is.
type places struct {
	list    []site
	unknown []*folder.NotOne
	runs    []string
	folders int
	seen    map[string]bool // by the path without links
}

// look lists what lies below a folder.
func (p *places) look(dir string, l *listed, level int) error {
	deeper := slices.Clone(l.plain)
	for _, u := range l.unknown {
		deeper = append(deeper, u.Dir)
	}
	slices.SortFunc(deeper, natural)
	for _, sub := range deeper {
		if real, err := filepath.EvalSymlinks(sub); err != nil || p.seen[real] {
			continue
		} else {
			p.seen[real] = true
		}
		if p.folders++; p.folders > maxFolders {
			return fmt.Errorf("%s: more than %d folders below it: name the one with the checkpoints", dir, maxFolders)
		}
		in, err := listFolder(sub)
		var none *folder.NotOne
		if errors.As(err, &none) {
			p.unknown = append(p.unknown, none)
			continue
		} else if err != nil {
			return err
		}
		p.runs = append(p.runs, in.runs...)
		if len(in.items) > 0 || in.own != "" {
			p.list = append(p.list, site{sub, in})
		} else if level < maxLevels {
			if err := p.look(sub, in, level+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func lookBelow(dir string, top *listed) (*places, error) {
	p := &places{runs: top.runs, seen: map[string]bool{}}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		p.seen[real] = true
	}
	return p, p.look(dir, top, 1)
}

// seriesBelow are the folders with series of checkpoints below one that holds a model, or some without numbers. One that
// is called as checkpoints are is one itself, whatever lies in it.
func seriesBelow(dir string, l *listed) ([]site, error) {
	if len(l.items) == 0 && l.own == "" {
		return nil, nil
	}
	if abs, err := filepath.Abs(dir); err != nil || l.own == dir || saysWhen(filepath.Base(abs), true) {
		return nil, err
	}
	p, err := lookBelow(dir, l)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(p.list, func(p site) bool { return !p.series() || strings.HasPrefix(l.own, p.dir+string(filepath.Separator)) }), nil
}

// beside takes the series below a folder in place of the models without a number that lie in it.
func (f *search) beside(dir string, l *listed, series []site) error {
	if len(series) > 1 {
		return severalPlaces(dir, series)
	}
	var models []string
	if l.own != "" {
		models = append(models, relativeTo(dir, l.own))
	}
	for _, i := range l.items {
		models = append(models, relativeTo(dir, i.path))
	}
	f.note("the checkpoints are those of %s", series[0].dir)
	f.note("left out: %s above them, for no number is in the name (name it to take it alone)", strings.Join(atMost(models, 4), ", "))
	return f.add(series[0].dir)
}

// below finds the one folder below that holds checkpoints, such as checkpoints/ in Lightning's version_0.
func (f *search) below(dir string, top *listed) error {
	var alike []item // folders called like checkpoints, of which the model's file is not known
	for _, u := range top.unknown {
		alike = append(alike, item{path: u.Dir, folder: true, entry: filepath.Base(u.Dir)})
	}
	if isSeries(alike) {
		u := top.unknown[0]
		return fmt.Errorf("%w: which file is the model's in folders such as this one? Name it by a pattern, such as '%s'", u, filepath.Join(dir, "*", cmp.Or(first(u.Files), "model.pt")))
	}
	p, err := lookBelow(dir, top)
	if err != nil {
		return err
	}
	switch {
	case len(p.runs) > 0 && len(p.list) == 0:
		return fmt.Errorf("%s holds trajectories, not checkpoints; name them:\n  %s", dir, strings.Join(atMost(p.runs, 20), "\n  "))
	case len(p.list) == 1:
		f.note("the checkpoints are those of %s", p.list[0].dir)
		return f.add(p.list[0].dir)
	case oneOfEach(dir, p.list):
		for _, in := range p.list {
			if err := f.add(in.dir); err != nil {
				return err
			}
		}
		for n := range f.items {
			f.items[n].named = false
		}
		return nil
	case len(p.list) > 1:
		return severalPlaces(dir, p.list)
	case len(p.unknown)+len(top.unknown) > 0:
		var list []string
		for _, u := range append(top.unknown, p.unknown...) {
			list = append(list, "  "+u.Error())
		}
		return fmt.Errorf("%w are known in %s; name the files, or a pattern of them:\n%s", ErrNoCheckpoints, dir, strings.Join(atMost(list, 10), "\n"))
	}
	if others := otherPrograms(dir); len(others) > 0 {
		return fmt.Errorf("%w in %s that can be read; it holds\n%s", ErrNoCheckpoints, dir, strings.Join(others, "\n"))
	}
	return fmt.Errorf("%w in %s, nor in folders up to %d levels below it: no files ending in %s, and no folders with model.safetensors, .metadata or another framework's name of the model",
		ErrNoCheckpoints, dir, maxLevels, strings.Join(endings, ", "))
}

func severalPlaces(dir string, places []site) error {
	var list []string
	for _, p := range places {
		list = append(list, fmt.Sprintf("  %s  (%d)", p.dir, max(1, len(p.items))))
	}
	return fmt.Errorf("%w: %d folders below %s hold checkpoints; name one of them:\n%s", errAsk, len(list), dir, strings.Join(atMost(list, 20), "\n"))
}

// oneOfEach says whether folders hold one checkpoint each, and differ in a number alone, as MLflow's model_1/data and
// model_2/data: they are a series then.
func oneOfEach(dir string, list []site) bool {
	var labels []item
	for _, p := range list {
		if len(p.items) > 0 && (p.own != "" || len(p.items) > 1) {
			return false
		}
		labels = append(labels, item{label: filepath.ToSlash(relativeTo(dir, p.dir)), folder: true})
	}
	g := group(labels)
	return len(g) == 1 && len(list) > 1 && g[0].numbered()
}

// otherPrograms lists the files below a folder that are known to be checkpoints which are not read: how many, and what.
func otherPrograms(dir string) []string {
	count := map[string]int{}
	example := map[string]string{}
	seen := 0
	filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if seen++; seen > maxFolders {
			return fs.SkipAll
		}
		if err != nil || e.IsDir() {
			return nil
		}
		if what := notread.Program(e.Name()); what != "" {
			if count[what]++; count[what] == 1 {
				example[what] = relativeTo(dir, path)
			}
		}
		return nil
	})
	var out []string
	for what, n := range count {
		more := ""
		if n > 1 {
			more = fmt.Sprintf(" and %d more", n-1)
		}
		out = append(out, fmt.Sprintf("  %s%s: %s", example[what], more, what))
	}
	slices.Sort(out)
	return out
}
