package results

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"unique"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
)

// What the file's metadata hold, each as JSON: the provenance, and the descriptions of metrics.
const (
	provenanceKey = "lawa-replay"
	metricsKey    = "metrics"
)

// columns ties each column to its field: how to append it, and how to read it back.
var columns = []column{
	text("run", func(r *Row) *string { return &r.Run }),
	wholeOrNull("seed", func(r *Row) **int64 { return &r.Seed }),
	since(2, text("folder", func(r *Row) *string { return &r.Folder })),
	since(2, text("config", func(r *Row) *string { return &r.Config })),
	since(3, derived("recipe", func(r *Row) string { return r.RunOf().Recipe() })),
	since(2, wholeOrNull("devices", func(r *Row) **int64 { return &r.Devices })),
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
	since(4, realOrNull("lr", func(r *Row) **float64 { return &r.LR })),
	since(5, realOrNull("tokens", func(r *Row) **float64 { return &r.Tokens })),
	since(6, wholeOrNull("examples", func(r *Row) **int64 { return &r.Examples })),
	since(6, realOrNull("low", func(r *Row) **float64 { return &r.Low })),
	since(6, realOrNull("high", func(r *Row) **float64 { return &r.High })),
	since(6, derivedReal("device_seconds", func(r *Row) *float64 {
		if r.Seconds == nil || r.Devices == nil {
			return nil
		}
		return new(*r.Seconds * float64(*r.Devices))
	})),
	since(7, realOrNull("difference", func(r *Row) **float64 { return &r.Difference })),
	since(7, realOrNull("difference_low", func(r *Row) **float64 { return &r.DifferenceLow })),
	since(7, realOrNull("difference_high", func(r *Row) **float64 { return &r.DifferenceHigh })),
	text("key", func(r *Row) *string { return &r.Key }),
}

type column struct {
	field  arrow.Field
	append func(array.Builder, *Row)
	read   func(arrow.Array, int, *Row)
	since  int // the version of tables that first had it; 0 for all
	text   func(*Row) string
}

// repeats says whether a text column's different values fit into a dictionary: one that outgrows it would be written
// with statistics in the order of a Go map, other bytes each time.
func (c column) repeats(t *Table) bool {
	const most = parquet.DefaultDictionaryPageSizeLimit / 2
	if c.text == nil {
		return false
	}
	seen, size := map[string]bool{}, int64(0)
	for i := range t.Rows {
		if v := c.text(&t.Rows[i]); !seen[v] {
			seen[v] = true
			if size += 4 + int64(len(v)); size > most {
				return false
			}
		}
	}
	return true
}

// since marks a column that tables of earlier versions have not. The second came with 0.2, the others after it.
func since(version int, c column) column {
	c.since = version
	return c
}

func text(name string, of func(*Row) *string) column {
	return column{
		text:   func(r *Row) string { return *of(r) },
		field:  arrow.Field{Name: name, Type: arrow.BinaryTypes.String},
		append: func(b array.Builder, r *Row) { b.(*array.StringBuilder).Append(*of(r)) },
		// A copy, for the array's bytes may be reused; one for all rows that say the same.
		read: func(a arrow.Array, i int, r *Row) { *of(r) = unique.Make(a.(*array.String).Value(i)).Value() },
	}
}

// derivedReal is a number that follows from others, null where they are not known.
func derivedReal(name string, of func(*Row) *float64) column {
	c := realOrNull(name, func(r *Row) **float64 { v := of(r); return &v })
	c.read = func(arrow.Array, int, *Row) {}
	return c
}

// derived is a text column that follows from others, for those who read the file.
func derived(name string, of func(*Row) string) column {
	return column{
		text:   of,
		field:  arrow.Field{Name: name, Type: arrow.BinaryTypes.String},
		append: func(b array.Builder, r *Row) { b.(*array.StringBuilder).Append(of(r)) },
		read:   func(arrow.Array, int, *Row) {},
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
	// Dictionaries for texts that repeat themselves, and for nothing else.
	options := []parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithDictionaryDefault(false),
		parquet.WithCreatedBy("lawa-replay"),
	}
	for _, c := range columns {
		if c.repeats(t) {
			options = append(options, parquet.WithDictionaryFor(c.field.Name, true))
		}
	}
	digest := sha256.New()
	write := func(out io.Writer) error {
		out = io.MultiWriter(out, digest)
		w, err := pqarrow.NewFileWriter(schema(), struct{ io.Writer }{out}, parquet.NewWriterProperties(options...), pqarrow.DefaultWriterProps())
		if err != nil {
			return err
		}
		if err := w.AppendKeyValueMetadata(provenanceKey, t.Provenance); err != nil {
			return err
		}
		if len(t.Metrics) > 0 {
			text, err := json.Marshal(t.Metrics)
			if err != nil {
				return err
			}
			if err := w.AppendKeyValueMetadata(metricsKey, string(text)); err != nil {
				return err
			}
		}
		// Some rows at a time: as Arrow, all of them would take as much memory again.
		for rows := range slices.Chunk(t.Rows, 1<<13) {
			for i := range rows {
				for j, c := range columns {
					c.append(b.Field(j), &rows[i])
				}
			}
			record := b.NewRecord()
			err := w.WriteBuffered(record)
			record.Release()
			if err != nil {
				return err
			}
		}
		return w.Close()
	}
	// The digest first: a reader that comes between the two sees a mismatch, never a wrong table.
	return atomicfile.WriteConfirmed(path, write, func() error {
		return atomicfile.WriteBytes(path+".sha256", fmt.Appendf(nil, "%x  %s\n", digest.Sum(nil), filepath.Base(path)))
	})
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
