package analysis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"
)

// Cost is what evaluating averages under a policy cost: the passes over the data that are evaluated on, and before them what renewing
// the batch-norm statistics takes, where the policy does.
type Cost struct {
	Policy      string  `json:"policy"`
	Evaluations int     `json:"evaluations"` // of averages, those of the checkpoints themselves not counted
	Known       int     `json:"known"`       // of them, those of which it is known how long they took
	Seconds     float64 `json:"seconds"`     // those took, of a core or a device
}

// Mean is the time of one evaluation, in seconds.
func (c Cost) Mean() float64 { return c.Seconds / float64(c.Known) }

// bill adds up what the schemes of panels cost; nothing where nobody knows.
func bill(panels []AnswersOf, took func(key string) (float64, bool)) []Cost {
	if took == nil {
		return nil
	}
	var out []Cost
	seen := map[string]bool{}
	for _, p := range panels {
		for _, s := range p.Schemes {
			i := slices.IndexFunc(out, func(c Cost) bool { return c.Policy == s.Curve.Policy })
			if i < 0 {
				i = len(out)
				out = append(out, Cost{Policy: s.Curve.Policy})
			}
			for _, x := range s.Curve.Points {
				for _, key := range x.Keys {
					if key == "" || seen[key] {
						continue
					}
					seen[key] = true
					out[i].Evaluations++
					if t, ok := took(key); ok {
						out[i].Known++
						out[i].Seconds += t
					}
				}
			}
		}
	}
	return slices.DeleteFunc(out, func(c Cost) bool { return c.Known == 0 })
}

// BillText says what evaluating cost, in a sentence; "" where that is not known.
func (a *Answers) BillText() string {
	var parts []string
	for _, c := range a.Bill {
		text := fmt.Sprintf("%s under %s took %s of a core or device, %s each", english.Plural(c.Known, "evaluation", ""), c.Policy, secondsText(c.Seconds), secondsText(c.Mean()))
		if c.Known < c.Evaluations {
			text += fmt.Sprintf(" (of %d)", c.Evaluations)
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return ""
	}
	text := "The bill: " + strings.Join(parts, "; ") + "."
	if slices.ContainsFunc(a.Bill, func(c Cost) bool { return strings.HasPrefix(c.Policy, "recompute") }) {
		text += " What statistics of batch norm take is in it; training and reading checkpoints are not."
	}
	return text
}

// secondsText is a time as people say it.
func secondsText(s float64) string {
	switch {
	case s < 10:
		return fmt.Sprintf("%.2f s", s)
	case s < 600:
		return fmt.Sprintf("%.0f s", s)
	case s < 36000:
		return fmt.Sprintf("%.0f min", s/60)
	}
	return fmt.Sprintf("%.0f h", s/3600)
}
