package importer

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/hint"
)

// readLog gives the checkpoints what a training log says of their step, or epoch.
func (u *Understood) readLog(o Options) error {
	t, err := openLog(o.Log)
	if err != nil {
		return err
	}
	m, err := u.match(t, o.LogOffset)
	if err != nil {
		return fmt.Errorf("%s: %w", o.Log, err)
	}
	columns, notes := t.understand()
	matched := 0
	given, several := map[string]int{}, map[string]string{}
	rows := make([]*row, len(u.Checkpoints)) // the last one of each
	index := m.index(t.rows)
	for i := range u.Checkpoints {
		f := &u.Checkpoints[i]
		was := map[string]float64{}
		for _, j := range index.of(f) {
			rows[i] = &t.rows[j]
			f.logged(*rows[i], columns)
			for _, l := range t.rows[j].values {
				name := columns[l.column].name
				if v, had := was[name]; had && v != l.value && several[name] == "" && !math.IsNaN(v) {
					several[name] = fmt.Sprintf("%s (%.5g, %.5g)", name, v, l.value)
				} else if !had {
					given[name]++
				}
				was[name] = l.value
			}
		}
		if rows[i] != nil {
			matched++
		}
	}
	for _, n := range append(t.notes, notes...) {
		u.note("%s: %s", o.Log, n)
	}
	if m.bySteps {
		u.restByEpoch(t, columns, given, o)
	}
	u.note("%s", u.example(o.Log, m, rows))
	u.noteMissing(o.Log, columns, given, matched)
	for _, name := range []string{"", "lr", "seconds", "tokens"} { // these change from row to row
		delete(several, name)
	}
	if len(several) > 0 {
		u.note("%s: several rows of one checkpoint differ, and the last counts: %s", o.Log, strings.Join(atMost(slices.Sorted(maps.Values(several)), 8), ", "))
	}
	return nil
}

// noteMissing says what of a log the checkpoints, of which some were matched, did not get.
func (u *Understood) noteMissing(log string, columns []column, given map[string]int, matched int) {
	n := len(u.Checkpoints)
	if matched < n {
		u.note("%s has rows for %d of %d checkpoints", log, matched, n)
	}
	if !slices.ContainsFunc(columns, func(c column) bool { return c.name != "" }) {
		u.note("%s: none of its columns is kept", log)
	}
	var fewer []string
	for _, c := range columns {
		if c.name != "" && given[c.name] < matched {
			fewer = append(fewer, fmt.Sprintf("%s for %d of %d", c.name, given[c.name], n))
		}
	}
	if len(fewer) > 0 {
		u.note("%s: not in the rows of all checkpoints: %s", log, strings.Join(atMost(fewer, 8), ", "))
	}
}

// restByEpoch matches columns by epoch of which no row has a checkpoint's step, if there is one way to: rows of validation
// may count their own batches, as MMCV's do. It adds to given.
func (u *Understood) restByEpoch(t *table, columns []column, given map[string]int, o Options) {
	rest := &table{columns: t.columns}
	for _, r := range t.rows {
		r.values = slices.DeleteFunc(slices.Clone(r.values), func(l logged) bool {
			name := columns[l.column].name
			return name == "" || name == "seconds" || given[name] > 0
		})
		if len(r.values) > 0 && !math.IsNaN(r.epoch) {
			rest.rows = append(rest.rows, r)
		}
	}
	spans := spanOf(rest.rows)
	if !spans.epochs || o.LogOffset != nil {
		return
	}
	var full []matching
	for _, shift := range u.epochShifts(spans) {
		if m := (matching{false, shift}); m.covers(rest.rows, u.Checkpoints) == len(u.Checkpoints) {
			full = append(full, m)
		}
	}
	if len(full) != 1 {
		return
	}
	index := full[0].index(rest.rows)
	added := map[string]int{}
	for i := range u.Checkpoints {
		has := map[string]bool{}
		for _, j := range index.of(&u.Checkpoints[i]) {
			u.Checkpoints[i].logged(rest.rows[j], columns)
			for _, l := range rest.rows[j].values {
				has[columns[l.column].name] = true
			}
		}
		for name := range has {
			added[name]++
		}
	}
	maps.Copy(given, added)
	u.note("%s: no row of %s has a checkpoint's step: matched by %s", o.Log, strings.Join(atMost(slices.Sorted(maps.Keys(added)), 8), ", "), full[0])
}

