package analysis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/results"
)

// Title is what tells a panel from the others of the selection; "" where there is only one.
func (s *Selection) Title(p Panel) string {
	title := p.Group.Name
	if len(s.Policies) > 1 {
		if title != "" {
			title += "; "
		}
		title += PolicyLabel(p.Policy)
	}
	return title
}

// PolicyLabel says what became of batch-norm statistics: statistics recomputed from 5,000 examples.
func PolicyLabel(policy string) string {
	p, err := spec.Parse(policy)
	if err != nil {
		return policy
	}
	text := map[string]string{"copy": "statistics copied", "average": "statistics averaged", "recompute": "statistics recomputed"}[p.Name]
	if n := p.Int("samples", 0, 1); n > 0 {
		text += " from " + thousands(int64(n)) + " examples"
	}
	if t := p.Float("tolerance", 0, 0, 1); t > 0 {
		text += fmt.Sprintf(" until their error is below %v", t)
	}
	if seed := p.Int("seed", 0, 0); seed > 0 {
		text += fmt.Sprintf(" drawn with seed %d", seed)
	}
	if text == "" || p.Done() != nil {
		return policy
	}
	return text
}

// Basis says what the numbers rest on, in sentences: the policy, the split with its examples, the runs.
func (s *Selection) Basis() []string {
	return sentences(s.policy(), "split "+s.examples(s.Split), s.sampled(), s.runs())
}

// sentences leaves out what is empty.
func sentences(all ...string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// policy is "" of language models, which have no batch norm.
func (s *Selection) policy() string {
	if s.tokens && len(s.Policies) == 1 && s.Policies[0] == "copy" {
		return ""
	}
	if len(s.Policies) > 1 {
		return "averages under several policies; baseline: its own batch-norm statistics"
	}
	return "averages: batch-norm " + PolicyLabel(s.Policies[0]) + "; baseline: its own"
}

// examples says how many a split has, where that is known.
func (s *Selection) examples(split string) string {
	if n := s.Panels[0].Baseline.Points[0].N; n > 0 {
		unit := "examples"
		if s.tokens {
			unit = "tokens"
		}
		split += fmt.Sprintf(": %s %s", thousands(n), unit)
	}
	return split
}

// sampled says that some values rest on a part of the examples.
func (s *Selection) sampled() string {
	n, all := 0, 0
	for _, p := range s.Panels {
		for _, c := range p.Curves {
			for _, q := range c.Points {
				if all++; q.Partly {
					n++
				}
			}
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d averages rest on a part of the examples, with 95 %% intervals", n, all)
}

// runs names them.
func (s *Selection) runs() string {
	var each []string
	for _, g := range s.Groups {
		text := results.RunList(g.Runs)
		if n := len(g.Runs); n > 1 {
			text = fmt.Sprintf("mean of %d (%s)", n, text)
		} else if seed := g.Runs[0].Seed; seed != nil {
			text += fmt.Sprintf(", seed %d", *seed)
		}
		if g.Name != "" {
			text = g.Name + ", " + text
		}
		each = append(each, text)
	}
	if len(s.Groups) == 1 && len(s.Groups[0].Runs) == 1 {
		return "run: " + each[0]
	}
	return "runs: " + strings.Join(each, "; ")
}

// thousands writes 10000 as 10,000.
func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
