package results

import (
	"fmt"
	"strings"
	"testing"
)

// Sweeps of one run are one table, of runs that only share a name two runs, and what was evaluated otherwise is an error.
func TestJoin(t *testing.T) {
	table := func(end, schemes, data string) *Table {
		out := &Table{Provenance: fmt.Sprintf(`{"software":"1","missing":1,"numeric":%q,"runs":[{"run":"r","folder":"r","last_sha256":%q}]}`, data, end)}
		for _, s := range strings.Fields(schemes) {
			for e := range 2 {
				out.Rows = append(out.Rows, Row{Run: "r", Folder: "r", Scheme: s, Epoch: float64(e + 1), Split: "val", Metric: "loss", Value: 1, Key: end + s + data + fmt.Sprint(e)})
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		tables     []*Table
		rows, runs int
		want       string // of the error
	}{
		"one":                     {[]*Table{table("a", "last x", "d")}, 4, 1, ""},
		"more schemes":            {[]*Table{table("a", "last x", "d"), table("a", "last y", "d")}, 6, 1, ""},
		"no end said":             {[]*Table{table("", "last x", "d"), table("", "last y", "d")}, 6, 1, ""},
		"nothing in common":       {[]*Table{table("a", "x", "d"), table("a", "y", "d")}, 4, 1, ""},
		"another run of the name": {[]*Table{table("a", "last x", "d"), table("b", "last x", "d")}, 8, 2, ""},
		"the other one twice":     {[]*Table{table("a", "last", "d"), table("b", "last x", "d"), table("b", "last y", "d")}, 8, 2, ""},
		"evaluated otherwise":     {[]*Table{table("a", "last x", "d"), table("a", "last x", "e")}, 0, 0, "last of r at epoch 1 on val was evaluated otherwise"},
	} {
		names := []string{"s1", "s2", "s3"}[:len(c.tables)]
		out, err := Join(names, c.tables)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, expected %s", name, err, c.want)
			}
			continue
		}
		if err != nil || len(out.Rows) != c.rows || len(out.Runs()) != c.runs {
			t.Errorf("%s: %v, %d rows of %d runs, expected %d of %d", name, err, len(out.Rows), len(out.Runs()), c.rows, c.runs)
		}
		if len(c.tables) == 2 && !strings.Contains(out.Provenance, `"missing":2`) {
			t.Errorf("%s: %s", name, out.Provenance)
		}
	}
}
