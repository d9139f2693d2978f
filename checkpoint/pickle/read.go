package pickle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

func (m *machine) byte() byte {
	if m.left < 1 {
		m.fail(m.cut())
		return 0
	}
	b, err := m.r.ReadByte()
	if err != nil {
		m.fail(short(err))
		return 0
	}
	m.left--
	m.read++
	return b
}

func short(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errCut
	}
	return err
}

// bytes reads n of them. The memory grows with what arrives.
func (m *machine) bytes(n uint64) []byte {
	if m.err != nil {
		return nil
	}
	if n > uint64(m.left) {
		m.fail(fmt.Errorf("%d bytes are claimed where %d are left: %w", n, m.left, m.cut()))
		return nil
	}
	m.pay(int(n))
	var out []byte
	for uint64(len(out)) < n && m.err == nil {
		part := make([]byte, min(n-uint64(len(out)), 1<<20))
		if _, err := io.ReadFull(m.r, part); err != nil {
			m.fail(short(err))
			return nil
		}
		if out == nil {
			out = part
		} else {
			out = append(out, part...)
		}
	}
	m.left -= int64(n)
	m.read += int64(n)
	return out
}

// unsigned reads a little-endian integer of n bytes.
func (m *machine) unsigned(n int) uint64 {
	var b [8]byte
	for i := range n {
		b[i] = m.byte()
	}
	return binary.LittleEndian.Uint64(b[:])
}

func (m *machine) line() string {
	var out []byte
	for m.err == nil {
		b := m.byte()
		if b == '\n' {
			break
		}
		if out = append(out, b); len(out) > maxLine {
			m.fail(errors.New("a line of more than 4 KiB"))
		}
	}
	m.pay(len(out))
	return string(out)
}

func (m *machine) text(n uint64) {
	b := m.bytes(n)
	if !utf8.Valid(b) { // surrogatepass lets lone surrogates through
		m.push(strings.ToValidUTF8(string(b), "\uFFFD"))
		return
	}
	m.push(string(b))
}

// str reads Python 2's str: text where it is some, and bytes where it is not.
func (m *machine) str(n uint64) {
	if b := m.bytes(n); utf8.Valid(b) {
		m.push(string(b))
	} else {
		m.push(b)
	}
}

// long reads a two's complement little-endian integer of n bytes.
func (m *machine) long(n uint64) {
	if n > maxLong {
		m.fail(fmt.Errorf("an integer of %d bytes; at most %d", n, maxLong))
		return
	}
	b := m.bytes(n)
	if m.err != nil {
		return
	}
	big_ := make([]byte, len(b))
	for i, v := range b {
		big_[len(b)-1-i] = v
	}
	v := new(big.Int).SetBytes(big_)
	if len(b) > 0 && b[len(b)-1] >= 0x80 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	m.integer(v)
}

func (m *machine) integer(v *big.Int) {
	if v.IsInt64() {
		m.push(v.Int64())
		return
	}
	m.push(v)
}

func (m *machine) decimal(text string) {
	if len(text) > maxLong {
		m.fail(errors.New("an integer of more than 1024 digits"))
		return
	}
	v, ok := new(big.Int).SetString(strings.TrimSuffix(text, "L"), 10)
	if !ok {
		m.fail(fmt.Errorf("%q is not an integer", text))
		return
	}
	m.integer(v)
}

// unescape reads the escapes of Python's repr as far as names need them.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	if out, err := strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`); err == nil {
		return out
	}
	return s
}

// integerOrBool is INT, which 00 and 01 make a bool.
func (m *machine) integerOrBool() {
	switch text := m.line(); text {
	case "00":
		m.push(false)
	case "01":
		m.push(true)
	default:
		m.decimal(text)
	}
}

func (m *machine) float() {
	v, err := strconv.ParseFloat(m.line(), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		m.fail(errors.New("a float that is none"))
	}
	m.push(v)
}

func (m *machine) binaryFloat() {
	if b := m.bytes(8); m.err == nil {
		m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	}
}

// quoted is STRING: Python's repr of a str.
func (m *machine) quoted() {
	text := m.line()
	if n := len(text); n < 2 || text[0] != text[n-1] || text[0] != '\'' && text[0] != '"' {
		m.fail(errors.New("a string without its quotes"))
		return
	}
	m.push(unescape(text[1 : len(text)-1]))
}
