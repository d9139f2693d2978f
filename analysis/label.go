package analysis

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// LatestK says whether a curve is that of plain means of the latest k. Other schemes fix a number of checkpoints
// too.
func LatestK(c *Curve) bool {
	return strings.HasPrefix(c.Scheme, "lawa:k=") && !strings.Contains(c.Scheme, ",")
}

// Reweighs says whether a curve averages the latest k checkpoints, all of them, by coefficients other than equal ones.
func Reweighs(c *Curve) bool {
	s, err := spec.Parse(c.Scheme)
	return err == nil && (s.Name == "exp" || s.Name == "exp-code" || s.Name == "wma" || s.Name == "decay")
}

// Labels names schemes as a legend does: k = 6 where there are none but plain means of the latest k, else LAWA,
// k = 6; EMA, decay 0.9; SWA from epoch 10.
func Labels(curves []*Curve) []string {
	mixed := false
	for _, c := range curves {
		mixed = mixed || !LatestK(c) && c.Scheme != "last"
	}
	out := make([]string, len(curves))
	for i, c := range curves {
		out[i] = label(c, mixed)
	}
	return out
}

func label(c *Curve, mixed bool) string {
	text := schemeLabel(c.Scheme)
	if !mixed {
		text = strings.TrimPrefix(text, "LAWA, ")
	}
	if (c.Scheme == "lawa:k=1" || c.Scheme == "last") && strings.HasPrefix(c.Policy, "recompute") {
		text += ", new statistics" // what they do alone, without averaging
	}
	return text
}

// schemeLabel reads a canonical spec; one that it does not know stays as it is.
func schemeLabel(text string) string {
	s, err := spec.Parse(text)
	if err != nil {
		return text
	}
	has := func(key string) string { return s.Text(key, "") }
	with := func(label string, parts ...string) string {
		for _, p := range parts {
			if p != "" {
				label += ", " + p
			}
		}
		return label
	}
	named := func(name, value string) string {
		if value == "" {
			return ""
		}
		return name + " " + value
	}
	k := ""
	if v := has("k"); v != "" {
		k = "k = " + v
	}
	partial := ""
	if has("partial") == "true" {
		partial = "partial"
	}
	switch s.Name {
	case "last":
		return "checkpoint"
	case "lawa":
		return with("LAWA", k, every(has("stride")), partial)
	case "swa":
		return with("SWA from epoch "+has("start"), every(has("every")))
	case "ema":
		per := has("per")
		if per != "" {
			per = "per " + per
		}
		debias := ""
		if has("debias") == "true" {
			debias = "debiased"
		}
		return with("EMA", named("decay", has("decay")), named("half-life", has("half-life")), per, debias)
	case "exp":
		return with("exponential, α "+has("alpha"), k, partial)
	case "exp-code":
		return with("exponential (code), decay "+has("decay"), k, partial)
	case "wma":
		return with("linear weights", k, partial)
	case "logspaced":
		return with("log-spaced", k, partial)
	case "power":
		return "power function, σ " + has("sigma")
	case "decay":
		return with(has("shape")+" decay", k, partial)
	case "best":
		return with("best "+has("n")+" by "+has("by"), has("order"), partial)
	case "weights":
		file := filepath.Base(s.Word("the file", ""))
		if has("normalize") == "true" {
			return "weights of " + file + ", normalized"
		}
		return "weights of " + file
	}
	return text
}

// every writes a stride: every 2nd, every 3rd, every 4th.
func every(n string) string {
	switch {
	case n == "":
		return ""
	case strings.HasSuffix(n, "1") && !strings.HasSuffix(n, "11"):
		n += "st"
	case strings.HasSuffix(n, "2") && !strings.HasSuffix(n, "12"):
		n += "nd"
	case strings.HasSuffix(n, "3") && !strings.HasSuffix(n, "13"):
		n += "rd"
	default:
		n += "th"
	}
	return fmt.Sprintf("every %s", n)
}
