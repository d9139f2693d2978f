package importer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"lawa-replay/internal/input"
)

// maxLog bounds a training log, in bytes.
const maxLog = 256 << 20

// table is a training log: rows of numbers under the columns' names.
type table struct {
	columns []string // in the order in which they first appear
	rows    []row
	notes   []string
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
	i := slices.Index(t.columns, name)
	if i < 0 {
		i = len(t.columns)
		t.columns = append(t.columns, name)
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
			if s, metric, known := metricName(name); known && s == "" && split != "" && metric != "lr" && metric != "seconds" {
				name = split + "/" + name
			}
			t.put(&r, name, v)
		}
	}
	t.rows = append(t.rows, r)
}

// flat puts the fields of objects in a row under their names, as in train/loss.
func flat(fields []entry) []entry {
	if !slices.ContainsFunc(fields, func(f entry) bool { _, below := f.value.(map[string]any); return below }) {
		return fields
	}
	var out []entry
	for _, f := range fields {
		if _, below := f.value.(map[string]any); !below {
			out = append(out, f)
			continue
		}
		for _, inner := range ofMap(f.value) {
			if _, deeper := inner.value.(map[string]any); deeper {
				inner.value = "an object"
			}
			out = append(out, entry{f.name + "/" + inner.name, inner.value})
		}
	}
	return out
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
	first, err := firstByte(r)
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

// firstByte skips white space and peeks at what follows.
func firstByte(r *bufio.Reader) (byte, error) {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if !strings.ContainsRune(" \t\r\n", rune(b)) {
			return b, r.UnreadByte()
		}
	}
}

func (t *table) readJSON(in io.Reader) error {
	d := json.NewDecoder(&finiteJSON{in: bufio.NewReader(in)})
	n := 0
	for {
		n++
		var raw json.RawMessage
		if err := d.Decode(&raw); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
		if raw[0] == '[' {
			var list []json.RawMessage
			if err := json.Unmarshal(raw, &list); err != nil {
				return fmt.Errorf("record %d: %w", n, err)
			}
			for _, one := range list {
				fields, err := object(one)
				if err != nil {
					return fmt.Errorf("record %d: %w", n, err)
				}
				t.add(fields)
			}
			continue
		}
		fields, err := object(raw)
		if err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
		switch history, lists := historyOf(fields), lists(fields); {
		case byEpoch(fields):
			for _, f := range fields {
				t.add(append(ofMap(f.value), entry{"epoch", f.name}))
			}
		case history != nil:
			for _, one := range history {
				t.add(ofMap(one))
			}
		case lists > 0:
			for i := range lists {
				t.add(append([]entry{{"epoch", float64(i + 1)}}, element(fields, i)...))
			}
		default:
			t.add(fields)
		}
	}
}

// object reads a JSON object's fields in their order.
func object(raw json.RawMessage) ([]entry, error) {
	d := json.NewDecoder(strings.NewReader(string(raw)))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("not an object of names and numbers")
	}
	var out []entry
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var v any
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		key, _ := name.(string)
		out = append(out, entry{key, v})
	}
	return out, nil
}

// historyOf is the log_history of a trainer_state.json.
func historyOf(fields []entry) []any {
	for _, f := range fields {
		if list, ok := f.value.([]any); ok && f.name == "log_history" {
			return list
		}
	}
	return nil
}

// ofMap lists an object's fields by name.
func ofMap(v any) []entry {
	m, _ := v.(map[string]any)
	var out []entry
	for k, v := range m {
		out = append(out, entry{k, v})
	}
	slices.SortFunc(out, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return out
}

// byEpoch says whether an object has objects alone, under numbers: one of each epoch.
func byEpoch(fields []entry) bool {
	return len(fields) > 0 && !slices.ContainsFunc(fields, func(f entry) bool {
		_, number := toNumber(f.name)
		_, below := f.value.(map[string]any)
		return !number || !below
	})
}

// lists is the length of the lists of an object, as Keras' history has them, with settings such as epochs beside them at
// most; 0 if it has others, says of which epoch or step it is, or none of them is kept.
func lists(fields []entry) int {
	n, kept := 0, false
	for _, f := range fields {
		list, ok := f.value.([]any)
		key := strings.ToLower(f.name)
		switch {
		case !ok && (key == "epochs" || !slices.Contains(epochColumns, key) && !slices.Contains(stepColumns, key)):
		case !ok || len(list) == 0 || n > 0 && len(list) != n:
			return 0
		default:
			_, _, known := metricName(f.name)
			n, kept = len(list), kept || known
		}
	}
	if !kept {
		return 0
	}
	return n
}

func element(fields []entry, i int) []entry {
	var out []entry
	for _, f := range fields {
		if list, ok := f.value.([]any); ok {
			out = append(out, entry{f.name, list[i]})
		}
	}
	return out
}

// finiteJSON gives JSON of what Python writes: NaN, Infinity and -Infinity become texts.
type finiteJSON struct {
	in      *bufio.Reader
	out     []byte
	text    bool // inside a string
	escaped bool
}

var notJSON = []string{"-Infinity", "Infinity", "NaN"}

func (f *finiteJSON) Read(p []byte) (int, error) {
	for len(f.out) < len(p) {
		b, err := f.in.ReadByte()
		if err != nil {
			if len(f.out) == 0 {
				return 0, err
			}
			break
		}
		switch {
		case f.text && f.escaped:
			f.escaped = false
		case f.text && b == '\\':
			f.escaped = true
		case b == '"':
			f.text = !f.text
		case !f.text && (b == 'N' || b == 'I' || b == '-'):
			if word := f.word(b); word != "" {
				f.out = append(f.out, `"`+word+`"`...)
				continue
			}
		}
		f.out = append(f.out, b)
	}
	n := copy(p, f.out)
	f.out = f.out[n:]
	return n, nil
}

// word reads on if a word that JSON lacks stands here.
func (f *finiteJSON) word(b byte) string {
	for _, w := range notJSON {
		if w[0] != b {
			continue
		}
		if rest, _ := f.in.Peek(len(w) - 1); string(rest) == w[1:] {
			f.in.Discard(len(w) - 1)
			return w
		}
	}
	return ""
}

// jsonOf reads JSON of what Python writes.
func jsonOf(text []byte) io.Reader {
	return &finiteJSON{in: bufio.NewReader(bytes.NewReader(text))}
}
