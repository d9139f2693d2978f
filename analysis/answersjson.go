package analysis

import (
	"encoding/json"

	"github.com/lawa-replay/lawa-replay/analysis/paired"
	"github.com/lawa-replay/lawa-replay/results"
)

// The answers as JSON: null is what is not known, or never happens.
type (
	answersJSON struct {
		Metric    string        `json:"metric"`
		Better    string        `json:"better"`
		Split     string        `json:"split"`
		Axis      string        `json:"axis"`
		Reference string        `json:"reference"` // baseline, or a run
		Basis     []string      `json:"basis"`
		Notes     []Note        `json:"notes"`
		Groups    []groupJSON   `json:"groups"`
		Bill      []Cost        `json:"bill"`
		AlgoPerf  []rankingJSON `json:"algoperf"`
	}
	groupJSON struct {
		Title     string       `json:"title"`
		Runs      []string     `json:"runs"`
		Policy    string       `json:"policy"`
		Target    *float64     `json:"target"`
		Reference reachedJSON  `json:"reference"`
		Null      *spanJSON    `json:"null_saved"`
		Schemes   []schemeJSON `json:"schemes"`
	}
	reachedJSON struct {
		Reaches   *placeJSON `json:"reaches"`
		Stays     *placeJSON `json:"stays_from"`
		Noise     *float64   `json:"noise"`
		Endpoints int        `json:"noise_endpoints"`
	}
	placeJSON struct {
		Epoch       float64  `json:"epoch"`
		Step        *float64 `json:"step"`
		Tokens      *float64 `json:"tokens"`
		Seconds     *float64 `json:"seconds"`
		DeviceHours *float64 `json:"device_hours"`
		Value       *float64 `json:"value"`
	}
	schemeJSON struct {
		Scheme string   `json:"scheme"`
		Label  string   `json:"label"`
		Epoch  *float64 `json:"epoch"`
		Value  *float64 `json:"value"`
		*pairedJSON
		reachedJSON
		Longest spanJSON    `json:"longest_saved"`
		Levels  []levelJSON `json:"saved_by_level"`
		Worse   int         `json:"worse_at"`
		Of      int         `json:"compared_at"`
		Why     string      `json:"no_interval_because,omitempty"`
	}
	pairedJSON struct {
		Difference   *float64  `json:"difference"`
		OverExamples estimated `json:"over_examples"`
		OverRuns     estimated `json:"over_runs"`
		Better       *float64  `json:"probability_better"`
	}
	estimated struct {
		StdErr *float64 `json:"stderr"`
		Low    *float64 `json:"low"`
		High   *float64 `json:"high"`
		N      int      `json:"n"`
	}
	spanJSON struct {
		Value *float64 `json:"value"`
		Low   *float64 `json:"low"`
		High  *float64 `json:"high"`
	}
	rankingJSON struct {
		Policy    string       `json:"policy"`
		Workloads int          `json:"workloads"`
		Schemes   []rankedJSON `json:"schemes"`
	}
	rankedJSON struct {
		Label   string   `json:"label"`
		SpeedUp *float64 `json:"speed_up"`
		Score   float64  `json:"score"`
		Reached int      `json:"reached"`
	}
	levelJSON struct {
		Level *float64 `json:"level"`
		spanJSON
	}
)

// MarshalJSON writes all of the answers, with null for what is not known and for what never happens.
func (a *Answers) MarshalJSON() ([]byte, error) {
	out := answersJSON{Metric: a.Metric.Name, Better: "lower", Split: a.Split, Axis: a.Axis.Name, Reference: "baseline", Basis: a.Basis, Notes: append([]Note{}, a.Notes...), Bill: append([]Cost{}, a.Bill...)}
	if a.Metric.HigherBetter {
		out.Better = "higher"
	}
	if a.Reference != "" {
		out.Reference = a.Reference
	}
	for _, p := range a.Panels {
		g := groupJSON{Title: p.Title, Runs: results.RunNames(p.Group.Runs), Policy: p.Policy, Target: finite(p.Level), Reference: reached(p.Reached, p.Noise, p.Endpoints)}
		if p.Null != nil {
			g.Null = &spanJSON{finite(p.Null.Value), finite(p.Null.Low), finite(p.Null.High)}
		}
		for _, s := range p.Schemes {
			one := schemeJSON{Scheme: s.Curve.Scheme, Label: s.Label, reachedJSON: reached(s.Reached, s.Noise, s.Endpoints), Longest: spanOf(s.Time.Longest), Worse: s.Worse, Of: s.Compared, Why: s.Why, Levels: []levelJSON{}}
			if d := s.At; d != nil {
				one.Epoch, one.Value = finite(d.A.Epoch), finite(d.A.Value)
				one.pairedJSON = &pairedJSON{finite(d.A.Value - d.B.Value), estimate(d.Examples), estimate(d.Runs), finite(d.Better)}
			}
			for _, l := range s.Time.Levels {
				one.Levels = append(one.Levels, levelJSON{finite(l.Value), spanOf(l.Saved)})
			}
			g.Schemes = append(g.Schemes, one)
		}
		out.Groups = append(out.Groups, g)
	}
	out.AlgoPerf = []rankingJSON{}
	for _, r := range a.AlgoPerf() {
		one := rankingJSON{Policy: r.Policy, Workloads: r.Workloads, Schemes: []rankedJSON{}}
		for _, s := range r.Schemes {
			one.Schemes = append(one.Schemes, rankedJSON{s.Label, finite(s.SpeedUp), s.Score, s.Reached})
		}
		out.AlgoPerf = append(out.AlgoPerf, one)
	}
	return json.Marshal(out)
}

func spanOf(s Span) spanJSON { return spanJSON{finite(s.Value), finite(s.Low), finite(s.High)} }

func estimate(e paired.Estimate) estimated {
	return estimated{finite(e.StdErr), finite(e.Low), finite(e.High), e.N}
}

func reached(r Reach, noise float64, endpoints int) reachedJSON {
	return reachedJSON{placeOf(r.First), placeOf(r.Stays), finite(noise), endpoints}
}

func placeOf(p *Point) *placeJSON {
	if p == nil {
		return nil
	}
	return &placeJSON{p.Epoch, finite(p.Step), finite(p.Tokens), finite(p.Seconds), finite(p.DeviceHours), finite(p.Value)}
}
