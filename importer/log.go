package importer

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	for _, f := range fields {
		v, ok := toNumber(f.value)
		if !ok {
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
			t.put(&r, strings.TrimSpace(f.name), v)
		}
	}
	t.rows = append(t.rows, r)
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
		n, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
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
	return nil, fmt.Errorf("no column called epoch or step; its columns are %s", strings.Join(t.columns[:min(len(t.columns), 8)], ", "))
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

func (t *table) readCSV(r *bufio.Reader) error {
	header, err := r.Peek(r.Size())
	if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
		return err
	}
	line, _, _ := strings.Cut(string(header), "\n")
	separator, most := ',', 0
	for _, s := range ",;\t" {
		if n := strings.Count(line, string(s)); n > most {
			separator, most = s, n
		}
	}
	c := csv.NewReader(r)
	c.Comma = separator
	c.TrimLeadingSpace = separator != '\t'
	c.FieldsPerRecord = -1
	c.ReuseRecord = true
	columns, err := c.Read()
	if err != nil {
		return err
	}
	columns = slices.Clone(columns)
	short, long := 0, 0
	for n := 2; ; n++ {
		record, err := c.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if len(record) > len(columns) {
			if long++; long > 1 && n == 3 {
				return fmt.Errorf("line %d has %d fields, the header %d: which columns they are of is not known", n, len(record), len(columns))
			}
		} else if len(record) < len(columns) {
			short++
		}
		var fields []entry
		for i, name := range columns[:min(len(columns), len(record))] {
			text := record[i]
			if separator == ';' { // 0,9 where the comma is the decimal mark
				text = strings.Replace(text, ",", ".", 1)
			}
			fields = append(fields, entry{name, text})
		}
		t.add(fields)
	}
	if short > 0 {
		t.notes = append(t.notes, fmt.Sprintf("%d rows have fewer fields than the header: what they lack is not known", short))
	}
	if long > 0 {
		t.notes = append(t.notes, fmt.Sprintf("%d rows have more fields than the header: those are passed over", long))
	}
	return nil
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

// lists is the length of the lists of an object that has nothing else, as Keras' history; 0 if it has.
func lists(fields []entry) int {
	n := 0
	for _, f := range fields {
		list, ok := f.value.([]any)
		if !ok || len(list) == 0 || n > 0 && len(list) != n {
			return 0
		}
		n = len(list)
	}
	return n
}

func element(fields []entry, i int) []entry {
	var out []entry
	for _, f := range fields {
		out = append(out, entry{f.name, f.value.([]any)[i]})
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
