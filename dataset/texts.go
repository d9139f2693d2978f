package dataset

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	columns "github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"golang.org/x/sync/errgroup"

	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/tokenizer"
)

// texts are those of some files.
type texts struct {
	files  []string
	unit   string // line, paragraph or file
	column string // of Parquet and JSON lines
	notes  *[]string
}

func (t texts) note(format string, args ...any) {
	*t.notes = append(*t.notes, fmt.Sprintf(format, args...))
}

// expand finds the files of a name or a pattern.
func expand(dir, name string) ([]string, error) {
	if dir != "" && !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	if !strings.ContainsAny(name, "*?[") {
		return []string{name}, nil
	}
	found, err := filepath.Glob(name)
	if err == nil && len(found) == 0 {
		err = errors.New("no file has such a name")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	slices.Sort(found)
	return found, nil
}

// digest is of the files' bytes, of how they are divided, and of the tokenizer.
func (t texts) digest(tokenizer string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "tokens 2 %s %s %q\n", tokenizer, t.unit, t.column)
	for _, name := range t.files {
		f, size, err := input.Open(name, input.Any)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", extension(name), size)
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// extension is the ending that says how a file is read: that before .gz.
func extension(name string) string {
	return strings.ToLower(filepath.Ext(strings.TrimSuffix(strings.ToLower(name), ".gz")))
}

// packedFiles are endings of files that are no plain text.
var packedFiles = []string{".zip", ".zst", ".xz", ".bz2", ".7z", ".tar", ".tgz", ".arrow", ".feather", ".npy", ".npz", ".bin", ".tokens", ".pt", ".safetensors", ".pdf", ".docx", ".xlsx"}

// whole says whether each text is a document, not a line of one.
func (t texts) whole() bool {
	return t.unit != "line" || slices.ContainsFunc(t.files, func(name string) bool {
		return slices.Contains([]string{".parquet", ".jsonl", ".json", ".ndjson", ".csv", ".tsv"}, extension(name))
	})
}

// maxText is the longest text, in bytes.
const maxText = 1 << 30

// each calls f with every text of the files in turn, where it stands, and whether it is an empty line.
func (t texts) each(f func(where, text string, blank bool) error) error {
	for _, name := range t.files {
		n := 0
		err := t.read(name, func(text string, blank bool) error {
			n++
			return f(fmt.Sprintf("%s, text %d", name, n), text, blank)
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%s: there is no text in it", name)
		}
	}
	return nil
}

func (t texts) read(name string, f func(text string, blank bool) error) error {
	opened, size, err := input.Open(name, input.Any)
	if err != nil {
		return err
	}
	defer opened.Close()
	kind := extension(name)
	if kind == ".parquet" {
		return t.parquet(name, opened, f)
	}
	r, err := unzipped(name, opened)
	if err != nil {
		return err
	}
	if r != io.Reader(opened) {
		size = maxText
	}
	switch {
	case kind == ".jsonl" || kind == ".json" || kind == ".ndjson":
		err = t.jsonLines(r, f)
	case kind == ".csv":
		err = t.csvRows(r, ',', f)
	case kind == ".tsv":
		err = t.csvRows(r, '\t', f)
	case slices.Contains(packedFiles, kind):
		err = fmt.Errorf("texts are not read of %s: plain files, .gz, .jsonl, .csv, .tsv and .parquet are", kind)
	case t.unit == "file":
		var all []byte
		if all, err = io.ReadAll(io.LimitReader(r, min(size, maxText)+1)); err == nil && len(all) > maxText {
			err = fmt.Errorf("more than %d bytes in one text; unit=line divides it", maxText)
		}
		if err == nil && len(all) > 0 {
			err = f(string(all), false)
		}
	default:
		err = t.lines(r, f)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// unzipped reads a file whose name ends in .gz as what was compressed.
func unzipped(name string, opened *os.File) (io.Reader, error) {
	if !strings.HasSuffix(strings.ToLower(name), ".gz") {
		return opened, nil
	}
	z, err := gzip.NewReader(opened)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return z, nil
}

// lines are a file's lines, or its paragraphs: lines between empty ones.
func (t texts) lines(r io.Reader, f func(text string, blank bool) error) error {
	in := bufio.NewReaderSize(r, 1<<20)
	var paragraph []byte
	for {
		line, err := input.ReadLine(in, maxText)
		if err != nil && err != io.EOF {
			return err
		}
		end := err == io.EOF
		if end && len(line) == 0 {
			break
		}
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		blank := len(bytes.TrimSpace(line)) == 0
		switch {
		case t.unit == "line":
			if err := f(string(line), blank); err != nil {
				return err
			}
		case blank && len(paragraph) > 0:
			if err := f(string(paragraph), false); err != nil {
				return err
			}
			paragraph = paragraph[:0]
		case !blank:
			if len(paragraph) > 0 {
				paragraph = append(paragraph, '\n')
			}
			if paragraph = append(paragraph, line...); len(paragraph) > maxText {
				return fmt.Errorf("a paragraph of more than %d bytes", maxText)
			}
		}
		if end {
			break
		}
	}
	if len(paragraph) > 0 {
		return f(string(paragraph), false)
	}
	return nil
}

// jsonLines are the texts of a field of each line.
func (t texts) jsonLines(r io.Reader, f func(text string, blank bool) error) error {
	return jsonField(r, t.column, func(text string) error { return f(text, strings.TrimSpace(text) == "") })
}

// jsonField hands on a field of each row of JSON lines, or of a list of such rows.
func jsonField[T string | []int64](r io.Reader, column string, f func(T) error) error {
	in := bufio.NewReader(r)
	d := json.NewDecoder(in)
	listed := false
	if begin, err := input.FirstByte(in); err != nil && err != io.EOF {
		return err
	} else if listed = begin == '['; listed {
		if _, err := d.Token(); err != nil {
			return err
		}
	}
	for n := 1; ; n++ {
		var row map[string]json.RawMessage
		if listed && !d.More() {
			_, err := d.Token()
			return err
		}
		err := d.Decode(&row)
		if err == io.EOF && !listed {
			return nil
		}
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
			return fmt.Errorf("row %d is a %s; an object with the field %s is expected", n, wrong.Value, column)
		}
		if err != nil {
			return fmt.Errorf("row %d is no JSON: %w", n, err)
		}
		raw, ok := row[column]
		if !ok {
			return fmt.Errorf("row %d has no field %s (column=…); it has %s", n, column, strings.Join(slices.Sorted(maps.Keys(row)), ", "))
		}
		var value T
		if json.Unmarshal(raw, &value) != nil || string(raw) == "null" {
			want := "a text"
			if _, ok := any(value).([]int64); ok {
				want = "a list of whole numbers"
			}
			return fmt.Errorf("row %d: %s is %.40s; %s is expected", n, column, raw, want)
		}
		if err := f(value); err != nil {
			return err
		}
	}
}

// csvRows are the texts of a column of a table whose first row names the columns.
func (t texts) csvRows(r io.Reader, comma rune, f func(text string, blank bool) error) error {
	in := csv.NewReader(r)
	in.Comma, in.ReuseRecord = comma, true
	names, err := in.Read()
	if err != nil {
		return fmt.Errorf("the row with the columns' names: %w", err)
	}
	if !utf8.ValidString(strings.Join(names, "")) {
		return errors.New("the row with the columns' names is not UTF-8")
	}
	at := slices.Index(names, t.column)
	if at < 0 && len(names) > 0 {
		at = slices.Index(names, "\ufeff"+t.column)
	}
	if at < 0 {
		return fmt.Errorf("no column %s (column=…); it has %s", t.column, strings.Join(names, ", "))
	}
	for {
		row, err := in.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		text := strings.Clone(row[at])
		if err := f(text, strings.TrimSpace(text) == ""); err != nil {
			return err
		}
	}
}

// parquet are the texts of a column.
func (t texts) parquet(name string, opened *os.File, f func(text string, blank bool) error) error {
	return parquetColumn(name, opened, t.column, func(col arrow.Array, n int) error {
		var value func(int) string
		switch c := col.(type) {
		case *columns.String:
			value = c.Value
		case *columns.LargeString:
			value = c.Value
		default:
			return fmt.Errorf("column %s of %s; texts are expected", t.column, arrow.Type(col.DataType().ID()))
		}
		for i := range col.Len() {
			if col.IsNull(i) {
				return fmt.Errorf("row %d has no %s", n+i+1, t.column)
			}
			text := strings.Clone(value(i))
			if err := f(text, strings.TrimSpace(text) == ""); err != nil {
				return err
			}
		}
		return nil
	})
}

// parquetColumn hands on a column, one that holds lists too, some rows at a time, with how many rows came before.
func parquetColumn(name string, opened *os.File, column string, f func(col arrow.Array, n int) error) (err error) {
	defer func() {
		if r := recover(); r != nil { // the library panics on some damaged files
			err = fmt.Errorf("%s: %v", name, r)
		}
	}()
	in, err := file.NewParquetReader(opened)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer in.Close()
	at := -1
	var names []string
	for i := range in.MetaData().Schema.NumColumns() {
		root, _, _ := strings.Cut(in.MetaData().Schema.Column(i).Path(), ".")
		if names = append(names, root); root == column {
			at = i
		}
	}
	if at < 0 {
		return fmt.Errorf("%s: no column %s (column=…); it has %s", name, column, strings.Join(names, ", "))
	}
	r, err := pqarrow.NewFileReader(in, pqarrow.ArrowReadProperties{BatchSize: 1 << 12}, memory.DefaultAllocator)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	rows, err := r.GetRecordReader(context.Background(), []int{at}, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer rows.Release()
	n := 0
	for rows.Next() {
		col := rows.Record().Column(0)
		if err := f(col, n); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		n += col.Len()
	}
	if err := rows.Err(); err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// account says whether the tokens of the next text stand for its bytes, but for a space before it. Special ones stand for none.
func (w *idsWriter) account(t *tokenizer.Tokenizer, ids []int32, size int) bool {
	n := 0
	for _, id := range ids {
		if t.Special(id) {
			return true
		}
		n += t.Bytes(id)
	}
	switch n - size {
	case 0:
		return true
	case 1:
		text := w.meta.Texts
		for len(w.meta.Prefixed) <= text/8 {
			w.meta.Prefixed = append(w.meta.Prefixed, 0)
		}
		w.meta.Prefixed[text/8] |= 1 << (text % 8)
		return true
	}
	return false
}

// tokenize writes the ids of texts into a file, on all cores, some texts at a time.
func tokenize(o Opening, t *tokenizer.Tokenizer, texts texts, path, source string) error {
	meta := metaOf(t)
	meta.Source = source
	meta.Whole = texts.whole()
	return writeIDs(path, meta, func(w *idsWriter) error {
		const some = 4 << 20 // bytes of text at a time
		var batch, where []string
		inexact := false // tokens are not the text, byte by byte
		size := 0
		flush := func() error {
			out := make([][]int32, len(batch))
			var g errgroup.Group
			workers := min(len(batch), runtime.GOMAXPROCS(0))
			for i := range workers {
				g.Go(func() error {
					for j := i * len(batch) / workers; j < (i+1)*len(batch)/workers; j++ {
						var err error
						if out[j], err = t.Encode(nil, batch[j], false); err != nil {
							return fmt.Errorf("%s: %w", where[j], err)
						}
					}
					return nil
				})
			}
			if err := g.Wait(); err != nil {
				return err
			}
			for i, ids := range out {
				w.meta.Bytes += int64(len(batch[i]))
				inexact = !w.account(t, ids, len(batch[i])) || inexact
				if err := w.add(ids); err != nil {
					return err
				}
			}
			batch, where, size = batch[:0], where[:0], 0
			return nil
		}
		n := 0
		err := texts.each(func(at, text string, blank bool) error {
			if err := o.Context.Err(); err != nil {
				return err
			}
			if blank {
				w.meta.Blank = append(w.meta.Blank, n)
			}
			n++
			batch, where = append(batch, text), append(where, at)
			if size += len(text) + 64; size < some {
				return nil
			}
			return flush()
		})
		if err == nil {
			err = flush()
		}
		if inexact { // of WordPiece, and of characters that were composed
			w.meta.Lengths, w.meta.Prefixed = nil, nil
		}
		return err
	})
}
