package analysis

import (
	"math"
	"slices"

	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/results/metric"
)

// Summary is what averaging gave and what it cost, scheme by scheme. As JSON it has null where something is not
// known.
type Summary struct {
	Split   string          `json:"split"`
	Metric  string          `json:"metric"` // that of what is saved and where it hurts
	Basis   []string        `json:"basis"`  // what the numbers rest on
	Notes   []Note          `json:"notes"`
	Schemes []Line          `json:"schemes"`
	Metrics []metric.Metric `json:"-"` // those that Best is of
}

// Line is one scheme of a summary, or the baseline of a group of runs.
type Line struct {
	Group    string `json:"group,omitempty"` // what tells its runs from others
	Runs     int    `json:"runs"`
	Scheme   string `json:"scheme"`
	Label    string `json:"label"`
	Policy   string `json:"policy"`
	Baseline bool   `json:"baseline"`
	Best     []Best `json:"best"`  // by metric
	Saved    *Gain  `json:"saved"` // null for the baseline, and where nothing is saved
	Beyond   int    `json:"epochs_beyond_baseline"`
	Hurt     []Harm `json:"hurt"` // the epochs at which it is worse than the baseline
	Worst    *Harm  `json:"worst"`

	Epochs []float64 `json:"-"` // all at which it has a value
}

// Best is the best value of a metric along the epochs.
type Best struct {
	Metric string   `json:"metric"`
	Value  *float64 `json:"value"` // null where no value is finite
	Epoch  float64  `json:"epoch"`
	// Difference from the baseline's best, and its standard error; null for the baseline and where it is not known.
	Difference *float64 `json:"difference"`
	StdErr     *float64 `json:"difference_stderr"`
	Small      bool     `json:"below_stderr"`
}

// Gain is the longest time saved.
type Gain struct {
	Saving      Saving   `json:"-"`
	Epochs      float64  `json:"epochs"`
	Seconds     *float64 `json:"seconds"`
	DeviceHours *float64 `json:"device_hours"`
	From        float64  `json:"from_epoch"` // of the average
	To          float64  `json:"to_epoch"`   // of the baseline that is first as good
	Small       bool     `json:"below_stderr"`
}

// Harm is an epoch at which averaging hurts.
type Harm struct {
	Epoch      float64  `json:"epoch"`
	Difference float64  `json:"difference"`
	StdErr     *float64 `json:"difference_stderr"`
	Small      bool     `json:"below_stderr"`
}

// Summarize looks at every scheme of the choice: its best values by the chosen metric (UsualMetric, if none is named) and
// by the loss, the longest time saved, and where it hurts. What is saved is marked as small where the average at
// that epoch differs from the baseline at the same epoch by less than the standard error.
func Summarize(table *results.Table, o Choice) (*Summary, error) {
	s, err := Select(table, o, UsualMetric(table))
	if err != nil {
		return nil, err
	}
	out := &Summary{Split: s.Split, Metric: s.Metric.Name, Basis: s.Basis(), Notes: append([]Note{}, s.Notes...), Metrics: []metric.Metric{s.Metric}}
	second := &Selection{}
	if s.Metric.Name != "loss" && slices.Contains(table.Values(func(r results.Row) string { return r.Metric }), "loss") {
		again := o
		again.Metric, again.Better, again.Split = "loss", "", s.Split
		if second, err = Select(table, again, "loss"); err != nil {
			return nil, err
		}
		out.Metrics = append(out.Metrics, second.Metric)
	}
	seen := map[*Curve]bool{}
	for i, p := range s.Panels {
		labels := Labels(p.All())
		for j, c := range p.All() {
			if seen[c] || len(c.Points) == 0 {
				continue
			}
			seen[c] = true
			line := Line{Group: c.Group.Name, Runs: c.Runs(), Scheme: c.Scheme, Label: labels[j], Policy: c.Policy, Baseline: c == p.Baseline}
			line.Best = append(line.Best, best(c, p.Baseline, s.Metric))
			if len(out.Metrics) > 1 {
				if also := second.Panels[i].like(c); also != nil {
					line.Best = append(line.Best, best(also, second.Panels[i].Baseline, second.Metric))
				} else {
					line.Best = append(line.Best, Best{Metric: second.Metric.Name})
				}
			}
			if line.Baseline {
				line.Label = "baseline"
			} else {
				line.compare(p.Baseline, c, s.Metric)
			}
			out.Schemes = append(out.Schemes, line)
		}
	}
	return out, nil
}

// like finds the curve of another metric.
func (p Panel) like(c *Curve) *Curve {
	for _, other := range p.All() {
		if other.Scheme == c.Scheme && other.Policy == c.Policy {
			return other
		}
	}
	return nil
}

// compare fills in what is saved against the baseline, and where it hurts.
func (l *Line) compare(baseline, c *Curve, m metric.Metric) {
	saving, ok, beyond := Saved(baseline, c, m)
	l.Beyond, l.Hurt = beyond, []Harm{}
	for _, p := range c.Points {
		l.Epochs = append(l.Epochs, p.Epoch)
	}
	if ok {
		l.Saved = &Gain{Saving: saving, Epochs: rounded(saving.Epochs()), Seconds: finite(saving.Seconds()), DeviceHours: finite(saving.DeviceHours()), From: saving.From.Epoch, To: saving.To.Epoch}
		if b, has := baseline.At(saving.From.Epoch); has {
			l.Saved.Small = saving.From.Minus(b).Small()
		}
	}
	losses, worst := Hurt(baseline, c, m)
	for _, loss := range losses {
		l.Hurt = append(l.Hurt, harm(loss))
	}
	if len(losses) > 0 {
		l.Worst = new(harm(worst))
	}
}

func harm(l Loss) Harm { return Harm{l.Epoch, l.Value, finite(l.StdErr), l.Small()} }

func best(c, baseline *Curve, m metric.Metric) Best {
	out := Best{Metric: m.Name}
	p, ok := c.Best(m)
	if !ok {
		return out
	}
	out.Value, out.Epoch = finite(p.Value), p.Epoch
	if b, ok := baseline.Best(m); ok && c != baseline {
		d := p.Minus(b)
		out.Difference, out.StdErr, out.Small = finite(d.Value), finite(d.StdErr), d.Small()
	}
	return out
}

// finite is null for what is not known, and for what JSON has no number for.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// rounded takes off what binary fractions leave behind.
func rounded(v float64) float64 { return math.Round(v*1e6) / 1e6 }
