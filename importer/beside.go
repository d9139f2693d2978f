package importer

import (
	"math"
	"slices"
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
	for i := range u.Checkpoints {
		u.Checkpoints[i].logged(t.rows[i], columns)
	}
}
