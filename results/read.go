package results

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"

	"github.com/lawa-replay/lawa-replay/internal/input"
)

// The most that a table may take, several times that of a sweep of 1,000 checkpoints and 50 schemes.
const (
	maxTable  = 256 << 20 // bytes of the file
	maxRows   = 2_000_000
	maxMemory = 512 << 20 // bytes that the Parquet reader may hold
)

// Read reads a table that Write stored. The digest is checked before the Parquet reader sees a byte: that
// reader takes damage for instructions.
func Read(path string) (*Table, error) {
	data, err := input.ReadFile(path, maxTable)
	if err != nil {
		return nil, err
	}
	want, err := input.ReadFile(path+".sha256", 1<<12)
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

// parse reads a Parquet file column by column, in this goroutine alone: the library's reader of whole records starts
// others, and a panic there, for which a file of somebody else's is enough, could not be made an error.
func parse(data []byte) (t *Table, err error) {
	defer func() {
		if r := recover(); r != nil {
			t, err = nil, fmt.Errorf("not a Parquet file that can be read: %v", r)
		}
	}()
	alloc := &limited{memory.DefaultAllocator, maxMemory}
	pf, err := file.NewParquetReader(bytes.NewReader(data), file.WithReadProps(parquet.NewReaderProperties(alloc)))
	if err != nil {
		return nil, err
	}
	defer pf.Close()
	if n := pf.NumRows(); n < 0 || n > maxRows {
		return nil, fmt.Errorf("%d rows; at most %d are read", n, maxRows)
	}
	t = &Table{}
	if p := pf.MetaData().KeyValueMetadata().FindValue(provenanceKey); p != nil {
		t.Provenance = *p
	}
	if m := pf.MetaData().KeyValueMetadata().FindValue(metricsKey); m != nil {
		if err := json.Unmarshal([]byte(*m), &t.Metrics); err != nil {
			return nil, fmt.Errorf("its description of metrics: %w", err)
		}
	}
	first := false // whether it is of the first version
	for g := range pf.NumRowGroups() {
		group := pf.RowGroup(g)
		n := group.NumRows()
		if n < 0 || n > pf.NumRows()-int64(len(t.Rows)) {
			return nil, fmt.Errorf("a group of %d rows in a file that claims %d in all", n, pf.NumRows())
		}
		rows := make([]Row, n)
		for _, c := range columns {
			at := pf.MetaData().Schema.ColumnIndexByName(c.field.Name)
			if at < 0 && c.since > 0 {
				first = first || c.since == 2
				continue
			}
			values, err := readColumn(group, at, c.field, n, alloc)
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", c.field.Name, err)
			}
			for i := range rows {
				c.read(values, i, &rows[i])
			}
			values.Release()
		}
		t.Rows = append(t.Rows, rows...)
	}
	if int64(len(t.Rows)) != pf.NumRows() {
		return nil, fmt.Errorf("%d rows read, the file claims %d", len(t.Rows), pf.NumRows())
	}
	if first {
		t.forget()
	}
	return t, nil
}

// readColumn reads the n values of a column of a row group.
func readColumn(group *file.RowGroupReader, at int, field arrow.Field, n int64, alloc memory.Allocator) (arrow.Array, error) {
	if at < 0 {
		return nil, errors.New("there is none")
	}
	r, err := group.Column(at)
	if err != nil {
		return nil, err
	}
	if d := r.Descriptor(); d.MaxRepetitionLevel() > 0 || d.MaxDefinitionLevel() > 1 {
		return nil, errors.New("it is nested")
	}
	optional := r.Descriptor().MaxDefinitionLevel() == 1
	if optional && !field.Nullable {
		return nil, errors.New("its values may be missing")
	}
	b := array.NewBuilder(alloc, field.Type)
	defer b.Release()
	err = fmt.Errorf("of %v, expected %v", r.Type(), field.Type)
	switch b := b.(type) {
	case *array.StringBuilder:
		if r, ok := r.(*file.ByteArrayColumnChunkReader); ok {
			err = each(r.ReadBatch, n, optional, b.AppendNull, func(v parquet.ByteArray) { b.Append(string(v)) })
		}
	case *array.Int32Builder:
		if r, ok := r.(*file.Int32ColumnChunkReader); ok {
			err = each(r.ReadBatch, n, optional, b.AppendNull, b.Append)
		}
	case *array.Int64Builder:
		if r, ok := r.(*file.Int64ColumnChunkReader); ok {
			err = each(r.ReadBatch, n, optional, b.AppendNull, b.Append)
		}
	case *array.Float64Builder:
		if r, ok := r.(*file.Float64ColumnChunkReader); ok {
			err = each(r.ReadBatch, n, optional, b.AppendNull, b.Append)
		}
	}
	if err != nil {
		return nil, err
	}
	return b.NewArray(), nil
}

// each reads n values. Those that are not null follow one another in what a batch gives; levels of 0 stand for nulls.
func each[T any](batch func(int64, []T, []int16, []int16) (int64, int, error), n int64, optional bool, null func(), value func(T)) error {
	const some = 4096
	values, levels := make([]T, some), make([]int16, some)
	for left := n; left > 0; {
		rows, got, err := batch(min(left, some), values, levels, nil)
		if err != nil {
			return err
		}
		if rows == 0 {
			return fmt.Errorf("%d of %d values", n-left, n)
		}
		next := 0
		for i := range rows {
			if optional && levels[i] == 0 {
				null()
				continue
			}
			if next == got {
				return errors.New("fewer values than its levels say")
			}
			value(values[next])
			next++
		}
		left -= rows
	}
	return nil
}
