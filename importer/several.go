package importer

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"

	"github.com/lawa-replay/lawa-replay/internal/hint"
)

// merged is one series of names of which each has a text of its own, such as a digest, if words say the epochs or steps.
func merged(main []*series) *series {
	out := &series{stem: main[0].stem, epoch: -1, step: -1, date: -1, clock: -1, part: -1}
	seen := map[float64]bool{}
	for _, s := range main {
		if len(s.items) != 1 || s.epoch < 0 && s.step < 0 || (s.epoch < 0) != (main[0].epoch < 0) || (s.step < 0) != (main[0].step < 0) {
			return nil
		}
		p := parsed{stem: s.stem, ending: s.parsed[0].ending}
		for _, f := range []int{s.epoch, s.step} {
			if f >= 0 {
				p.fields = append(p.fields, s.parsed[0].fields[f])
			}
		}
		if v := p.fields[0].value; seen[v] {
			return nil
		} else {
			seen[v] = true
		}
		out.items, out.parsed = append(out.items, s.items[0]), append(out.parsed, p)
	}
	n := 0
	if main[0].epoch >= 0 {
		out.epoch, n = 0, 1
	}
	if main[0].step >= 0 {
		out.step = n
	}
	if len(main) < 3 {
		return nil
	}
	return out
}

// errAsk marks an error that asks: what was found can be understood in several ways.
var errAsk = errors.New("it can be read in several ways")

// seriesError says that there are several series.
type seriesError struct {
	text string
	list []*series
}

func (e *seriesError) Error() string { return e.text }
func (e *seriesError) Unwrap() error { return errAsk }

func clash(list []*series, items []item) error {
	return ask(list, "says which, or name the files", "%d series of checkpoints, such as %s and %s",
		len(list), path.Base(items[list[0].items[0]].label), path.Base(items[list[1].items[0]].label))
}

// ask is the question about several series, with the patterns of the first dozen.
func ask(list []*series, help, format string, args ...any) error {
	err := hint.With(&seriesError{fmt.Sprintf(format, args...), list}, "pattern", help)
	for _, s := range list[:min(12, len(list))] {
		pattern, holds := s.describe()
		err = hint.With(err, patternOption(pattern), holds)
	}
	return err
}

// patternOption is the option with a value, as a shell takes it.
func patternOption(pattern string) string { return "pattern '" + pattern + "'" }

// whatCounts is an error of numbers that cannot be those that count.
func whatCounts(err error) error {
	return hint.With(err, "pattern", "says what in their names counts")
}

// shards says that files are the parts of one checkpoint, where all parts are there.
func (s *series) shards(items []item) error {
	if s.part < 0 || s.epoch >= 0 || s.step >= 0 {
		return nil
	}
	parts := map[float64]bool{}
	total := s.parsed[0].fields[s.part].total
	for _, p := range s.parsed {
		f := p.fields[s.part]
		if f.total != total {
			return nil
		}
		parts[f.value] = true
	}
	if total < 2 || len(parts) < total && !(len(parts) == total-1 && parts[0]) {
		return nil
	}
	return hint.With(fmt.Errorf("%s … are the %d parts of one checkpoint, and their index (such as model.safetensors.index.json) is not there: give the folder with its index",
		path.Base(items[s.items[0]].label), total), "pattern", fmt.Sprintf("says what counts, if they are %d checkpoints", total))
}

// several looks for another number that tells several series of one stem apart, where their epochs (or steps) repeat:
// model_fold1_epoch3, model_fold2_epoch3. nil if there is none.
func (s *series) several(by int) []*series {
	for f := range s.parsed[0].fields {
		if f == by || !s.varies(f) || s.parsed[0].fields[f].counts == date || !s.all(f, func(x field) bool { return !math.IsNaN(x.value) }) {
			continue
		}
		out := s.parted(f)
		if !slices.ContainsFunc(out, func(q *series) bool { return q.repeats(by) }) && len(out) < len(s.items) {
			return out
		}
	}
	return nil
}

// settings are the runs that a seed, or another setting, in the names tells apart, though no epoch of theirs repeats; nil
// if it is one run. Where epochs repeat, that is an error of its own.
func (s *series) settings() []*series {
	by := max(s.epoch, s.step)
	if by < 0 || s.repeats(by) {
		return nil
	}
	for f := range s.parsed[0].fields {
		if s.varies(f) && s.all(f, func(x field) bool { return x.counts == setting }) {
			return s.parted(f)
		}
	}
	return nil
}

// parted is the series of each value of a field.
func (s *series) parted(f int) []*series {
	parts := map[float64]*series{}
	for n, p := range s.parsed {
		v := p.fields[f].value
		if parts[v] == nil {
			parts[v] = &series{stem: s.stem}
		}
		q := parts[v]
		q.items, q.parsed = append(q.items, s.items[n]), append(q.parsed, p)
	}
	var out []*series
	for _, v := range slices.Sorted(maps.Keys(parts)) {
		parts[v].choose()
		out = append(out, parts[v])
	}
	return out
}

// repeats says whether two names of the series have the same number in a field.
func (s *series) repeats(f int) bool {
	seen := map[float64]bool{}
	for _, p := range s.parsed {
		v := p.fields[f].value
		if seen[v] {
			return true
		}
		seen[v] = true
	}
	return false
}
