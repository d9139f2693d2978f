package spec

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"
)

// MaxExpansion is how many specs ranges may expand to.
const MaxExpansion = 10000

var rangeValue = regexp.MustCompile(`^(-?[0-9]+(?:\.[0-9]+)?)\.\.(-?[0-9]+(?:\.[0-9]+)?)(?:/(-?[0-9]+(?:\.[0-9]+)?))?$`)

// Expand writes out the ranges in a spec's values: decay=0.5..0.7/0.1 becomes decay=0.5, decay=0.6,
// decay=0.7 (both ends included where the step meets them; the step is 1 where none is given). Several
// ranges give every combination, the first one changing slowest. Decimals stay exact. A range that is
// empty, or more than MaxExpansion specs, is an error.
func Expand(text string) ([]string, error) {
	name, rest, has := strings.Cut(text, ":")
	if !has {
		return []string{text}, nil
	}
	out := []string{name + ":"}
	for i, part := range strings.Split(rest, ",") {
		key, value, _ := strings.Cut(part, "=")
		m := rangeValue.FindStringSubmatch(strings.TrimSpace(value))
		parts := []string{part}
		if m != nil {
			values, err := steps(m[1], m[2], m[3])
			if err != nil {
				return nil, fmt.Errorf("%q: %s: %w", text, strings.TrimSpace(part), err)
			}
			parts = parts[:0]
			for _, v := range values {
				parts = append(parts, key+"="+v)
			}
		}
		if len(parts)*len(out) > MaxExpansion {
			return nil, fmt.Errorf("%q: it stands for more than %d", text, MaxExpansion)
		}
		next := make([]string, 0, len(parts)*len(out))
		for _, head := range out {
			for _, p := range parts {
				if i > 0 {
					p = "," + p
				}
				next = append(next, head+p)
			}
		}
		out = next
	}
	return out, nil
}

// steps are the decimals from a to b, by step.
func steps(a, b, step string) ([]string, error) {
	if step == "" {
		step = "1"
	}
	decimals := 0
	var v [3]*big.Rat
	for i, text := range []string{a, b, step} {
		if len(text) > 30 {
			return nil, fmt.Errorf("%s has too many digits", text)
		}
		v[i], _ = new(big.Rat).SetString(text) // the pattern lets only decimals through
		if _, fraction, ok := strings.Cut(text, "."); ok && i != 1 {
			decimals = max(decimals, len(fraction))
		}
	}
	switch {
	case v[2].Sign() <= 0:
		return nil, fmt.Errorf("the step must be above 0")
	case v[0].Cmp(v[1]) > 0:
		return nil, fmt.Errorf("the range is empty")
	}
	var out []string
	for at := v[0]; at.Cmp(v[1]) <= 0; at = new(big.Rat).Add(at, v[2]) {
		if len(out) == MaxExpansion {
			return nil, fmt.Errorf("it stands for more than %d values", MaxExpansion)
		}
		text := at.FloatString(decimals)
		if strings.Contains(text, ".") {
			text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
		}
		out = append(out, text)
	}
	return out, nil
}
