package results

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unique"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"lawa-replay/internal/atomicfile"
)

// provenanceKey names the provenance in the file's metadata.
const provenanceKey = "lawa-replay"

// columns ties each column to its field: how to append it, and how to read it back.
var columns = []column{
	text("run", func(r *Row) *string { return &r.Run }),
	wholeOrNull("seed", func(r *Row) **int64 { return &r.Seed }),
	later(text("folder", func(r *Row) *string { return &r.Folder })),
	later(text("config", func(r *Row) *string { return &r.Config })),
	later(wholeOrNull("devices", func(r *Row) **int64 { return &r.Devices })),
	text("scheme", func(r *Row) *string { return &r.Scheme }),
	{
		field: arrow.Field{Name: "k", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		append: func(b array.Builder, r *Row) {
			if r.K == 0 {
				b.AppendNull()
				return
			}
			b.(*array.Int32Builder).Append(r.K)
		},
		read: func(a arrow.Array, i int, r *Row) {
			if !a.IsNull(i) {
				r.K = a.(*array.Int32).Value(i)
			}
		},
	},
	real("epoch", func(r *Row) *float64 { return &r.Epoch }),
	wholeOrNull("step", func(r *Row) **int64 { return &r.Step }),
	text("policy", func(r *Row) *string { return &r.Policy }),
	text("split", func(r *Row) *string { return &r.Split }),
	text("metric", func(r *Row) *string { return &r.Metric }),
	real("value", func(r *Row) *float64 { return &r.Value }),
	real("stderr", func(r *Row) *float64 { return &r.StdErr }),
	whole("n", func(r *Row) *int64 { return &r.N }),
	realOrNull("seconds", func(r *Row) **float64 { return &r.Seconds }),
	text("key", func(r *Row) *string { return &r.Key }),
}

type column struct {
	field  arrow.Field
	append func(array.Builder, *Row)
	read   func(arrow.Array, int, *Row)
	later  bool // not in tables of the first version
}

// later marks a column that tables of the first version have not.
func later(c column) column {
	c.later = true
	return c
}

func text(name string, of func(*Row) *string) column {
	return column{
		field:  arrow.Field{Name: name, Type: arrow.BinaryTypes.String},
		append: func(b array.Builder, r *Row) { b.(*array.StringBuilder).Append(*of(r)) },
		// A copy, for the array's bytes may be reused; one for all rows that say the same.
		read: func(a arrow.Array, i int, r *Row) { *of(r) = unique.Make(a.(*array.String).Value(i)).Value() },
	}
}

func whole(name string, of func(*Row) *int64) column {
	return column{
		field:  arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Int64},
		append: func(b array.Builder, r *Row) { b.(*array.Int64Builder).Append(*of(r)) },
		read:   func(a arrow.Array, i int, r *Row) { *of(r) = a.(*array.Int64).Value(i) },
	}
}

func real(name string, of func(*Row) *float64) column {
	return column{
		field:  arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Float64},
		append: func(b array.Builder, r *Row) { b.(*array.Float64Builder).Append(*of(r)) },
		read:   func(a arrow.Array, i int, r *Row) { *of(r) = a.(*array.Float64).Value(i) },
	}
}

func wholeOrNull(name string, of func(*Row) **int64) column {
	return orNull(arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Int64, Nullable: true}, of,
		func(b array.Builder, v int64) { b.(*array.Int64Builder).Append(v) },
		func(a arrow.Array, i int) int64 { return a.(*array.Int64).Value(i) })
}

func realOrNull(name string, of func(*Row) **float64) column {
	return orNull(arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Float64, Nullable: true}, of,
		func(b array.Builder, v float64) { b.(*array.Float64Builder).Append(v) },
		func(a arrow.Array, i int) float64 { return a.(*array.Float64).Value(i) })
}

// orNull is a column of what may be unknown.
func orNull[T any](field arrow.Field, of func(*Row) **T, put func(array.Builder, T), get func(arrow.Array, int) T) column {
	return column{
		field: field,
		append: func(b array.Builder, r *Row) {
			if v := *of(r); v != nil {
				put(b, *v)
				return
			}
			b.AppendNull()
		},
		read: func(a arrow.Array, i int, r *Row) {
			if !a.IsNull(i) {
				*of(r) = new(get(a, i))
			}
		},
	}
}

func schema() *arrow.Schema {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = c.field
	}
	return arrow.NewSchema(fields, nil)
}

