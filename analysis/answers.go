package analysis

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/analysis/paired"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// Question says what is asked of the schemes of a sweep.
type Question struct {
	At        *float64 // epoch of the comparison; nil: the last that the scheme and its reference have
	AgainstAt *float64 // epoch of the point that is compared with; nil: the same place as the scheme's own
	Against   string   // a scheme with which all others are compared, as the table writes it; "": with the checkpoints themselves
	Reference string   // a run whose checkpoints all are compared with, as results.Run.Is knows it; "": each group's own baseline
	Target    *float64 // value of the metric to be reached; nil: the reference's best
	Share     float64  // of the reference's best, to be reached instead, such as 0.99; 0: all of it
	X         string   // axis along which time is counted
	Last      int      // endpoints of the checkpoint noise; 0 is 10
	Draws     int      // of the bootstrap; 0 is the usual number
	Seed      uint64
	// Took says for how many seconds a core or a device was busy with an evaluation, by its key; nil: nobody knows.
	Took func(key string) (seconds float64, known bool)
}

// usualLast is how many endpoints the checkpoint noise is of.
const usualLast = 10

// Answers are those to the questions of averaging: is a scheme better, how sure is that, and how much sooner does it get anywhere.
type Answers struct {
	Metric    metric.Metric
	Split     string
	Axis      Axis
	Reference string // what is compared with: a run's checkpoints, or a scheme; "" where it is each group's own baseline
	Against   bool   // it is a scheme
	AgainstAt *float64
	Basis     []string
	Notes     []Note
	Panels    []AnswersOf
	Bill      []Cost // one for each policy
}

// AnswersOf are those of a group of runs under a policy.
type AnswersOf struct {
	Panel
	Title     string
	Reference *Curve
	Level     float64 // the target
	Reached   Reach   // by the reference
	Noise     float64 // checkpoint noise of the reference
	Endpoints int     // that the noise is of
	Null      *Span   // the longest time saved between the baselines of two runs, where nothing was averaged; nil where there is one run
	Schemes   []Answer
}

// Answer is what is known of a scheme.
type Answer struct {
	Curve     *Curve
	Label     string
	At        *Paired // at the epoch that was asked for; nil where there is no such point, or Why
	Why       string  // why there is no interval
	Noise     float64
	Endpoints int
	Reached   Reach
	Time      TimeSaved
	Worse     int // endpoints at which it is worse than the reference
	Compared  int // endpoints that both have
}

// Ask answers. kept may be nil: then there are no intervals.
func Ask(table *results.Table, o Choice, q Question, kept *examples.Store) (*Answers, error) {
	all := o
	if q.Reference != "" && len(o.Runs) > 0 {
		all.Runs = append(slices.Clone(o.Runs), q.Reference)
	}
	s, err := Select(table, all, UsualMetric(table))
	if err != nil {
		return nil, err
	}
	s.dropBaselines()
	out := &Answers{Metric: s.Metric, Split: s.Split, Basis: s.Basis(), Notes: s.Notes, AgainstAt: q.AgainstAt}
	var curves []*Curve
	for _, p := range s.Panels {
		curves = append(curves, p.All()...)
	}
	if out.Axis, err = AxisOf(q.X, curves); err != nil {
		return nil, err
	}
	var reference *Curve
	if q.Reference != "" && q.Against != "" {
		return nil, errors.New("one reference is wanted: a run, or a scheme")
	}
	if q.Against != "" {
		out.Reference, out.Against = schemeLabel(q.Against), true
	}
	if q.Reference != "" {
		if reference, err = s.Run(q.Reference); err != nil {
			return nil, err
		}
		out.Reference = results.RunList(reference.Group.Runs)
	}
	var e *Examples
	why := ""
	if kept != nil {
		if e, err = ExamplesOf(kept, s.Metric); err != nil {
			why = err.Error()
		}
	}
	if e != nil && len(s.Panels) > 0 && len(s.Panels[0].Baseline.Points) > 0 {
		if clusters, n, err := e.clusters(s.Panels[0].Baseline.Points[0]); err == nil && clusters != nil {
			out.Notes = append(out.Notes, Note{Text: fmt.Sprintf("the %s examples belong to %s documents, which are drawn whole: intervals are over documents", thousands(int64(len(clusters))), thousands(int64(n)))})
		}
	}
	for _, p := range s.Panels {
		if reference != nil && SameRuns(p.Group.Runs, reference.Group.Runs) && len(s.Panels) > 1 {
			continue
		}
		a, err := answersOf(s, p, reference, q, out.Axis, e, why)
		if err != nil {
			return nil, err
		}
		out.Panels = append(out.Panels, a)
	}
	out.Bill = bill(out.Panels, q.Took)
	if q.At != nil && !slices.ContainsFunc(out.Panels, func(p AnswersOf) bool {
		return len(p.Schemes) == 0 || slices.ContainsFunc(p.Schemes, func(a Answer) bool { return a.At != nil })
	}) {
		return nil, fmt.Errorf("no scheme has an evaluation at epoch %g beside what it is compared with", *q.At)
	}
	return out, nil
}

