package importer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

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
