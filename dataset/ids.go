package dataset

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v15/arrow"
	columns "github.com/apache/arrow/go/v15/arrow/array"
	"github.com/edsrzf/mmap-go"
	"github.com/zeebo/xxh3"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/tokenizer"
)

// A file of token ids, which tokenize writes and the cache holds:
//
//	idsMagic
//	the ids of all texts, one text behind the other, uint16 or uint32, little-endian
//	where each text ends, uint64, counted in ids
//	what else is to be known, as JSON (idsMeta)
//	the lengths of ids, ends and JSON, and the XXH3 of all before it, uint64
//
// It is whole or absent; its checksum is compared at each opening.
const (
	idsMagic = "lawa-replay tokens 1\n"
	idsTail  = 32
)

// idsMeta is what is to be known of ids.
type idsMeta struct {
	Source     string           `json:"source"`               // digest of what they were made of and how
	Tokenizer  string           `json:"tokenizer,omitempty"`  // its digest
	Texts      int              `json:"texts"`                //
	Bytes      int64            `json:"bytes,omitempty"`      // of all texts
	Vocabulary int              `json:"vocabulary,omitempty"` // ids are below it; 0 where nobody knows
	Width      int              `json:"width"`                // bytes of an id
	Before     []int32          `json:"before,omitempty"`     // what the tokenizer puts before a text
	After      []int32          `json:"after,omitempty"`      // and behind it
	Roles      map[string]int32 `json:"roles,omitempty"`      // bos, eos, pad, mask
	Special    []int32          `json:"special,omitempty"`    // ids that stand for no text
	Blank      []int            `json:"blank,omitempty"`      // texts that are empty lines, before which a document ends
	Whole      bool             `json:"whole,omitempty"`      // each text is a document
	Lengths    []int32          `json:"lengths,omitempty"`    // bytes of text that each id stands for
	Spaced     []int32          `json:"spaced,omitempty"`     // ids whose text begins with a space
	Prefixed   []byte           `json:"prefixed,omitempty"`   // a bit for each text, the lowest first: its first token has a space that is not in it
}

// ids are those of a file, mapped for as long as the process lasts.
type ids struct {
	idsMeta
	path string
	data []byte
	n    int64
	ends []int64 // of each text
}

// at is the id at a place, under checkpoint.Guard.
func (s *ids) at(i int64) int64 {
	if s.Width == 2 {
		return int64(binary.LittleEndian.Uint16(s.data[2*i:]))
	}
	return int64(binary.LittleEndian.Uint32(s.data[4*i:]))
}

// begin is where a text begins.
func (s *ids) begin(text int) int64 {
	if text == 0 {
		return 0
	}
	return s.ends[text-1]
}

