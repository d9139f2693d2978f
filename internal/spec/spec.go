// Package spec reads the short texts by which models, data sets, schemes and policies are named:
//
//	name
//	name:key=value,key=value
//	name:word,key=value
//
// It believes that a text which names something must be understood whole: an unknown key, a value out of
// range or a word left over is an error that says what was meant to stand there.
package spec

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Spec is a name with its parameters. Values are taken out one by one; the first error sticks and Done
// returns it, or complains about what nobody asked for.
type Spec struct {
	Name   string
	text   string
	word   string // what stands first without a key, such as a file's name
	params map[string]string
	asked  []string
	err    error
}

// Parse splits text; every key may stand once.
func Parse(text string) (*Spec, error) {
	s := &Spec{text: text, params: map[string]string{}}
	name, rest, has := strings.Cut(strings.TrimSpace(text), ":")
	s.Name = strings.TrimSpace(name)
	if s.Name == "" {
		return nil, fmt.Errorf("%q: want name or name:key=value,…", text)
	}
	if !has {
		return s, nil
	}
	if strings.TrimSpace(rest) == "" {
		return nil, fmt.Errorf("%q: nothing stands behind the colon of %s", text, s.Name)
	}
	for i, part := range strings.Split(rest, ",") {
		key, value, ok := strings.Cut(part, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if i == 0 && !ok && key != "" {
			s.word = key
			continue
		}
		if !ok && i > 0 && s.word != "" {
			return nil, fmt.Errorf("%q: %q is not key=value (in a name with a comma ? stands for it, as in %s)", text, part, strings.ReplaceAll(s.word+"?"+part, " ", "?"))
		}
		if !ok || key == "" || value == "" {
			return nil, fmt.Errorf("%q: %q is not key=value", text, part)
		}
		if _, twice := s.params[key]; twice {
			return nil, fmt.Errorf("%q: %s is given twice", text, key)
		}
		s.params[key] = value
	}
	return s, nil
}

// Word takes what stands first without a key; what says what that is, for the error where it is missing.
func (s *Spec) Word(what, example string) string {
	word := s.word
	if word == "" {
		s.Fail("%s is missing: write it as in %s", what, example)
	}
	s.word = ""
	return word
}

// OptionalWord takes what stands first without a key; "" where nothing does.
func (s *Spec) OptionalWord() string {
	word := s.word
	s.word = ""
	return word
}

// Has says whether the key is given.
func (s *Spec) Has(key string) bool {
	_, ok := s.params[key]
	return ok
}

// Int takes a whole number of at least min, or def where the key is not given.
func (s *Spec) Int(key string, def, min int) int {
	text, ok := s.take(key)
	if !ok {
		return def
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < min {
		s.Fail("%s=%s: want a whole number of at least %d", key, text, min)
		return def
	}
	return n
}

// Float takes a number from min to max.
func (s *Spec) Float(key string, def, min, max float64) float64 {
	text, ok := s.take(key)
	if !ok {
		return def
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= min && f <= max) {
		s.Fail("%s=%s: want a number from %g to %g", key, text, min, max)
		return def
	}
	return f
}

// Within takes a number between min and max, neither of them included.
func (s *Spec) Within(key string, def, min, max float64) float64 {
	text, ok := s.take(key)
	if !ok {
		return def
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f > min && f < max) {
		want := fmt.Sprintf("between %g and %g", min, max)
		if math.IsInf(max, 1) {
			want = fmt.Sprintf("above %g", min)
		}
		s.Fail("%s=%s: want a number %s", key, text, want)
		return def
	}
	return f
}

// Text takes the value as it stands.
func (s *Spec) Text(key, def string) string {
	if text, ok := s.take(key); ok {
		return text
	}
	return def
}

// Bool takes true or false.
func (s *Spec) Bool(key string, def bool) bool {
	text, ok := s.take(key)
	if !ok {
		return def
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		s.Fail("%s=%s: want true or false", key, text)
	}
	return b
}

// Choice takes one of the given words.
func (s *Spec) Choice(key, def string, words ...string) string {
	text, ok := s.take(key)
	if !ok {
		return def
	}
	if !slices.Contains(words, text) {
		s.Fail("%s=%s: want one of %s", key, text, strings.Join(words, ", "))
		return def
	}
	return text
}

// Require is an error unless the key is given.
func (s *Spec) Require(key, example string) {
	switch {
	case s.word != "":
		s.Fail("%q is not key=value", s.word)
	case !s.Has(key):
		s.Fail("%s is missing: write it as in %s", key, example)
	}
}

// Done returns the first error, or one that names a parameter that nobody took.
func (s *Spec) Done() error {
	if s.err != nil {
		return s.err
	}
	if s.word != "" {
		return fmt.Errorf("%q: %q is not key=value", s.text, s.word)
	}
	var left []string
	for key := range s.params {
		left = append(left, key)
	}
	if len(left) == 0 {
		return nil
	}
	sort.Strings(left)
	sort.Strings(s.asked)
	known := "it takes no parameters"
	if len(s.asked) > 0 {
		known = "known here: " + strings.Join(s.asked, ", ")
		if near, ok := Nearest(left[0], s.asked); ok {
			known = fmt.Sprintf("did you mean %s? (%s)", near, known)
		}
	}
	return fmt.Errorf("%q: unknown parameter %s; %s", s.text, left[0], known)
}

func (s *Spec) take(key string) (string, bool) {
	s.asked = append(s.asked, key)
	v, ok := s.params[key]
	delete(s.params, key)
	return v, ok
}

// Fail notes an error, as fmt.Errorf makes it, if it is the first; Done returns it.
func (s *Spec) Fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("%q: %w", s.text, fmt.Errorf(format, args...))
	}
}

