package examples

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strconv"

	"github.com/klauspost/compress/zstd"
)

// A record is a line, and behind it as many bytes as the line says, and a line feed. The line is the CRC-32C of what follows it in
// the line, in eight hexadecimal digits; the evaluation's key; the rest as JSON; with spaces between them:
//
//	0e12ab34 9f86d0… {"bytes":81234,"crc":123,"metrics":[{"name":"loss","n":10000,"values":0,"sizes":1},…],"arrays":[10000,10000]}
//
// The bytes are a Zstandard frame of the arrays, one behind the other: of each the lowest bytes of all its float32 values, then the
// second lowest, and so on, which compresses better than value by value. Metrics name their arrays by their place; several may have
// the same sizes, and the same documents that examples belong to.
const (
	sumDigits   = 8
	keyDigits   = 64
	textBegin   = sumDigits + 1 + keyDigits + 1
	maxMetrics  = 64
	maxName     = 256
	maxExamples = 1 << 27
	maxLine     = 1 << 16
	maxBytes    = 1 << 31 // of a frame
	maxValues   = 1 << 28 // of all arrays of a record
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// head is a record's line.
type head struct {
	Bytes   int64        `json:"bytes"`
	CRC     uint32       `json:"crc"` // CRC-32C of the bytes
	Metrics []metricHead `json:"metrics"`
	Arrays  []int        `json:"arrays"` // values of each
}

type metricHead struct {
	Name   string `json:"name"`
	Values int    `json:"values"` // places in Arrays
	Sizes  *int   `json:"sizes,omitempty"`
	// Documents are those that the examples belong to, another place in Arrays.
	Documents *int `json:"documents,omitempty"`
}

// Key is an evaluation's, its digest.
type Key [32]byte

// ParseKey reads a key in hexadecimal; a text that is none gives one that no evaluation has.
func ParseKey(text string) (k Key) {
	if b, err := hex.DecodeString(text); err == nil && len(b) == len(k) {
		copy(k[:], b)
	}
	return k
}

// encoder makes records; it keeps its memory.
type encoder struct {
	z      *zstd.Encoder
	planes []byte
}

// record writes one.
func (e *encoder) record(key Key, s Set) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if e.z == nil {
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return nil, err
		}
		e.z = z
	}
	var h head
	var arrays [][]float32
	place := func(a []float32) int {
		for i, b := range arrays {
			if same(a, b) {
				return i
			}
		}
		arrays = append(arrays, a)
		h.Arrays = append(h.Arrays, len(a))
		return len(arrays) - 1
	}
	for _, m := range s {
		one := metricHead{Name: m.Name, Values: place(m.Values)}
		if m.Sizes != nil {
			at := place(m.Sizes)
			one.Sizes = &at
		}
		if m.Documents != nil {
			at := place(m.Documents)
			one.Documents = &at
		}
		h.Metrics = append(h.Metrics, one)
	}
	e.planes = e.planes[:0]
	for _, a := range arrays {
		for shift := 0; shift < 32; shift += 8 {
			for _, v := range a {
				e.planes = append(e.planes, byte(math.Float32bits(v)>>shift))
			}
		}
	}
	frame := e.z.EncodeAll(e.planes, nil)
	h.Bytes, h.CRC = int64(len(frame)), crc32.Checksum(frame, castagnoli)
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	line := make([]byte, sumDigits, textBegin+len(text)+2+len(frame))
	line = append(line, ' ')
	line = hex.AppendEncode(line, key[:])
	line = append(append(line, ' '), text...)
	if len(line) >= maxLine {
		return nil, fmt.Errorf("a record's line of %d bytes; at most %d are kept", len(line), maxLine)
	}
	copy(line, fmt.Sprintf("%08x", crc32.Checksum(line[sumDigits:], castagnoli)))
	return append(append(append(line, '\n'), frame...), '\n'), nil
}

// openHead reads a record's line, without its line feed.
func openHead(line []byte) (key Key, h head, err error) {
	if len(line) < textBegin || line[sumDigits] != ' ' || line[textBegin-1] != ' ' {
		return key, h, errors.New("not a record")
	}
	want, err := strconv.ParseUint(string(line[:sumDigits]), 16, 32)
	if err != nil {
		return key, h, fmt.Errorf("not a record: %w", err)
	}
	if have := crc32.Checksum(line[sumDigits:], castagnoli); have != uint32(want) {
		return key, h, fmt.Errorf("its checksum is %08x, expected %08x", have, want)
	}
	if _, err := hex.Decode(key[:], line[sumDigits+1:sumDigits+1+keyDigits]); err != nil {
		return key, h, fmt.Errorf("not a record: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(line[textBegin:]))
	if err := d.Decode(&h); err != nil {
		return key, h, err
	}
	return key, h, h.check()
}

// check looks at what a line says.
func (h head) check() error {
	if h.Bytes < 0 || h.Bytes > maxBytes {
		return fmt.Errorf("%d bytes", h.Bytes)
	}
	total := 0
	for _, n := range h.Arrays {
		if n < 1 || n > maxExamples || len(h.Arrays) > 3*maxMetrics {
			return fmt.Errorf("arrays of %v values", h.Arrays)
		}
		total += n
	}
	if total > maxValues {
		return fmt.Errorf("%d values; at most %d are read", total, maxValues)
	}
	in := func(i int) bool { return i >= 0 && i < len(h.Arrays) }
	for _, m := range h.Metrics {
		if !in(m.Values) || m.Sizes != nil && !in(*m.Sizes) || m.Documents != nil && !in(*m.Documents) {
			return fmt.Errorf("metric %q of arrays that are not there", m.Name)
		}
	}
	return nil
}

// open reads a record's frame.
func (h head) open(frame []byte) (Set, error) {
	if have := crc32.Checksum(frame, castagnoli); have != h.CRC {
		return nil, fmt.Errorf("the checksum of its values is %08x, expected %08x", have, h.CRC)
	}
	total := 0
	for _, n := range h.Arrays {
		total += 4 * n
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(total)+1<<16))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	planes, err := z.DecodeAll(frame, make([]byte, 0, total))
	if err != nil {
		return nil, err
	}
	if len(planes) != total {
		return nil, fmt.Errorf("%d bytes of values, expected %d", len(planes), total)
	}
	arrays := make([][]float32, len(h.Arrays))
	for i, n := range h.Arrays {
		a := make([]float32, n)
		for j := range a {
			a[j] = math.Float32frombits(binary.LittleEndian.Uint32([]byte{planes[j], planes[n+j], planes[2*n+j], planes[3*n+j]}))
		}
		arrays[i], planes = a, planes[4*n:]
	}
	var out Set
	for _, m := range h.Metrics {
		one := Metric{Name: m.Name, Values: arrays[m.Values]}
		if m.Sizes != nil {
			one.Sizes = arrays[*m.Sizes]
		}
		if m.Documents != nil {
			one.Documents = arrays[*m.Documents]
		}
		out = append(out, one)
	}
	return out, out.check()
}
