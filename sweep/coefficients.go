package sweep

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/klauspost/compress/zstd"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Evaluations name their average by a digest. What is in it, averages-NNNNNN.jsonl.zst says, once for each digest;
// compressed, because the history of an EMA repeats that of the endpoint before. A line with the digests of a
// trajectory's checkpoints comes first, then a line for each of its averages:
//
//	{"run":"r","checkpoints":["sha256",…]}
//	{"average":"digest","norm":6,"checkpoints":[[10,12],[14,16]],"weights":[1]}
//
// The checkpoints are ranges of places in the list before, counted from 1. Weight divided by norm is the coefficient;
// one weight stands for all where they are equal. Where it was rounded to another type than the checkpoints', dtype names that.
const (
	averagesName    = "averages-%06d.jsonl.zst"
	averagesPattern = "averages-*.jsonl.zst"
)

// KeepAverages writes down what is in the averages of a trajectory that are wanted, unless the store knows it.
func (s *Store) KeepAverages(t *trajectory.Trajectory, names []Average, all []averaging.Coefficients, wanted func(average int) bool) error {
	have, err := s.keptAverages()
	if err != nil {
		return err
	}
	var missing []int
	for i, name := range names {
		if key := parseKey(name.Digest); wanted(i) && !have[key] {
			have[key] = true
			missing = append(missing, i)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	paths, err := input.List(s.dir, averagesPattern)
	if err != nil {
		return err
	}
	name := filepath.Join(filepath.Base(s.dir), filepath.Base(numbered(s.dir, averagesName, paths)))
	return atomicfile.WriteBelow(filepath.Dir(s.dir), name, func(out io.Writer) error {
		z, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(4<<20), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(true))
		if err != nil {
			return err
		}
		table := struct {
			Run         string   `json:"run"`
			Checkpoints []string `json:"checkpoints"`
		}{Run: t.Meta.Run}
		for _, c := range t.Checkpoints {
			table.Checkpoints = append(table.Checkpoints, c.SHA256)
		}
		line, err := json.Marshal(table)
		if err == nil {
			_, err = z.Write(append(line, '\n'))
		}
		for _, i := range missing {
			if err == nil {
				line = appendAverage(line[:0], names[i], all[i])
				_, err = z.Write(line)
			}
		}
		if err2 := z.Close(); err == nil {
			err = err2
		}
		return err
	}, func() error { return nil })
}

// appendAverage writes an average's line.
func appendAverage(line []byte, a Average, c averaging.Coefficients) []byte {
	line = append(append(append(line, averagePrefix...), a.Digest...), '"')
	if a.DType != "" {
		line = append(append(append(line, `,"dtype":"`...), a.DType...), '"')
	}
	line = append(line, `,"norm":`...)
	line = append(strconv.AppendFloat(line, c.Norm, 'g', -1, 64), `,"checkpoints":[`...)
	for i := 0; i < len(c.Indices); {
		j := i
		for j+1 < len(c.Indices) && c.Indices[j+1] == c.Indices[j]+1 {
			j++
		}
		line = strconv.AppendInt(append(line, '['), int64(c.Indices[i]+1), 10)
		line = append(strconv.AppendInt(append(line, ','), int64(c.Indices[j]+1), 10), `],`...)
		i = j + 1
	}
	line = append(line[:len(line)-1], `],"weights":[`...)
	weights := c.Weights
	if !slices.ContainsFunc(weights, func(w float64) bool { return w != weights[0] }) {
		weights = weights[:1]
	}
	for _, w := range weights {
		line = append(strconv.AppendFloat(line, w, 'g', -1, 64), ',')
	}
	return append(line[:len(line)-1], "]}\n"...)
}

const averagePrefix = `{"average":"`

// keptAverages reads which averages the store knows. A file that is damaged counts as far as it can be read: what is
// missing of it is written again.
func (s *Store) keptAverages() (map[storeKey]bool, error) {
	have := map[storeKey]bool{}
	paths, err := input.List(s.dir, averagesPattern)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		f, _, err := input.Open(path, input.Any)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if err := readAverages(f, have); err != nil {
			s.note(Note{Text: fmt.Sprintf("%s is damaged (%v): the coefficients that it lacks are written again", path, err)})
		}
		f.Close()
	}
	return have, nil
}

// readAverages takes the digests at the begin of the lines.
func readAverages(f *os.File, have map[storeKey]bool) error {
	z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		return err
	}
	defer z.Close()
	b := bufio.NewReaderSize(z, 1<<16)
	var line [len(averagePrefix) + keyDigits]byte
	for begin := true; ; {
		part, err := b.ReadSlice('\n')
		if begin && len(part) > len(line) && bytes.HasPrefix(part, []byte(averagePrefix)) {
			copy(line[:], part)
			have[parseKey(string(line[len(averagePrefix):]))] = true
		}
		switch begin = err == nil; err {
		case nil, bufio.ErrBufferFull:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}