// dropBaselines takes curves out that are the baseline by another name, such as k = 1 under copied statistics: the same evaluations.
func (s *Selection) dropBaselines() {
	for i := range s.Panels {
		p := &s.Panels[i]
		p.Curves = slices.DeleteFunc(p.Curves, func(c *Curve) bool {
			for _, x := range c.Points {
				if b, ok := p.Baseline.At(x.Epoch); !ok || !slices.Equal(x.Keys, b.Keys) || slices.Contains(x.Keys, "") {
					return false
				}
			}
			text := schemeLabel(c.Scheme) + " is the checkpoint itself here, and is left out"
			if !slices.ContainsFunc(s.Notes, func(n Note) bool { return n.Text == text }) {
				s.note("%s", text)
			}
			return true
		})
	}
}

// SameRuns says whether two lists name the same runs, in their order.
func SameRuns(a, b []results.Run) bool {
	return slices.EqualFunc(a, b, func(a, b results.Run) bool { return a.ID() == b.ID() })
}

// Run finds the baseline of a run or of a group of runs that a name calls.
func (s *Selection) Run(name string) (*Curve, error) {
	var names []string
	for _, p := range s.Panels {
		names = append(names, results.RunNames(p.Group.Runs)...)
		if slices.ContainsFunc(p.Group.Runs, func(r results.Run) bool { return r.Is(name) }) {
			all := true
			for _, r := range p.Group.Runs {
				all = all && r.Is(name)
			}
			if all || len(p.Group.Runs) == 1 {
				return p.Baseline, nil
			}
			return ofRun(p.Baseline, slices.IndexFunc(p.Group.Runs, func(r results.Run) bool { return r.Is(name) })), nil
		}
	}
	return nil, fmt.Errorf("no run %q in these results, which hold %s", name, strings.Join(names, ", "))
}

// ofRun is the curve of one of its runs.
func ofRun(c *Curve, run int) *Curve {
	out := *c
	out.Group = &Group{Name: c.Group.Name, Runs: []results.Run{c.Group.Runs[run]}}
	out.Points = nil
	for _, p := range c.Points {
		p.Value, p.Values, p.Keys = p.Values[run], p.Values[run:run+1], p.Keys[run:run+1]
		p.Low, p.High, p.SD = p.Value, p.Value, math.NaN()
		out.Points = append(out.Points, p)
	}
	return &out
}

