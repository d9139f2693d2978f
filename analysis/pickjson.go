package analysis

import (
	"encoding/json"

	"github.com/lawa-replay/lawa-replay/results"
)

type (
	pickJSON struct {
		Metric   string         `json:"metric"`
		Better   string         `json:"better"`
		Selected string         `json:"selected_on"`
		Reported string         `json:"reported_on"`
		Basis    []string       `json:"basis"`
		Notes    []Note         `json:"notes"`
		Groups   []pickedOfJSON `json:"groups"`
	}
	pickedOfJSON struct {
		Title     string          `json:"title"`
		Runs      []string        `json:"runs"`
		Policy    string          `json:"policy"`
		Chosen    candidateJSON   `json:"chosen"`
		Baseline  candidateJSON   `json:"baseline"`
		Gain      *pairedJSON     `json:"gain_over_baseline"`
		Ranking   []candidateJSON `json:"ranking"`
		Endpoints []endpointJSON  `json:"by_epoch"`
		Schedule  *scheduleJSON   `json:"schedule"`
	}
	candidateJSON struct {
		Scheme   string     `json:"scheme"`
		Label    string     `json:"label"`
		Epoch    float64    `json:"epoch"`
		Selected *float64   `json:"selected"`
		Reported *float64   `json:"reported"`
		Optimism *float64   `json:"optimism"`
		Than     *estimated `json:"difference_from_chosen"`
		Value    *float64   `json:"difference_value"`
		Alike    bool       `json:"not_distinguishable"`
	}
	endpointJSON struct {
		Epoch    float64       `json:"epoch"`
		Chosen   candidateJSON `json:"chosen"`
		Baseline candidateJSON `json:"baseline"`
	}
	scheduleJSON struct {
		Epochs   []float64 `json:"epochs"`
		K        []int     `json:"k"`
		Value    *float64  `json:"mean_reported"`
		FixedK   int       `json:"fixed_k"`
		Fixed    *float64  `json:"fixed_mean_reported"`
		Baseline *float64  `json:"baseline_mean_reported"`
	}
)

// MarshalJSON writes all of it, with null for what is not known.
func (p *Pick) MarshalJSON() ([]byte, error) {
	out := pickJSON{Metric: p.Metric.Name, Better: "lower", Selected: p.Selected, Reported: p.Reported, Basis: p.Basis, Notes: append([]Note{}, p.Notes...)}
	if p.Metric.HigherBetter {
		out.Better = "higher"
	}
	candidate := func(c Candidate) candidateJSON {
		j := candidateJSON{c.Scheme, c.Label, c.Epoch, finite(c.Selected), finite(c.Reported), finite(c.Optimism(p.Metric)), nil, nil, c.Alike}
		if c.Than != nil {
			e := estimate(*c.Than)
			j.Than, j.Value = &e, finite(c.Than.Value)
		}
		return j
	}
	for _, of := range p.Panels {
		g := pickedOfJSON{Title: of.Title, Runs: results.RunNames(of.Group.Runs), Policy: of.Policy, Chosen: candidate(of.Chosen), Baseline: candidate(of.Baseline), Ranking: []candidateJSON{}}
		if d := of.Gain; d != nil {
			g.Gain = &pairedJSON{finite(d.Examples.Value), estimate(d.Examples), estimate(d.Runs), finite(d.Better)}
		}
		for _, c := range of.Ranking {
			g.Ranking = append(g.Ranking, candidate(c))
		}
		for _, e := range of.Endpoint {
			g.Endpoints = append(g.Endpoints, endpointJSON{e.Epoch, candidate(e.Chosen), candidate(e.Baseline)})
		}
		if s := of.Schedule; len(s.Epochs) > 0 {
			g.Schedule = &scheduleJSON{s.Epochs, s.K, finite(s.Value), s.FixedK, finite(s.Fixed), finite(s.Baseline)}
		}
		out.Groups = append(out.Groups, g)
	}
	return json.Marshal(out)
}