// Unknown is the error for a name that is none of the known ones, with the nearest.
func Unknown(what, name string, known []string) error {
	if near, ok := Nearest(name, known); ok {
		return fmt.Errorf("unknown %s %q; did you mean %s? (known: %s)", what, name, near, strings.Join(known, ", "))
	}
	return fmt.Errorf("unknown %s %q (known: %s)", what, name, strings.Join(known, ", "))
}

// Nearest returns the only word that begins with text, or else the word that is fewest edits away from it, if that
// is at most a third of its length.
func Nearest(text string, words []string) (string, bool) {
	var longer []string
	for _, w := range words {
		if len(text) > 1 && strings.HasPrefix(w, text) {
			longer = append(longer, w)
		}
	}
	if len(longer) == 1 {
		return longer[0], true
	}
	best, at := "", len(text)/3+2
	for _, w := range words {
		if d := edits(text, w); d < at {
			best, at = w, d
		}
	}
	return best, best != ""
}

// edits is the Levenshtein distance in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// Ranges reads "1,2,4-8,10": numbers and ranges, each from min to max, in the order given and without
// repeats. At most 10,000 numbers.
func Ranges(text string, min, max int) ([]int, error) {
	var out []int
	seen := map[int]bool{}
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		from, to, isRange := strings.Cut(part, "-")
		a, errA := strconv.Atoi(from)
		b, errB := a, error(nil)
		if isRange {
			b, errB = strconv.Atoi(to)
		}
		switch {
		case errA != nil || errB != nil:
			return nil, fmt.Errorf("%q: %q is neither a number nor a range such as 4-8", text, part)
		case a > b:
			return nil, fmt.Errorf("%q: the range %s is empty", text, part)
		case a < min || b > max:
			return nil, fmt.Errorf("%q: %s is outside %d to %d", text, part, min, max)
		case b-a >= 10000-len(out):
			return nil, fmt.Errorf("%q: more than 10,000 numbers", text)
		}
		for n := a; n <= b; n++ {
			if !seen[n] {
				seen[n] = true
				out = append(out, n)
			}
		}
	}
	return out, nil
}
