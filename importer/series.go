package importer

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/trajectory"
)

// name is what a checkpoint's name says. NaN says nothing.
type name struct {
	epoch, step float64
	date, clock float64   // a date in seconds; a number of tokens or samples
	bare        []float64 // numbers of which the name does not say what they count
	padded      []bool    // which of them have zeros in front
	lightning   bool      // epoch=3-step=400, which counts epochs from 0
	skip        string    // why it is left out; "" if it is not
}

// nothing is what a name says that says nothing.
func nothing() name {
	return name{epoch: math.NaN(), step: math.NaN(), date: math.NaN(), clock: math.NaN()}
}

// none says whether it has no number by which it could be ordered.
func (n name) none() bool {
	return math.IsNaN(n.epoch) && math.IsNaN(n.step) && math.IsNaN(n.date) && math.IsNaN(n.clock) && len(n.bare) == 0
}

func (n name) String() string {
	var parts []string
	say := func(what string, v float64) {
		if !math.IsNaN(v) {
			parts = append(parts, what+" "+plain(v))
		}
	}
	say("epoch", n.epoch)
	say("step", n.step)
	if len(parts) == 0 {
		for _, v := range n.bare {
			say("number", v)
		}
		say("amount", n.clock)
		if !math.IsNaN(n.date) {
			parts = append(parts, dateText(n.date))
		}
	}
	if len(parts) == 0 {
		return "–"
	}
	return strings.Join(parts, ", ")
}

// lightningName is how Lightning's ModelCheckpoint names files, with a step or a metric.
var lightningName = regexp.MustCompile(`epoch=\d+-step=\d+|(?:^|[-/])epoch=\d+(?:-.*)?\.ckpt$`)

// twinWords are those of checkpoints that stand beside a series: chosen ones, the last once more, averages.
var twinWords = map[string]string{
	"best": "the best", "last": "the last", "latest": "the last", "final": "the last", "final_model": "the last", "newest": "the last",
	"avg": "an average", "ave": "an average", "average": "an average", "averaged": "an average", "mean": "an average", "swa": "an average", "soup": "an average", "souped": "an average",
	"merged": "an average", "lawa": "an average", "ema": "an average", "backup": "a copy", "tmp": "a temporary file", "temp": "a temporary file",
}

// twin says as what a name marks its file, if it does.
func twin(label string) string {
	for _, w := range words(label) {
		if what := twinWords[w]; what != "" {
			return what
		}
	}
	return ""
}

// series is the items of one stem.
type series struct {
	stem   string
	items  []int // of the list
	parsed []parsed
	epoch  int // which field says the epoch; −1
	step   int
	date   int
	clock  int
	bare   []int
	part   int
	twin   string
}

// group puts the items together by stem, in the order of their first one.
func group(items []item) []*series {
	byStem := map[string]*series{}
	var out []*series
	for n, i := range items {
		p := parseName(i.label, i.folder)
		s := byStem[p.stem]
		if s == nil {
			s = &series{stem: p.stem, twin: twin(i.label)}
			byStem[p.stem] = s
			out = append(out, s)
		}
		s.items, s.parsed = append(s.items, n), append(s.parsed, p)
	}
	for _, s := range out {
		s.choose()
	}
	return out
}

// varies says whether a field differs within the series.
func (s *series) varies(field int) bool {
	for _, p := range s.parsed {
		if p.fields[field].value != s.parsed[0].fields[field].value {
			return true
		}
	}
	return false
}

// all says whether a field fulfils something throughout.
func (s *series) all(f int, is func(field) bool) bool {
	return !slices.ContainsFunc(s.parsed, func(p parsed) bool { return !is(p.fields[f]) })
}

// choose finds which fields count what: of several, the one that varies; numbers that do not vary count nothing, where
// there are others to compare with.
func (s *series) choose() {
	s.epoch, s.step, s.date, s.clock, s.part = -1, -1, -1, -1, -1
	take := func(at *int, f int) {
		if *at < 0 || s.varies(f) && !s.varies(*at) {
			*at = f
		}
	}
	for f := range s.parsed[0].fields {
		is := func(c counts) bool { return s.all(f, func(x field) bool { return x.counts == c }) }
		switch {
		case is(epochs):
			take(&s.epoch, f)
		case is(steps):
			take(&s.step, f)
		case is(date):
			take(&s.date, f)
		case is(amount):
			take(&s.clock, f)
		case is(part):
			take(&s.part, f)
		case s.all(f, func(x field) bool { return x.counts == something && x.whole }) && (len(s.items) == 1 || s.varies(f)):
			s.bare = append(s.bare, f)
		}
	}
	if s.part >= 0 {
		s.bare = append(s.bare, s.part)
	}
}

// numbered says whether the series has numbers to order it by.
func (s *series) numbered() bool {
	return s.epoch >= 0 || s.step >= 0 || s.date >= 0 || s.clock >= 0 || len(s.bare) > 0
}

// name is what the n-th name of the series says.
func (s *series) name(n int, label string) name {
	out := nothing()
	out.lightning = lightningName.MatchString(label)
	at := func(f int, to *float64) {
		if f >= 0 {
			*to = s.parsed[n].fields[f].value
		}
	}
	at(s.epoch, &out.epoch)
	at(s.step, &out.step)
	at(s.date, &out.date)
	at(s.clock, &out.clock)
	if s.epoch < 0 && s.step < 0 {
		for _, f := range s.bare {
			out.bare = append(out.bare, s.parsed[n].fields[f].value)
			out.padded = append(out.padded, s.all(f, func(x field) bool { return len(x.text) == len(s.parsed[0].fields[f].text) }) &&
				slices.ContainsFunc(s.parsed, func(p parsed) bool { return p.fields[f].padded }))
		}
	}
	return out
}

// pattern writes the series as a --pattern in which field f is {epoch} or {step}, or with none of them as a glob.
func (s *series) pattern(f int, what string) string {
	var out strings.Builder
	n := 0
	for i := 0; i < len(s.stem); i++ {
		if s.stem[i] != 0 {
			out.WriteByte(s.stem[i])
			continue
		}
		switch {
		case n == f && what != "":
			out.WriteString("{" + what + "}")
		case (s.varies(n) || n == f) && s.all(n, func(x field) bool { return x.whole || x.counts == other && !math.IsNaN(x.value) }):
			out.WriteByte('#')
		case s.varies(n) || n == f:
			out.WriteByte('*')
		default:
			out.WriteString(s.parsed[0].fields[n].text)
		}
		n++
	}
	ending := s.parsed[0].ending
	if slices.ContainsFunc(s.parsed, func(p parsed) bool { return p.ending != ending }) {
		ending = ".*"
	}
	return out.String() + ending
}

// describe is a line of a question: the pattern that takes the series; how many it has, and from where to where.
func (s *series) describe() (pattern, holds string) {
	f, what := s.epoch, "epoch"
	switch {
	case f >= 0:
	case s.step >= 0:
		f, what = s.step, "step"
	case len(s.bare) > 0:
		f = s.bare[0]
	case s.clock >= 0:
		f, what = s.clock, "step"
	default:
		f, what = s.date, ""
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range s.parsed {
		if f >= 0 {
			low, high = min(low, p.fields[f].value), max(high, p.fields[f].value)
		}
	}
	span := ""
	if what != "" && f >= 0 {
		span = ", " + plain(low)
		if low != high {
			span += " to " + plain(high)
		}
	}
	return s.pattern(f, what), fmt.Sprintf("(%d%s)", len(s.items), span)
}

// plain writes a number of a name as people do.
func plain(v float64) string {
	if v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return trajectory.EpochName(v)
}
