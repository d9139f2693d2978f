package dataset

import (
	"fmt"
	"slices"
	"strings"
)

// Match finds, for each input of a network, the field of a split that it takes: the one of its name, or the only one
// beside the targets.
func Match(inputs, fields []Field) ([]string, error) {
	rest := slices.DeleteFunc(slices.Clone(fields), func(f Field) bool { return f.Name == Targets })
	var names []string
	for _, in := range inputs {
		f, ok := Find(rest, in.Name)
		if !ok && len(inputs) == 1 && len(rest) == 1 {
			f, ok = rest[0], true
		}
		if !ok {
			return nil, fmt.Errorf("the network takes %s, and the examples have %s", strings.Join(Names(inputs), ", "), strings.Join(Names(rest), ", "))
		}
		if !fits(in.Shape, f.Shape) {
			return nil, fmt.Errorf("%s of shape %v for each example; the network wants %s", f.Name, f.Shape, shapeText(in.Shape))
		}
		names = append(names, f.Name)
	}
	return names, nil
}

// fits says whether an array has a shape of which some lengths are free. A nil one is any.
func fits(want, have []int64) bool {
	return want == nil || slices.EqualFunc(want, have, func(w, h int64) bool { return w < 0 || w == h })
}

// shapeText is [3 * *] for 3×any×any.
func shapeText(shape []int64) string {
	return strings.ReplaceAll(fmt.Sprint(shape), "-1", "*")
}