// File is the name of the table in a sweep's folder.
const File = "results.parquet"

// Write stores the table at path, and its SHA-256 beside it in path.sha256, as sha256sum writes it.
func Write(path string, t *Table) error {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema())
	defer b.Release()
	for i := range t.Rows {
		for j, c := range columns {
			c.append(b.Field(j), &t.Rows[i])
		}
	}
	record := b.NewRecord()
	defer record.Release()
	// Dictionaries for the texts only: a column that outgrows its dictionary would write statistics in the
	// order of a Go map, and other bytes each time.
	options := []parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithDictionaryDefault(false),
		parquet.WithCreatedBy("lawa-replay"),
	}
	for _, c := range columns {
		if c.field.Type == arrow.BinaryTypes.String {
			options = append(options, parquet.WithDictionaryFor(c.field.Name, true))
		}
	}
	var buf bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema(), &buf, parquet.NewWriterProperties(options...), pqarrow.DefaultWriterProps())
	if err != nil {
		return err
	}
	if err := w.AppendKeyValueMetadata(provenanceKey, t.Provenance); err != nil {
		return err
	}
	if err := w.WriteBuffered(record); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	// The digest first: a reader that comes between the two sees a mismatch, never a wrong table.
	sum := sha256.Sum256(buf.Bytes())
	if err := atomicfile.WriteBytes(path+".sha256", fmt.Appendf(nil, "%x  %s\n", sum, filepath.Base(path))); err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, buf.Bytes())
}

// maxTable bounds the size of a results file, in bytes.
const maxTable = 1 << 30

// Read reads a table that Write stored. The digest is checked before the Parquet reader sees a byte: that
// reader takes damage for instructions.
func Read(path string) (*Table, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxTable {
		return nil, fmt.Errorf("%s: %d bytes; at most %d are read", path, info.Size(), maxTable)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	want, err := os.ReadFile(path + ".sha256")
	if err != nil {
		return nil, fmt.Errorf("%s: its digest cannot be read: %w", path, err)
	}
	sum := sha256.Sum256(data)
	if digest, _, _ := strings.Cut(string(want), " "); digest != hex.EncodeToString(sum[:]) {
		return nil, fmt.Errorf("%s: sha256 %x, %s.sha256 says %s: the file was altered, or its writing was cut off (sweep again: what is in the store is not evaluated twice)", path, sum, filepath.Base(path), digest)
	}
	t, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

func parse(data []byte) (t *Table, err error) {
	defer func() {
		if r := recover(); r != nil {
			t, err = nil, fmt.Errorf("not a Parquet file that can be read: %v", r)
		}
	}()
	pf, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer pf.Close()
	r, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: 1 << 16}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	records, err := r.GetRecordReader(context.Background(), nil, nil)
	if err != nil {
		return nil, err
	}
	defer records.Release()
	t = &Table{}
	if p := pf.MetaData().KeyValueMetadata().FindValue(provenanceKey); p != nil {
		t.Provenance = *p
	}
	old := false
	for records.Next() {
		record := records.Record()
		rows := make([]Row, record.NumRows())
		for _, c := range columns {
			at := record.Schema().FieldIndices(c.field.Name)
			if len(at) == 0 && c.later {
				old = true
				continue
			}
			if len(at) != 1 || !arrow.TypeEqual(record.Column(at[0]).DataType(), c.field.Type) {
				return nil, fmt.Errorf("no column %s of type %s", c.field.Name, c.field.Type)
			}
			for i := range rows {
				c.read(record.Column(at[0]), i, &rows[i])
			}
		}
		t.Rows = append(t.Rows, rows...)
	}
	if err := records.Err(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if old {
		t.forget()
	}
	if int64(len(t.Rows)) != pf.NumRows() {
		return nil, fmt.Errorf("%d rows read, the file claims %d", len(t.Rows), pf.NumRows())
	}
	return t, nil
}

// forget takes the zeros of a table of the first version for unknown: it wrote them for imported runs. A run
// none of whose rows has seconds was imported, and its seed 0 is unknown too.
func (t *Table) forget() {
	timed := map[string]bool{}
	for _, r := range t.Rows {
		timed[r.RunOf().ID()] = timed[r.RunOf().ID()] || *r.Seconds != 0
	}
	for i := range t.Rows {
		r := &t.Rows[i]
		if timed[r.RunOf().ID()] {
			continue
		}
		if r.Seconds = nil; *r.Seed == 0 {
			r.Seed = nil
		}
	}
}
