package sweep

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
)

// A record is a line of a segment: the CRC-32C of what follows it, in eight hexadecimal digits; the evaluation's key;
// the evaluation as JSON. Space between them, a line feed behind:
//
//	0e12ab34 9f86d0… {"inputs":{…},"values":[…]}
const (
	sumDigits = 8
	keyDigits = 64
	textBegin = sumDigits + 1 + keyDigits + 1

	// maxRecord bounds a record, in bytes.
	maxRecord = 1 << 24
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newRecord writes one, with its line feed.
func newRecord(key string, e Evaluation) ([]byte, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	line := make([]byte, sumDigits, textBegin+len(text)+1)
	line = append(append(append(append(line, ' '), key...), ' '), text...)
	copy(line, fmt.Sprintf("%08x", crc32.Checksum(line[sumDigits:], castagnoli)))
	if len(line) > maxRecord {
		return nil, fmt.Errorf("evaluation %s…: %d bytes, at most %d are kept", key[:12], len(line), maxRecord)
	}
	return append(line, '\n'), nil
}

// openRecord takes a record apart, without its line feed.
func openRecord(line []byte) (key storeKey, text []byte, err error) {
	if len(line) < textBegin || line[sumDigits] != ' ' || line[textBegin-1] != ' ' {
		return key, nil, errors.New("not a record")
	}
	want, err := strconv.ParseUint(string(line[:sumDigits]), 16, 32)
	if err != nil {
		return key, nil, fmt.Errorf("not a record: %w", err)
	}
	if have := crc32.Checksum(line[sumDigits:], castagnoli); have != uint32(want) {
		return key, nil, fmt.Errorf("its checksum is %08x, expected %08x", have, want)
	}
	if _, err := hex.Decode(key[:], line[sumDigits+1:sumDigits+1+keyDigits]); err != nil {
		return key, nil, fmt.Errorf("not a record: %w", err)
	}
	return key, line[textBegin:], nil
}

// kept is what a record says but for what the evaluation depends on.
type kept struct {
	Values  []Value
	Seconds float64
}

// keptOf reads the record of a key.
func keptOf(line []byte, key string) (kept, error) {
	_, text, err := openRecord(line)
	if err != nil {
		return kept{}, err
	}
	var e struct {
		Inputs json.RawMessage // as they were written: their digest is the key
		kept
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return kept{}, err
	}
	if sum := sha256.Sum256(e.Inputs); hex.EncodeToString(sum[:]) != key {
		return kept{}, wrongKey(hex.EncodeToString(sum[:]), key)
	}
	if len(e.Values) == 0 {
		return kept{}, errNoValues
	}
	return e.kept, nil
}

// scanRecords reads lines and gives each to f, with where it begins; one that is too long for a record is cut short.
// It returns where the whole lines end, and how many bytes follow.
func scanRecords(r io.Reader, f func(at int64, line []byte)) (end, torn int64, err error) {
	b := bufio.NewReaderSize(r, 1<<20)
	var long []byte // a line in several parts
	for {
		part, err := b.ReadSlice('\n')
		torn += int64(len(part))
		switch {
		case err == nil && len(long) == 0:
			f(end, part[:len(part)-1])
		case err == nil:
			long = append(long, part...)
			f(end, long[:len(long)-1])
		case err == bufio.ErrBufferFull:
			if len(long) < maxRecord {
				long = append(long, part...)
			}
			continue
		case err == io.EOF:
			return end, torn, nil
		default:
			return end, torn, err
		}
		end, torn, long = end+torn, 0, long[:0]
	}
}
