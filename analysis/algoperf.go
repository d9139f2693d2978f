package analysis

import (
	"math"
	"slices"
)

// tauMost is how many times slower than the fastest one may be to count, as in AlgoPerf.
const tauMost = 4

// Ranked is a scheme, or what it is compared with, ranked by when it reaches the target, as AlgoPerf ranks training algorithms (Dahl et al.
// 2023, arXiv 2306.07179, §4.2).
type Ranked struct {
	Label string
	// SpeedUp is the time of what is compared with, divided by the scheme's, the geometric mean over the workloads; NaN where one of the two
	// never reaches the target on one of them.
	SpeedUp float64
	// Score is the integral of the share of workloads on which it takes at most τ times the time of the fastest, for τ from 1 to 4,
	// divided by 3: 1 where it is the fastest on all, 0 where it is never within four times.
	Score   float64
	Reached int // workloads on which it reaches the target
}

// Ranking ranks the schemes under a policy.
type Ranking struct {
	Policy    string
	Workloads int // groups of runs, each with its own target
	Schemes   []Ranked
}

// AlgoPerf ranks the schemes by when they reach the target, on the axis of the answers. The groups of runs are the workloads; schemes that
// not all of them have are left out. With one workload the score says no more than the times themselves.
func (a *Answers) AlgoPerf() []Ranking {
	var out []Ranking
	for _, p := range a.Panels {
		if slices.ContainsFunc(out, func(r Ranking) bool { return r.Policy == p.Policy }) {
			continue
		}
		r := Ranking{Policy: p.Policy}
		var labels []string
		var times [][]float64 // of each label, by workload
		add := func(label string, at Reach) {
			i := slices.Index(labels, label)
			if i < 0 {
				i = len(labels)
				labels, times = append(labels, label), append(times, nil)
			}
			t := math.Inf(1)
			if at.First != nil {
				t = a.Axis.X(*at.First)
			}
			times[i] = append(times[i], t)
		}
		for _, q := range a.Panels {
			if q.Policy != p.Policy {
				continue
			}
			r.Workloads++
			name := "baseline"
			if a.Reference != "" {
				name = a.Reference
			}
			add(name, q.Reached)
			for _, s := range q.Schemes {
				add(s.Label, s.Reached)
			}
		}
		for i, label := range labels {
			if len(times[i]) == r.Workloads {
				r.Schemes = append(r.Schemes, ranked(label, times[i], times[0], fastest(times, r.Workloads)))
			}
		}
		slices.SortStableFunc(r.Schemes, func(a, b Ranked) int {
			switch {
			case a.Score > b.Score:
				return -1
			case a.Score < b.Score:
				return 1
			}
			return 0
		})
		out = append(out, r)
	}
	return out
}

// fastest is the shortest time on each workload, of those that are known of all.
func fastest(times [][]float64, workloads int) []float64 {
	out := slices.Repeat([]float64{math.Inf(1)}, workloads)
	for _, own := range times {
		if len(own) == workloads {
			for w, t := range own {
				out[w] = min(out[w], t)
			}
		}
	}
	return out
}

func ranked(label string, times, reference, best []float64) Ranked {
	r := Ranked{Label: label}
	logs := 0.0
	for w, t := range times {
		logs += math.Log(reference[w] / t) // NaN where neither gets there
		if math.IsInf(t, 1) {
			continue
		}
		r.Reached++
		if ratio := t / best[w]; ratio < tauMost {
			r.Score += (tauMost - ratio) / (tauMost - 1) / float64(len(times))
		}
	}
	if r.SpeedUp = math.Exp(logs / float64(len(times))); math.IsInf(logs, 0) || math.IsNaN(logs) {
		r.SpeedUp = math.NaN()
	}
	return r
}