// example shows which rows the first and the last checkpoint were given.
func (u *Understood) example(path string, m matching, rows []*row) string {
	text := fmt.Sprintf("%s is matched by %s", path, m)
	describe := func(i int) string {
		f, r := u.Checkpoints[i], rows[i]
		var parts []string
		if !math.IsNaN(r.epoch) {
			parts = append(parts, "epoch "+plain(r.epoch))
		}
		if !math.IsNaN(r.step) {
			parts = append(parts, "step "+plain(r.step))
		}
		what := f.label + " has the row of " + strings.Join(parts, ", ")
		for _, name := range []string{"val/loss", "val/top1", "train/loss"} {
			if v, ok := f.Metrics[name]; ok {
				return what + fmt.Sprintf(" (%s %.5g)", name, float64(v))
			}
		}
		return what
	}
	firstOf := slices.IndexFunc(rows, func(r *row) bool { return r != nil })
	last := len(rows) - 1
	for rows[last] == nil {
		last--
	}
	text += ": " + describe(firstOf)
	if last != firstOf {
		text += "; " + describe(last)
	}
	return text
}

// match finds how the rows belong to the checkpoints: by step where both have steps, otherwise by epoch, as the log
// counts itself or as the checkpoints do. A log that fits two ways is a question.
func (u *Understood) match(t *table, given *float64) (matching, error) {
	spans := spanOf(t.rows)
	var ways [2][]matching // by step, by epoch
	switch {
	case u.StepsUnknown || !spans.steps:
	case given != nil:
		ways[0] = []matching{{true, *given}}
	case spans.firstStep == 0: // counts from 0
		ways[0] = []matching{{true, 1}, {true, 0}}
	case spans.firstStep == 1:
		ways[0] = []matching{{true, 0}}
	default:
		ways[0] = []matching{{true, 0}, {true, 1}}
	}
	switch {
	case !spans.epochs:
	case given != nil:
		ways[1] = []matching{{false, *given}}
	default:
		for _, shift := range u.epochShifts(spans) {
			ways[1] = append(ways[1], matching{false, shift})
		}
	}
	best, most, n := matching{}, 0, len(u.Checkpoints)
	for by, list := range ways {
		var full []matching
		for _, m := range list {
			c := m.covers(t.rows, u.Checkpoints)
			if c > most {
				best, most = m, c
			}
			if c == n {
				full = append(full, m)
			}
		}
		if by == 0 && len(full) == 2 && spans.firstStep == 0 {
			full = full[:1] // its first row says how it counts
		}
		switch len(full) {
		case 0:
		case 1:
			return full[0], nil
		default:
			return matching{}, u.twoWays(t, full)
		}
	}
	if most == 0 {
		err := fmt.Errorf("none of its %d rows is of an epoch or step of the checkpoints: the log has epochs %s and steps %s, the checkpoints %s", len(t.rows), spans.text(true), spans.text(false), u.spans())
		if u.StepsUnknown {
			err = hint.With(err, "pattern", "with {step} in it says that the names' numbers are steps")
		}
		return matching{}, err
	}
	return best, nil
}

// spans says from where to where the checkpoints count.
func (u *Understood) spans() string {
	first, last := u.Checkpoints[0], u.Checkpoints[len(u.Checkpoints)-1]
	text := fmt.Sprintf("epochs %s to %s", plain(first.Epoch), plain(last.Epoch))
	if u.StepsUnknown {
		return text + " and no known steps (if the log's are epochs, call its column epoch)"
	}
	return text + fmt.Sprintf(" and steps %d to %d", first.Step, last.Step)
}

// twoWays is the question.
func (u *Understood) twoWays(t *table, ways []matching) error {
	last := &u.Checkpoints[len(u.Checkpoints)-1]
	err := fmt.Errorf("%w: the log fits the checkpoints in %d ways, counted from 0 or from 1", errAsk, len(ways))
	for _, m := range ways {
		if of := m.index(t.rows).of(last); len(of) > 0 {
			r := t.rows[of[len(of)-1]]
			what, v := "epoch", r.epoch
			if m.bySteps {
				what, v = "step", r.step
			}
			err = hint.With(err, "log-offset "+plain(m.shift), fmt.Sprintf("gives %s the row of %s %s", last.label, what, plain(v)))
		}
	}
	return err
}

// epochShifts are what may have to be added to a log's epochs: what was added to the checkpoints' own, as written by the
// same program; 1 where the log counts from 0; and −1 where it counts from 1, and the checkpoints from 0.
func (u *Understood) epochShifts(s span) []float64 {
	if s.fractions { // of epochs completed
		return []float64{0}
	}
	var out []float64
	add := func(v float64) {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	if s.firstEpoch == 0 {
		add(1)
	}
	add(u.offset)
	if s.firstEpoch == 1 {
		add(0)
	}
	if s.firstEpoch == 1 && u.Checkpoints[0].Epoch == 0 && u.offset == 0 {
		add(-1)
	}
	return out
}
