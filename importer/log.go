package importer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/input"
)

// maxLog bounds a training log, in bytes. Its numbers take up to eight times as much memory.
const maxLog = 128 << 20

// maxColumns bounds the columns that are looked at.
const maxColumns = 2000

// table is a training log: rows of numbers under the columns' names.
type table struct {
	columns []string // in the order in which they first appear
	rows    []row
	notes   []string
	index   map[string]int    // of the columns
	more    bool              // there were more than maxColumns
	words   map[string]string // by column, the first text in it that is no number
}

// row is one line of a log. Its epoch and step are NaN where it does not say them.
type row struct {
	epoch, step float64
	values      []logged
}

// logged is a number under a column of the table. NaN is one too.
type logged struct {
	column int
	value  float64
}

// at is a row's number in a column.
func (r row) at(column int) (float64, bool) {
	for _, l := range r.values {
		if l.column == column {
			return l.value, true
		}
	}
	return 0, false
}

// put sets a row's number in a column of that name, which is made if it must be.
func (t *table) put(r *row, name string, v float64) {
	i, known := t.index[name]
	if !known {
		if len(t.columns) == maxColumns {
			t.more = true
			return
		}
		if t.index == nil {
			t.index = map[string]int{}
		}
		i = len(t.columns)
		t.columns = append(t.columns, name)
		t.index[name] = i
	}
	r.values = append(r.values, logged{i, v})
}

// The names that columns of epochs and of steps have.
var (
	epochColumns = []string{"epoch", "epochs", "trainer/epoch", "current_epoch", "cur_epoch"}
	stepColumns  = []string{"step", "global_step", "iteration", "iter", "_step", "trainer/global_step", "num_updates", "steps"}
)

// add appends a row of fields in their order.
func (t *table) add(fields []entry) {
	r := row{epoch: math.NaN(), step: math.NaN()}
	stepBy := len(stepColumns)
	fields = flat(fields)
	split := splitOf(fields)
	for _, f := range fields {
		v, ok := toNumber(f.value)
		if !ok {
			t.wordy(f)
			continue
		}
		key := strings.ToLower(strings.TrimSpace(f.name))
		switch i := slices.Index(stepColumns, key); {
		case slices.Contains(epochColumns, key):
			r.epoch = v
		case i >= 0:
			if i < stepBy { // of several, the likeliest
				r.step, stepBy = v, i
			}
		default:
			name := strings.TrimSpace(f.name)
			if s, metric, known := metricName(name); known && s == "" && split != "" && !ofRun(metric) {
				name = split + "/" + name
			}
			t.put(&r, name, v)
		}
	}
	t.rows = append(t.rows, r)
}

// splitColumns are the names of columns that say by a word which split a row is of.
var splitColumns = []string{"split", "phase", "mode", "stage", "subset", "set", "partition", "dataset", "type"}

// splitOf is the split that a row says it is of; "" if it does not.
func splitOf(fields []entry) string {
	for _, f := range fields {
		if text, ok := f.value.(string); ok && slices.Contains(splitColumns, strings.ToLower(strings.TrimSpace(f.name))) {
			if s := splits[strings.ToLower(strings.TrimSpace(text))]; s != "" {
				return s
			}
		}
	}
	return ""
}

// wordy keeps what stands in a column in place of a number, to say it if there is never one.
func (t *table) wordy(f entry) {
	text, ok := f.value.(string)
	if _, list := f.value.([]any); list {
		text, ok = "a list", true
	}
	name := strings.TrimSpace(f.name)
	if text = strings.TrimSpace(text); !ok || text == "" || name == "" || len(t.words) > 100 || slices.Contains(splitColumns, strings.ToLower(name)) {
		return
	}
	if t.words == nil {
		t.words = map[string]string{}
	}
	if _, had := t.words[name]; !had {
		t.words[name] = text
	}
}

// onlyWords lists the columns that never hold a number, with what stands in them.
func (t *table) onlyWords() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(t.words)) {
		if !slices.Contains(t.columns, name) {
			out = append(out, fmt.Sprintf("%s (%q)", name, firstLetters(t.words[name], 20)))
		}
	}
	return out
}

func firstLetters(s string, n int) string {
	r := []rune(s)
	return string(r[:min(n, len(r))])
}

// entry is a field of a row.
type entry struct {
	name  string
	value any
}

// toNumber reads a field: a number, or text that is one.
func toNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case string:
		n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(v), "%"), 64)
		return n, err == nil
	}
	return 0, false
}

// openLog reads a log's file.
func openLog(path string) (*table, error) {
	f, _, err := input.Open(path, maxLog)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := parseLog(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// parseLog reads CSV with a header (comma, semicolon or tab), JSON lines, a JSON list of objects, a HuggingFace
// trainer_state.json, or Keras' history of lists.
func parseLog(in io.Reader) (*table, error) {
	r := bufio.NewReader(in)
	if mark, _ := r.Peek(3); string(mark) == "\xef\xbb\xbf" {
		r.Discard(3)
	} else if len(mark) > 1 && (mark[0] == 0xff && mark[1] == 0xfe || mark[0] == 0xfe && mark[1] == 0xff) {
		return nil, errors.New("the log is UTF-16: save it as UTF-8")
	}
	if head, _ := r.Peek(512); bytes.IndexByte(head, 0) >= 0 {
		return nil, errors.New("not a text, as logs are: of TensorBoard's event files export CSV, spreadsheets save as CSV")
	}
	head, _ := r.Peek(200)
	line, _, _ := strings.Cut(strings.TrimSpace(string(head)), "\n")
	begins := firstLetters(line, 60)
	t := &table{}
	first, err := input.FirstByte(r)
	switch {
	case err != nil:
		return nil, errors.New("the log is empty")
	case first == '{' || first == '[':
		err = t.readJSON(r)
	default:
		err = t.readCSV(r)
	}
	if err != nil {
		return nil, err
	}
	if t.more {
		t.notes = append(t.notes, fmt.Sprintf("it has more than %d columns: the rest are passed over", maxColumns))
	}
	for _, one := range t.rows {
		if !math.IsNaN(one.epoch) || !math.IsNaN(one.step) {
			return t, nil
		}
	}
	if only := t.onlyWords(); len(only) > 0 {
		return nil, fmt.Errorf("no numbers under epoch or step; without numbers are %s", strings.Join(atMost(only, 8), ", "))
	}
	return nil, fmt.Errorf("no column called epoch or step; it begins %q", begins)
}
