package report

import (
	"errors"
	"math"
	"strings"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/examples"
)

// The data of the page's charts; null is what is not known.
type (
	pageData struct {
		Metrics []metricData `json:"metrics"`
		Splits  []string     `json:"splits"`
		Axes    []axisData   `json:"axes"`
		Panels  []panelData  `json:"panels"`
	}
	metricData struct {
		Name   string `json:"name"`
		Label  string `json:"label"`
		Unit   string `json:"unit"`
		Better string `json:"better"`
		Digits int    `json:"digits"`
	}
	axisData struct {
		Name  string `json:"name"`
		Label string `json:"label"`
	}
	panelData struct {
		Title  string       `json:"title"`
		Chosen int          `json:"chosen"` // place among the schemes
		Curves []*curveData `json:"curves"`
	}
	curveData struct {
		Scheme   string                     `json:"scheme"`
		Label    string                     `json:"label"`
		K        int                        `json:"k"`
		Baseline bool                       `json:"baseline"`
		X        map[string][]*float64      `json:"x"` // by axis
		Y        map[string][]*float64      `json:"y"` // by metric|split
		D        map[string]*differenceData `json:"d"`
	}
	differenceData struct {
		Value []*float64 `json:"value"`
		Low   []*float64 `json:"low"`
		High  []*float64 `json:"high"`
	}
)

// number is null for what JSON has no number for; digits beyond seven are noise of float32 networks.
func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	if v != 0 {
		scale := math.Pow(10, 7-math.Ceil(math.Log10(math.Abs(v))))
		if r := math.Round(v*scale) / scale; !math.IsNaN(r) && !math.IsInf(r, 0) {
			v = r
		}
	}
	return &v
}

// dataOf takes the curves of all metrics and splits, panel by panel as the answers have them.
func dataOf(t *results.Table, o analysis.Choice, a *analysis.Answers, kept *examples.Store) (*pageData, error) {
	out := &pageData{Splits: []string{a.Split}}
	for _, s := range t.Values(func(r results.Row) string { return r.Split }) {
		if s != a.Split {
			out.Splits = append(out.Splits, s)
		}
	}
	names := []string{a.Metric.Name}
	for _, m := range t.Values(func(r results.Row) string { return r.Metric }) {
		if m != a.Metric.Name {
			names = append(names, m)
		}
	}
	var all []*analysis.Curve
	for _, p := range a.Panels {
		all = append(all, p.All()...)
	}
	var axes []analysis.Axis
	for _, axis := range analysis.Axes() {
		if axis, err := analysis.AxisOf(axis.Name, all); err == nil {
			axes = append(axes, axis)
			out.Axes = append(out.Axes, axisData{axis.Name, axis.Label})
		}
	}
	for _, p := range a.Panels {
		one := panelData{Title: p.Title}
		labels := analysis.Labels(p.All())
		for i, c := range p.All() {
			d := &curveData{Scheme: c.Scheme, Label: labels[i], K: c.K, Baseline: c == p.Baseline, X: map[string][]*float64{}, Y: map[string][]*float64{}, D: map[string]*differenceData{}}
			if d.Baseline {
				d.Label = "checkpoint"
			}
			for _, axis := range axes {
				for _, point := range c.Points {
					d.X[axis.Name] = append(d.X[axis.Name], number(axis.X(point)))
				}
			}
			one.Curves = append(one.Curves, d)
		}
		out.Panels = append(out.Panels, one)
	}
	for _, name := range names {
		for i, split := range out.Splits {
			o := o
			o.Metric, o.Split = name, split
			if name != a.Metric.Name {
				o.Better = ""
			}
			s, err := analysis.Select(t, o, name)
			if err != nil {
				continue // not every split has every metric
			}
			if i == 0 {
				m := metricData{Name: name, Label: s.Metric.Label, Unit: s.Metric.Unit, Better: "lower", Digits: 4}
				if s.Metric.HigherBetter {
					m.Better = "higher"
				}
				if m.Unit == "%" {
					m.Digits = 2
				}
				out.Metrics = append(out.Metrics, m)
			}
			var e *analysis.Examples
			if kept != nil {
				e, _ = analysis.ExamplesOf(kept, s.Metric) // without, there are no intervals
			}
			for j, p := range a.Panels {
				if err := out.Panels[j].fill(name+"|"+split, p, s, e); err != nil {
					return nil, err
				}
			}
		}
	}
	return out, nil
}

// fill takes the values of a metric on a split, at the endpoints of the panel's curves.
func (d *panelData) fill(key string, p analysis.AnswersOf, s *analysis.Selection, e *analysis.Examples) error {
	var same *analysis.Panel
	for i := range s.Panels {
		if q := &s.Panels[i]; s.Title(*q) == p.Title {
			same = q
		}
	}
	if same == nil {
		return nil
	}
	for i, c := range p.All() {
		var of *analysis.Curve
		for _, q := range same.All() {
			if q.Scheme == c.Scheme && q.Policy == c.Policy {
				of = q
				break
			}
		}
		if of == nil {
			continue
		}
		values, difference := make([]*float64, 0, len(c.Points)), &differenceData{}
		for _, at := range c.Points {
			point, ok := of.At(at.Epoch)
			base, has := same.Baseline.At(at.Epoch)
			var value, apart, low, high *float64
			if ok {
				value = number(point.Value)
			}
			if ok && has && i > 0 {
				apart = number(point.Value - base.Value)
				if pair, err := roughly(e, point, base); err == nil {
					in := pair.Interval()
					low, high = number(in.Low), number(in.High)
				} else if !errors.Is(err, analysis.ErrNoExamples) {
					return err
				}
			}
			values = append(values, value)
			difference.Value, difference.Low, difference.High = append(difference.Value, apart), append(difference.Low, low), append(difference.High, high)
		}
		d.Curves[i].Y[key] = values
		if i > 0 {
			d.Curves[i].D[key] = difference
		}
	}
	return nil
}

// roughly compares two points; what cannot be compared, as values that are not finite, is ErrNoExamples.
func roughly(e *analysis.Examples, a, b analysis.Point) (analysis.Paired, error) {
	if e == nil {
		return analysis.Paired{}, analysis.ErrNoExamples
	}
	p, err := e.Roughly(a, b)
	if err != nil {
		return p, errors.Join(analysis.ErrNoExamples, err)
	}
	return p, nil
}

// capital makes a sentence of words.
func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
