package importer

import (
	"maps"
	"math"
	"slices"
	"strings"
)

// beside gives the checkpoints the numbers that lie in their own files.
func (u *Understood) beside(all []opened) {
	t := &table{}
	for _, a := range all {
		r := row{epoch: math.NaN(), step: math.NaN()}
		var names []string
		for k := range a.c.About().Info.Numbers {
			names = append(names, k)
		}
		slices.Sort(names)
		for _, k := range names {
			t.put(&r, k, a.c.About().Info.Numbers[k])
		}
		t.rows = append(t.rows, r)
	}
	columns, _ := t.understand()
	kept, of := map[string]bool{}, 0
	for i := range u.Checkpoints {
		u.Checkpoints[i].logged(t.rows[i], columns)
		any := false
		for _, l := range t.rows[i].values {
			if name := columns[l.column].name; name != "" {
				kept[name], any = true, true
			}
		}
		if any {
			of++
		}
	}
	if of > 0 {
		u.note("of %d of %d checkpoints, what lies in or beside them says %s", of, len(u.Checkpoints), strings.Join(atMost(slices.Sorted(maps.Keys(kept)), 12), ", "))
	}
}