func answersOf(s *Selection, p Panel, reference *Curve, q Question, axis Axis, e *Examples, why string) (AnswersOf, error) {
	if reference == nil {
		reference = p.Baseline
	}
	if q.Against != "" {
		i := slices.IndexFunc(p.Curves, func(c *Curve) bool { return c.Scheme == q.Against })
		if i < 0 {
			var known []string
			for _, c := range p.Curves {
				known = append(known, c.Scheme)
			}
			return AnswersOf{}, unknownScheme(q.Against, known)
		}
		reference = p.Curves[i]
	}
	last := q.Last
	if last == 0 {
		last = usualLast
	}
	draws := paired.Options{Draws: q.Draws, Seed: q.Seed}
	if q.AgainstAt != nil {
		if _, ok := reference.At(*q.AgainstAt); !ok {
			return AnswersOf{}, fmt.Errorf("there is no evaluation of what is compared with at epoch %g", *q.AgainstAt)
		}
	}
	out := AnswersOf{Panel: p, Title: s.Title(p), Reference: reference}
	if best, ok := reference.Best(s.Metric); ok {
		out.Level = best.Value
		if q.Share > 0 {
			out.Level *= q.Share
		}
	}
	if q.Target != nil {
		out.Level = *q.Target
	}
	out.Reached = Reaches(reference, out.Level, s.Metric)
	out.Noise, out.Endpoints = Noise(reference, last)
	if reference == p.Baseline {
		if null, ok, err := NullSaved(reference, s.Metric, axis); err != nil {
			return out, err
		} else if ok {
			out.Null = &Span{null, math.NaN(), math.NaN()}
		}
	}
	labels := Labels(p.All())
	for i, c := range p.Curves {
		if c == reference {
			continue
		}
		a := Answer{Curve: c, Label: labels[i+1], Why: why, Reached: Reaches(c, out.Level, s.Metric)}
		a.Noise, a.Endpoints = Noise(c, last)
		for _, x := range c.Points {
			if b, ok := pointAt(reference, x, axis); ok {
				if a.Compared++; s.Metric.Better(b.Value, x.Value) {
					a.Worse++
				}
			}
		}
		own := e
		var err error
		if a.At, err = pairAt(c, reference, q, axis, own, draws); err != nil {
			if !errors.Is(err, ErrNoExamples) && !errors.Is(err, errOthers) {
				return out, err
			}
			a.Why, own = err.Error(), nil
			if a.At, err = pairAt(c, reference, q, axis, nil, draws); err != nil {
				return out, err
			}
		}
		if a.Time, err = SaveTime(reference, c, s.Metric, axis, own, draws); err != nil {
			if !errors.Is(err, ErrNoExamples) && !errors.Is(err, errOthers) {
				return out, err
			}
			a.Why = err.Error()
			if a.Time, err = SaveTime(reference, c, s.Metric, axis, nil, draws); err != nil {
				return out, err
			}
		}
		out.Schemes = append(out.Schemes, a)
	}
	return out, nil
}

// pointAt is the point of a curve at the same place of an axis as another's.
func pointAt(c *Curve, x Point, axis Axis) (Point, bool) {
	for _, p := range c.Points {
		if math.Abs(axis.x(p)-axis.x(x)) <= 1e-6*math.Max(1, math.Abs(axis.x(x))) {
			return p, true
		}
	}
	return Point{}, false
}

// pairAt compares a curve with a reference at an epoch of the curve's, or the last that both have, or with the reference at an epoch of
// its own. Without examples the interval is not known.
func pairAt(c, reference *Curve, q Question, axis Axis, e *Examples, o paired.Options) (*Paired, error) {
	for _, x := range slices.Backward(c.Points) {
		if q.At != nil && !same(x.Epoch, *q.At) {
			continue
		}
		b, ok := pointAt(reference, x, axis)
		if q.AgainstAt != nil {
			b, ok = reference.At(*q.AgainstAt)
		}
		if !ok {
			continue
		}
		if e == nil {
			out := Paired{A: x, B: b, Examples: paired.Unknown(x.Value - b.Value), Runs: paired.OverRuns(nil), Better: math.NaN()}
			return &out, nil
		}
		out, err := e.Pair(x, b, o)
		return &out, err
	}
	return nil, nil
}
