package importer

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/trajectory"
)

// splits are the words by which logs name them.
var splits = map[string]string{"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "eval": "val", "dev": "val", "cv": "val", "test": "test"}

// accuracies are the names of top-1 and top-5 accuracy.
var accuracies = map[string]string{"acc": "top1", "accuracy": "top1", "acc1": "top1", "top1": "top1", "top-1": "top1", "acc@1": "top1", "prec1": "top1", "prec@1": "top1", "top1_acc": "top1",
	"accuracy_top1": "top1", "accuracy_top-1": "top1", "acc5": "top5", "top5": "top5", "top-5": "top5", "acc@5": "top5", "prec5": "top5", "prec@5": "top5", "top5_acc": "top5", "accuracy_top5": "top5"}

// metricName is the name that a trajectory gives a column or key, if it is one that is kept: lr, seconds, tokens, or
// split/metric. split is "" where the name does not say which.
func metricName(key string) (split, metric string, known bool) {
	key = strings.ToLower(strings.TrimSpace(key))
	for _, unit := range []string{"(%)", "[%]", "%"} {
		key = strings.TrimSpace(strings.TrimSuffix(key, unit))
	}
	key = strings.ReplaceAll(key, " ", "_")
	switch key {
	case "lr", "learning_rate", "base_lr", "lr-sgd", "lr-adam", "lr-adamw":
		return "", "lr", true
	case "seconds", "time", "elapsed", "wall_time", "train_runtime", "_runtime", "total_time", "elapsed_time":
		return "", "seconds", true
	case "num_input_tokens_seen", "tokens", "tokens_seen", "total_tokens", "consumed_tokens":
		return "", "tokens", true
	case "total_flos":
		return "train", "total_flos", true
	case "loss":
		return "", "loss", true
	}
	if top := accuracies[key]; top != "" {
		return "", top, true
	}
	split, rest, ok := strings.Cut(key, "/")
	if !ok {
		split, rest, ok = strings.Cut(key, "_")
	}
	s, is := splits[split]
	if i := strings.LastIndexAny(key, "/_"); !is && i > 0 { // loss_val
		s, is = splits[key[i+1:]]
		ok, rest = true, key[:i]
	}
	rest = strings.TrimSuffix(rest, "_epoch") // Lightning: the mean over the epoch
	if !ok || !is || rest == "" {
		return "", "", false
	}
	if top := accuracies[rest]; top != "" {
		rest = top
	}
	if s == "train" && (rest == "lr" || rest == "learning_rate") {
		return "", "lr", true
	}
	return s, rest, true
}

// ofRun says whether a name is of the run itself, not of a split.
func ofRun(name string) bool { return name == "lr" || name == "seconds" || name == "tokens" }

// column is what one column of a log, or a number beside the weights, is kept as.
type column struct {
	name  string  // lr, seconds, or split/metric; "" if it is not kept
	scale float64 // 100 where fractions become percent
}

// naming gives columns their names, each once.
type naming struct {
	*table
	out    []column
	taken  map[string]int // by name, the column
	filled []int          // in how many rows a column is
	notes  []string
}

// give gives a column a name. Of two for one name the column with more rows has it, the first of equal ones, and the other
// keeps a name of its own.
func (n *naming) give(i int, name string) {
	j, twice := n.taken[name]
	if !twice {
		n.taken[name], n.out[i] = i, column{name, 1}
		return
	}
	has, other, why := j, i, "comes first"
	if n.filled[i] > n.filled[j] { // as HuggingFace's loss beside train_loss, the mean of all, at the end
		has, other, why = i, j, "has more rows"
	}
	own := name[:strings.Index(name+"/", "/")] + "/" + strings.ToLower(strings.TrimSpace(n.columns[other]))
	if _, again := n.taken[own]; again || own == name {
		own += "_2"
	}
	n.notes = append(n.notes, fmt.Sprintf("%s and %s are both %s: %s is, for it %s; the other is kept as %s", n.columns[j], n.columns[i], name, n.columns[has], why, own))
	n.taken[name], n.out[has], n.out[other] = has, column{name, 1}, column{}
	if _, again := n.taken[own]; !again {
		n.taken[own], n.out[other] = other, column{own, 1}
	}
}

// understand decides what the columns are kept as: each name once, the same at every run. The notes say what was guessed
// and what is left out.
func (t *table) understand() ([]column, []string) {
	n := &naming{table: t, out: make([]column, len(t.columns)), taken: map[string]int{}, filled: make([]int, len(t.columns))}
	for _, r := range t.rows {
		for _, l := range r.values {
			n.filled[l.column]++
		}
	}
	validated := slices.ContainsFunc(t.columns, func(c string) bool { split, _, _ := metricName(c); return split == "val" || split == "test" })
	var left []string
	// Names that say their split go first.
	for pass := range 2 {
		for i, c := range t.columns {
			split, metric, known := metricName(c)
			bare := split == "" && !ofRun(metric)
			switch {
			case !known:
				if pass == 0 && c != "" {
					left = append(left, c)
				}
			case bare != (pass == 1):
			case metric == "seconds" && !t.elapses(i):
				n.notes = append(n.notes, fmt.Sprintf("%s is not the time since the beginning, for it does not rise: it is left out", c))
			case bare && (metric == "loss" || validated):
				n.give(i, "train/"+metric)
			case bare:
				n.notes = append(n.notes, fmt.Sprintf("%s is taken for that of validation (val/%s)", c, metric))
				n.give(i, "val/"+metric)
			case split != "":
				n.give(i, split+"/"+metric)
			default:
				n.give(i, metric)
			}
		}
	}
	for i, c := range t.columns {
		name := n.out[i].name
		if t.fraction(i) && (strings.HasSuffix(name, "top1") || strings.HasSuffix(name, "top5") || strings.Contains(name, "acc")) {
			n.out[i].scale = 100
			n.notes = append(n.notes, fmt.Sprintf("%s is a fraction: it is kept in percent", c))
		}
	}
	if only := t.onlyWords(); len(only) > 0 {
		n.notes = append(n.notes, "columns without numbers: "+strings.Join(atMost(only, 8), ", "))
	}
	if len(left) > 0 {
		n.notes = append(n.notes, "columns that are not kept, for their names do not say a split: "+strings.Join(atMost(left, 8), ", "))
	}
	return n.out, n.notes
}

// elapses says whether a column rises from row to row, as the time since the beginning does.
func (t *table) elapses(column int) bool {
	last, first := math.Inf(-1), math.NaN()
	for _, r := range t.rows {
		v, ok := r.at(column)
		switch {
		case !ok || math.IsNaN(v):
			continue
		case v < last || v < 0 || v > 1e9: // or a date
			return false
		case math.IsNaN(first):
			first = v
		}
		last = v
	}
	return last > first || len(t.rows) == 1
}

// fraction says whether all numbers of a column lie between 0 and 1.
func (t *table) fraction(column int) bool {
	some := false
	for _, r := range t.rows {
		v, ok := r.at(column)
		if !ok || math.IsNaN(v) {
			continue
		}
		if v < 0 || v > 1 {
			return false
		}
		some = some || v > 0
	}
	return some
}

// logged puts a row's numbers where they belong: the learning rate, the seconds, or a metric by its split.
func (f *Found) logged(r row, columns []column) {
	for _, l := range r.values {
		c, v := columns[l.column], l.value
		finite := !math.IsNaN(v) && !math.IsInf(v, 0)
		switch {
		case c.name == "":
		case c.name == "lr" && finite:
			f.LR = &v
		case c.name == "seconds" && finite:
			f.Seconds = &v
		case c.name == "tokens" && finite:
			f.Tokens = &v
		case !ofRun(c.name):
			f.Metrics[c.name] = trajectory.Number(v * c.scale)
		}
	}
}
