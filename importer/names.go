package importer

import (
	"fmt"
	"slices"
)

// names reads what all names say, together: which numbers vary over which names. Those that are not of the series are
// skipped, unless they were named on their own. What can be read two ways is an error that shows both.
func (o Options) names(items []item) ([]name, []*series, error) {
	if o.Numbers != "" && o.Numbers != "name" && o.Numbers != "inside" {
		return nil, nil, fmt.Errorf("numbers %s: want name or inside", o.Numbers)
	}
	of := make([]*series, len(items))
	if o.Pattern != "" {
		out, err := o.byPattern(items)
		return out, of, err
	}
	out := make([]name, len(items))
	main, rest := mainSeries(group(items))
	if len(main) > 1 {
		one := merged(main)
		if one == nil {
			return nil, nil, clash(main, items)
		}
		main = []*series{one}
	}
	for _, s := range main {
		for n, i := range s.items {
			out[i], of[i] = s.name(n, items[i].label), s
		}
		if err := s.shards(items); err != nil {
			return nil, nil, err
		}
		if list := s.settings(); list != nil {
			return nil, nil, clash(list, items)
		}
	}
	for _, s := range rest {
		for n, i := range s.items {
			out[i], of[i] = s.name(n, items[i].label), s
			switch {
			case len(main) == 0 || o.Numbers == "inside": // what is inside tells
			case s.numbered():
				out[i].skip = "its name says " + s.twin
			default:
				out[i].skip = "no number in its name, where others have one"
			}
		}
	}
	return out, of, nil
}

// mainSeries parts the numbered series from those that stand beside one: without a number, or marked as the best, the
// last or an average. Where all are marked, none is.
func mainSeries(all []*series) (main, rest []*series) {
	for _, s := range all {
		if s.numbered() && s.twin == "" {
			main = append(main, s)
		} else {
			rest = append(rest, s)
		}
	}
	if len(main) > 0 {
		return main, rest
	}
	for _, s := range rest {
		if s.numbered() {
			main = append(main, s)
		}
	}
	return main, slices.DeleteFunc(rest, (*series).numbered)
}