// openIDs maps a file that idsWriter wrote.
func openIDs(path string) (*ids, error) {
	f, size, err := input.Open(path, input.Any)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	wrong := func(what string) (*ids, error) {
		return nil, fmt.Errorf("%s: %s", path, what)
	}
	if size < int64(len(idsMagic))+idsTail {
		return wrong(fmt.Sprintf("%d bytes are no file of tokens", size))
	}
	m, err := mmap.Map(f, mmap.RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s := &ids{path: path}
	what := ""
	if err := checkpoint.Guard(path, func() error { what = s.parse(m); return nil }); err != nil || what != "" {
		_ = m.Unmap()
		if err != nil {
			return nil, err
		}
		return wrong(what)
	}
	return s, nil
}

// parse reads what stands in a file, and says what is wrong with it.
func (s *ids) parse(m []byte) string {
	if string(m[:len(idsMagic)]) != idsMagic {
		return "no file of tokens of this version"
	}
	tail := m[len(m)-idsTail:]
	number := func(i int) int64 { return int64(binary.LittleEndian.Uint64(tail[8*i:])) }
	data, ends, meta := number(0), number(1), number(2)
	room := int64(len(m)-len(idsMagic)) - idsTail
	if data < 0 || ends < 0 || meta < 0 || data > room || ends > room || meta > room || data+ends+meta != room || ends%8 != 0 {
		return "its lengths are not those that it says: it is cut off"
	}
	if xxh3.Hash(m[:len(m)-8]) != binary.LittleEndian.Uint64(tail[24:]) {
		return "its checksum is another: it was altered"
	}
	m = m[len(idsMagic):]
	if err := json.Unmarshal(m[data+ends:data+ends+meta], &s.idsMeta); err != nil {
		return err.Error()
	}
	if s.Width != 2 && s.Width != 4 || data%int64(s.Width) != 0 {
		return fmt.Sprintf("ids of %d bytes", s.Width)
	}
	s.data, s.n = m[:data], data/int64(s.Width)
	last := int64(0)
	for i := int64(0); i < ends; i += 8 {
		e := int64(binary.LittleEndian.Uint64(m[data+i:]))
		if e < last || e > s.n {
			return "texts that end before they begin"
		}
		s.ends, last = append(s.ends, e), e
	}
	if last != s.n || len(s.ends) != s.Texts {
		return "ids that belong to no text"
	}
	return ""
}

// idsWriter writes such a file.
type idsWriter struct {
	path string
	out  *bufio.Writer
	sum  *xxh3.Hasher
	meta idsMeta
	n    int64
	ends []byte
	b    []byte
}

// writeIDs writes a file of what fill adds.
// What is wrong with what is added has nothing to do with the file that is written, whose name is not in the error then.
func writeIDs(path string, meta idsMeta, fill func(w *idsWriter) error) error {
	var wrong error
	err := atomicfile.Write(path, func(out io.Writer) error {
		w := &idsWriter{path: path, sum: xxh3.New(), meta: meta}
		w.out = bufio.NewWriterSize(io.MultiWriter(out, w.sum), 1<<20)
		if _, err := w.out.WriteString(idsMagic); err != nil {
			return err
		}
		if wrong = fill(w); wrong != nil {
			return wrong
		}
		return w.end(out)
	})
	if wrong != nil {
		return wrong
	}
	return err
}

// add adds a text.
func (w *idsWriter) add(text []int32) error {
	w.b = w.b[:0]
	for _, id := range text {
		if w.meta.Width == 2 {
			w.b = binary.LittleEndian.AppendUint16(w.b, uint16(id))
		} else {
			w.b = binary.LittleEndian.AppendUint32(w.b, uint32(id))
		}
	}
	w.n += int64(len(text))
	w.ends = binary.LittleEndian.AppendUint64(w.ends, uint64(w.n))
	w.meta.Texts++
	if _, err := w.out.Write(w.b); err != nil {
		return fmt.Errorf("writing %s: %w", w.path, err)
	}
	return nil
}

func (w *idsWriter) end(out io.Writer) error {
	meta, err := json.Marshal(w.meta)
	if err != nil {
		return err
	}
	tail := binary.LittleEndian.AppendUint64(nil, uint64(w.n)*uint64(w.meta.Width))
	tail = binary.LittleEndian.AppendUint64(tail, uint64(len(w.ends)))
	tail = binary.LittleEndian.AppendUint64(tail, uint64(len(meta)))
	if _, err := w.out.Write(bytes.Join([][]byte{w.ends, meta, tail}, nil)); err != nil {
		return err
	}
	if err := w.out.Flush(); err != nil {
		return err
	}
	_, err = out.Write(binary.LittleEndian.AppendUint64(nil, w.sum.Sum64()))
	return err
}

// metaOf is what a tokenizer says of its ids.
func metaOf(t *tokenizer.Tokenizer) idsMeta {
	m := idsMeta{Tokenizer: t.Digest, Vocabulary: t.Vocabulary(), Width: 4, Roles: map[string]int32{}}
	if t.Vocabulary() <= 1<<16 {
		m.Width = 2
	}
	m.Before, m.After = t.Template()
	for _, role := range []string{"bos", "eos", "pad", "mask"} {
		if id, ok := t.ID(role); ok {
			m.Roles[role] = id
		}
	}
	for id := range int32(t.Vocabulary()) {
		m.Lengths = append(m.Lengths, int32(t.Bytes(id)))
		if t.Special(id) {
			m.Special = append(m.Special, id)
		}
		if t.Spaced(id) {
			m.Spaced = append(m.Spaced, id)
		}
	}
	return m
}

// tokenizedOnce gives the ids of texts: out of the cache, or else made and put there.
func tokenizedOnce(o Opening, t *tokenizer.Tokenizer, texts texts) (*ids, error) {
	source, err := texts.digest(t.Digest)
	if err != nil {
		return nil, err
	}
	return cachedIDs(o, source, texts.note, func(path string) error { return tokenize(o, t, texts, path, source) })
}

// listedOnce gives the ids that a column of lists holds, each row a text: out of the cache, or else read and put there.
func listedOnce(o Opening, path, column string, notes *[]string) (*ids, error) {
	texts := texts{files: []string{path}, unit: "ids", column: column, notes: notes}
	source, err := texts.digest("")
	if err != nil {
		return nil, err
	}
	return cachedIDs(o, source, texts.note, func(to string) error { return collectIDs(o, path, column, to, source) })
}

// collectIDs writes the ids of a column of lists into a file.
func collectIDs(o Opening, from, column, to, source string) error {
	return writeIDs(to, idsMeta{Source: source, Width: 4, Whole: true}, func(w *idsWriter) error {
		var row []int32
		add := func(n int, at func(int) int64) error {
			if err := o.Context.Err(); err != nil {
				return err
			}
			row = row[:0]
			for i := range n {
				id := at(i)
				if id < 0 || id > math.MaxInt32 {
					return fmt.Errorf("row %d: id %d at place %d", w.meta.Texts+1, id, i+1)
				}
				row = append(row, int32(id))
			}
			return w.add(row)
		}
		f, _, err := input.Open(from, input.Any)
		if err != nil {
			return err
		}
		defer f.Close()
		if extension(from) == ".parquet" {
			err = parquetColumn(from, f, column, func(col arrow.Array, n int) error {
				lists, ok := col.(columns.ListLike)
				if !ok {
					return fmt.Errorf("column %s of %s; lists of whole numbers are expected", column, arrow.Type(col.DataType().ID()))
				}
				at, err := wholeNumbers(lists.ListValues())
				if err != nil {
					return fmt.Errorf("column %s: %w", column, err)
				}
				for i := range lists.Len() {
					if lists.IsNull(i) {
						return fmt.Errorf("row %d has no %s", n+i+1, column)
					}
					begin, end := lists.ValueOffsets(i)
					if err := add(int(end-begin), func(j int) int64 { return at(int(begin) + j) }); err != nil {
						return err
					}
				}
				return nil
			})
		} else {
			var r io.Reader
			if r, err = unzipped(from, f); err == nil {
				err = jsonField(r, column, func(row []int64) error { return add(len(row), func(i int) int64 { return row[i] }) })
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", from, err)
			}
		}
		if err == nil && w.n == 0 {
			err = fmt.Errorf("%s: there are no ids in it", from)
		}
		return err
	})
}

// wholeNumbers reads a column of some width; one that is missing is -1.
func wholeNumbers(col arrow.Array) (func(int) int64, error) {
	var at func(int) int64
	switch c := col.(type) {
	case *columns.Int16:
		at = func(i int) int64 { return int64(c.Value(i)) }
	case *columns.Uint16:
		at = func(i int) int64 { return int64(c.Value(i)) }
	case *columns.Int32:
		at = func(i int) int64 { return int64(c.Value(i)) }
	case *columns.Uint32:
		at = func(i int) int64 { return int64(c.Value(i)) }
	case *columns.Int64:
		at = c.Value
	default:
		return nil, fmt.Errorf("lists of %s; of whole numbers are expected", arrow.Type(col.DataType().ID()))
	}
	return func(i int) int64 {
		if col.IsNull(i) {
			return -1
		}
		return at(i)
	}, nil
}

// cachedIDs gives the ids of a digest: out of the cache, or else made by fill and put there.
func cachedIDs(o Opening, source string, note func(format string, args ...any), fill func(path string) error) (*ids, error) {
	folder, err := cacheFolder(o.Cache)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, fmt.Sprintf("tokens-%.32s", source), "ids.tokens")
	s, err := openIDs(path)
	if err == nil && s.Source == source {
		return s, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		note("the tokens in the cache are of no use and are made anew: %v", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := fill(path); err != nil {
		return nil, err
	}
	return openIDs(path)
}
