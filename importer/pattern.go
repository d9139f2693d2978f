package importer

import (
	"fmt"
	"regexp"
	"strings"
)

// byPattern reads the names by the pattern, which decides alone.
func (o Options) byPattern(items []item) ([]name, error) {
	re, err := compile(o.Pattern)
	if err != nil {
		return nil, err
	}
	out := make([]name, len(items))
	any := false
	for i, it := range items {
		if out[i] = matched(re, it.path); out[i].none() {
			out[i] = matched(re, it.label) // a revision's
		}
		any = any || !out[i].none()
		if out[i].none() {
			out[i].skip = "the pattern does not match its name"
		}
	}
	if !any {
		return nil, fmt.Errorf("pattern %s matches none of the names, such as %s", o.Pattern, items[0].label)
	}
	return out, nil
}

// aNumber is how a pattern meets a number.
const aNumber = `\d+(?:,\d{3})*(?:\.\d+)?`

// wild are the parts of a pattern that stand for something.
var wild = regexp.MustCompile(`\{(epoch|step)(?::[^}]*)?\}|\*|\?|#`)

// compile makes a regular expression of a pattern with {epoch}, {step}, # for any number, * and ?.
func compile(pattern string) (*regexp.Regexp, error) {
	var text strings.Builder
	text.WriteString("^")
	at, has := 0, map[string]int{}
	for _, m := range wild.FindAllStringSubmatchIndex(pattern, -1) {
		text.WriteString(regexp.QuoteMeta(pattern[at:m[0]]))
		at = m[1]
		switch w := pattern[m[0]:m[1]]; {
		case w == "*":
			text.WriteString("[^/]*")
		case w == "#":
			text.WriteString(aNumber)
		case w == "?":
			text.WriteString("[^/]")
		default:
			what := pattern[m[2]:m[3]]
			has[what]++
			text.WriteString(`(?P<` + what + `>` + aNumber + `(?:[eE]\d)?[kKmMBG]?)`)
		}
	}
	text.WriteString(regexp.QuoteMeta(pattern[at:]) + "$")
	if len(has) == 0 {
		return nil, fmt.Errorf("pattern %s: want {epoch} or {step} where the number stands, as in run_{epoch}.pt; # stands for a number, * for anything", pattern)
	}
	if has["epoch"] > 1 || has["step"] > 1 {
		return nil, fmt.Errorf("pattern %s: {epoch} and {step} may stand in it once each", pattern)
	}
	return regexp.Compile(text.String())
}

// matched matches the last elements of a path, as many as the pattern has.
func matched(re *regexp.Regexp, file string) name {
	n := nothing()
	elements := strings.Split(strings.ReplaceAll(file, `\`, "/"), "/")
	k := min(len(elements), strings.Count(strings.ReplaceAll(re.String(), "[^/]", ""), "/")+1)
	m := re.FindStringSubmatch(strings.Join(elements[len(elements)-k:], "/"))
	if m == nil {
		return n
	}
	for i, group := range re.SubexpNames() {
		if group == "" {
			continue
		}
		f, _ := fieldAt("step_"+m[i], len("step_"), false) // as behind a word: 5m is a million
		switch group {
		case "epoch":
			n.epoch = f.value
		case "step":
			n.step = f.value
		}
	}
	return n
}
