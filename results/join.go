package results

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/results/metric"
)

// place is what a row says where.
type place struct {
	run, scheme, policy, split, metric string
	epoch                              float64
}

func placeOf(r *Row) place {
	return place{r.RunOf().ID(), r.Scheme, r.Policy, r.Split, r.Metric, r.Epoch}
}

// Join makes one table of several sweeps', which have the given names, such as their folders. What two of them have evaluated alike
// stands in it once. Runs of two sweeps that go by one name are one run where they ended with the same checkpoint or have an evaluation
// in common; otherwise the later one gets its sweep's name in front of its folder. What two sweeps evaluated of one run otherwise, by
// another network, on other data or by another arithmetic, is an error.
func Join(names []string, tables []*Table) (*Table, error) {
	if len(tables) == 1 {
		return tables[0], nil
	}
	j := joint{known: map[place]int{}, ends: map[string]string{}}
	var about map[string]any
	for i, t := range tables {
		own := provenanceOf(t)
		if err := j.add(names[i], t, own); err != nil {
			return nil, fmt.Errorf("%s: %w", names[i], err)
		}
		about = joined(about, own)
	}
	about["sweeps"] = names
	text, err := json.Marshal(about)
	j.Provenance = string(text)
	return &j.Table, err
}

// joint is a table that is put together.
type joint struct {
	Table
	known map[place]int     // where each row is
	runs  []Run             // of the rows, the folders as they are here
	ends  map[string]string // by their IDs, the digests of their last checkpoints
}

// add adds a sweep's table.
func (j *joint) add(sweep string, t *Table, about map[string]any) error {
	folders := map[string]string{} // of the table's runs by their IDs, what they are here
	for _, r := range t.Runs() {
		own, end := r, endOf(about, r)
		switch same, twin := j.find(t, r, end); {
		case same != nil:
			own = *same
		case twin:
			own.Folder = sweep + "/" + r.Folder
		}
		folders[r.ID()] = own.Folder
		if _, there := j.ends[own.ID()]; !there {
			j.runs, j.ends[own.ID()] = append(j.runs, own), end
		}
	}
	for _, r := range t.Rows {
		r.Folder = folders[r.RunOf().ID()]
		at := placeOf(&r)
		i, twice := j.known[at]
		switch {
		case !twice:
			j.known[at] = len(j.Rows)
			j.Rows = append(j.Rows, r)
		case j.Rows[i].Key != r.Key:
			return fmt.Errorf("%s of %s at epoch %v on %s was evaluated otherwise than in the sweeps before it: by another network, on other data or by another arithmetic", r.Scheme, r.Run, r.Epoch, r.Split)
		case j.Rows[i].Examples != nil && (r.Examples == nil || *r.Examples > *j.Rows[i].Examples): // it knows more
			j.Rows[i] = r
		}
	}
	for _, m := range t.Metrics {
		if !slices.ContainsFunc(j.Metrics, func(n metric.Metric) bool { return n.Name == m.Name }) {
			j.Metrics = append(j.Metrics, m)
		}
	}
	return nil
}

// find finds the run that a table's run is, and says otherwise whether another one has its folder's name.
func (j *joint) find(t *Table, r Run, end string) (same *Run, twin bool) {
	for i := range j.runs {
		have := j.runs[i]
		bare := have
		bare.Folder = r.Folder
		if bare.ID() != r.ID() || have.Folder != r.Folder && !strings.HasSuffix(have.Folder, "/"+r.Folder) {
			continue
		}
		if end != "" && end == j.ends[have.ID()] || j.shares(t, r, have) {
			return &have, false
		}
		twin = twin || have.Folder == r.Folder
	}
	return nil, twin
}

// shares says whether a run of a table has an evaluation that one of the runs here has.
func (j *joint) shares(t *Table, r, have Run) bool {
	for _, row := range t.Rows {
		if row.RunOf().ID() != r.ID() {
			continue
		}
		row.Folder = have.Folder
		if i, ok := j.known[placeOf(&row)]; ok && j.Rows[i].Key == row.Key {
			return true
		}
	}
	return false
}

// provenanceOf reads what a table's metadata say; of another program's there may be nothing.
func provenanceOf(t *Table) map[string]any {
	var about map[string]any
	if json.Unmarshal([]byte(t.Provenance), &about) != nil || about == nil {
		about = map[string]any{}
	}
	return about
}

// endOf is the digest of a run's last checkpoint, as provenance says it; "" where it does not.
func endOf(about map[string]any, r Run) string {
	runs, _ := about["runs"].([]any)
	for _, one := range runs {
		m, _ := one.(map[string]any)
		if m["run"] == r.Name && m["folder"] == r.Folder {
			end, _ := m["last_sha256"].(string)
			return end
		}
	}
	return ""
}

// joined puts what two tables' metadata say together: lists become one, numbers of what is missing their sum, and texts that differ
// stand beside each other.
func joined(a, b map[string]any) map[string]any {
	if a == nil {
		return b
	}
	for key, v := range b {
		was, ok := a[key]
		switch {
		case !ok:
			a[key] = v
		case reflect.DeepEqual(was, v):
			if n, is := v.(float64); is && key == "missing" {
				a[key] = 2 * n
			}
		default:
			switch was := was.(type) {
			case []any:
				list, _ := v.([]any)
				for _, one := range list {
					if !slices.ContainsFunc(was, func(w any) bool { return reflect.DeepEqual(w, one) }) {
						was = append(was, one)
					}
				}
				a[key] = was
			case float64:
				if n, is := v.(float64); is && key == "missing" {
					a[key] = was + n
				}
			case string:
				if text, is := v.(string); is && !slices.Contains(strings.Split(was, "; "), text) {
					a[key] = was + "; " + text
				}
			}
		}
	}
	return a
}
