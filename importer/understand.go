package importer

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// opened is a checkpoint with what its name says.
type opened struct {
	item
	name name
	c    checkpoint.Checkpoint
	of   *series // nil under a pattern
}

// understand takes those of the items that are ready; what the names say follows from all of them.
func understand(items []item, ready func(item) bool, o Options) (*Understood, error) {
	if o.Files == nil {
		o.Files = formats.Files{}
	}
	u, open := &Understood{files: o.Files}, o.opener()
	all, left, err := o.openReady(items, ready, open)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		if len(left) > 0 && o.watching { // nothing new
			u.report(left, nil)
			return u, nil
		}
		return nil, fmt.Errorf("none of the %d checkpoints has a number in its name where the pattern has one", len(items))
	}
	if err := open.untie(all); err != nil {
		return nil, err
	}
	inFolder := map[string]int{}
	for _, it := range items {
		inFolder[filepath.Dir(it.path)]++
	}
	for _, a := range all {
		sidecars(a.c.About(), inFolder[filepath.Dir(a.path)] == 1)
	}
	compare := &comparer{}
	if err := lookAtLeft(left, all, open, compare); err != nil {
		return nil, err
	}
	all, left = o.distinct(all, left, compare)
	u.report(left, all)
	numbers, err := o.number(all, u)
	if err == nil {
		err = alike(all)
	}
	if err == nil {
		err = u.take(all, numbers, open.o)
	}
	if err == nil {
		err = u.sort()
	}
	if err == nil && o.Log != "" {
		err = u.readLog(o)
	}
	if err != nil {
		return nil, err
	}
	return u, nil
}

// openReady opens those of the items that are ready and of the series, and says which are not of it. Where several series
// clash, but are copies of one, that one is taken.
func (o Options) openReady(items []item, ready func(item) bool, open *opener) (all []opened, left []leftOut, err error) {
	names, series, err := o.names(items)
	var clash *seriesError
	if errors.As(err, &clash) {
		if kept, copies, ok := withoutCopies(items, clash, open); ok {
			items, left = kept, slices.DeleteFunc(copies, func(l leftOut) bool { return !ready(l.item) })
			names, series, err = o.names(items)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	for i, it := range items {
		if !ready(it) {
			continue
		}
		if names[i].skip != "" {
			left = append(left, leftOut{item: it, name: names[i], why: names[i].skip})
			continue
		}
		c, err := open.open(it.path)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, opened{item: it, name: names[i], c: c, of: series[i]})
	}
	return all, left, nil
}

// lookAtLeft finds of what those that are left out are copies. One that was named is an error.
func lookAtLeft(left []leftOut, all []opened, open *opener, compare *comparer) error {
	for i := range left {
		l := &left[i]
		if l.copy == "" {
			l.look(all, open, compare)
		}
		if !l.named {
			continue
		}
		why := l.why
		if l.copy != "" {
			why = "it holds the weights of " + l.copy + " once more"
		}
		return whatCounts(fmt.Errorf("%s was named with the others, but %s: name those that are of the series", l.label, why))
	}
	return nil
}

// take takes over the checkpoints with their numbers, and what is noted in them.
func (u *Understood) take(all []opened, numbers []numbers, o checkpoint.Options) error {
	noted := map[string]bool{}
	for i, a := range all {
		abs, err := filepath.Abs(a.path)
		if err != nil {
			return err
		}
		about := a.c.About()
		f := Found{Names: a.name.String(), Inside: inside(about.Info), Tensors: len(a.c.Tensors()), Weights: checkpoint.Size(a.c), Format: about.Format, c: a.c, label: a.base()}
		f.Checkpoint = trajectory.Checkpoint{Epoch: numbers[i].epoch, Step: numbers[i].step, Bytes: about.FileBytes, Source: abs,
			Link: trajectory.NewLink(abs, a.c, o), Metrics: map[string]trajectory.Number{}}
		u.Checkpoints = append(u.Checkpoints, f)
		for _, n := range about.Notes {
			noted[n] = true
		}
	}
	for _, n := range slices.Sorted(maps.Keys(noted)) {
		u.note("%s", n)
	}
	u.Tied, u.Shards = all[0].c.Tied(), all[0].c.About().Shards
	u.beside(all)
	return nil
}
