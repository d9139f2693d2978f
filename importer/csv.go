package importer

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
)

// readCSV reads a table with a header: commas, semicolons or tabs between the fields, or else spaces. Lines that begin
// with # are passed over, but one that is the header.
func (t *table) readCSV(r *bufio.Reader) error {
	header, lines, err := headerOf(r)
	if err != nil {
		return err
	}
	separator, most := ' ', 0
	for _, s := range ",;\t" {
		if n := strings.Count(header, string(s)); n > most {
			separator, most = s, n
		}
	}
	read := csvRecords(io.MultiReader(strings.NewReader(header+"\n"), r), separator)
	columns, err := read()
	if err != nil {
		return err
	}
	columns = slices.Clone(columns)
	if !slices.ContainsFunc(columns, func(c string) bool { _, number := toNumber(c); return !number }) {
		return fmt.Errorf("its first line has numbers alone: the names of the columns, such as epoch, must stand there")
	}
	short, long := 0, 0
	for n := lines + 1; ; n++ {
		record, err := read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if len(record) > len(columns) {
			if long++; long > 1 && n == lines+2 {
				return fmt.Errorf("line %d has %d fields, the header %d: which columns they are of is not known", n, len(record), len(columns))
			}
		} else if len(record) < len(columns) {
			short++
		}
		if slices.Equal(record, columns) {
			t.notes = append(t.notes, fmt.Sprintf("line %d is the header once more: what follows may be another run", n))
			continue
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

// headerOf reads the header, and says how many lines it took: the first line that begins without #, or the last one with
// it where numbers follow.
func headerOf(r *bufio.Reader) (header string, lines int, err error) {
	comment := ""
	for {
		if head, _ := r.Peek(64); comment != "" && len(head) > 0 && (digit(head[0]) || len(head) > 1 && bytes.IndexByte([]byte("-. "), head[0]) >= 0 && digit(head[1])) {
			return comment, lines, nil
		}
		line, err := r.ReadString('\n')
		if line == "" && err != nil {
			return "", 0, fmt.Errorf("no header with the names of the columns: %w", err)
		}
		lines++
		line = strings.TrimRight(line, "\r\n")
		switch text := strings.TrimSpace(line); {
		case strings.HasPrefix(text, "#"):
			comment = strings.TrimSpace(strings.TrimLeft(text, "#"))
		case text != "":
			return line, lines, nil
		}
	}
}

// csvRecords reads one record after another, as encoding/csv does, or of fields with spaces between them.
func csvRecords(in io.Reader, separator rune) func() ([]string, error) {
	if separator == ' ' {
		lines := bufio.NewReader(in)
		return func() ([]string, error) {
			for {
				line, err := lines.ReadString('\n')
				if fields := strings.Fields(line); len(fields) > 0 {
					return fields, nil
				} else if err != nil {
					return nil, err
				}
			}
		}
	}
	c := csv.NewReader(in)
	c.Comma, c.Comment = separator, '#'
	c.TrimLeadingSpace = separator != '\t'
	c.FieldsPerRecord = -1
	c.ReuseRecord = true
	return c.Read
}
