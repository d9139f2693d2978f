// Package pickle reads Python's pickles, protocols 0 to 5, as data.
//
// It believes that a pickle is a program to be distrusted, not run. Nothing of a class is ever called: a
// caller may interpret a closed list of globals (Options.Call), and everything else becomes an inert Object
// that remembers its class, its arguments and its state. Every size is compared with what the file still
// holds before memory is asked for, and all that a pickle may build is bounded.
//
// The opcodes are those of Python's pickletools.
package pickle

import (
	"bufio"
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

// Limits of what one pickle may hold.
const (
	MaxBytes = 64 << 20 // read, where no other limit is given
	budget   = 8        // times that, in bytes of the objects built, roughly
	maxMarks = 4096     // nested
	maxLong  = 1 << 10  // bytes of one integer
	maxLine  = 4 << 10  // bytes of one line of the text opcodes
)

// What a value is: nil, bool, int64, *big.Int, float64, string, []byte, Tuple, *List, *Dict, Global, *Object,
// or what Options made of it. Sets are Lists.
type (
	// Tuple is a Python tuple.
	Tuple []any
	// List is a Python list or set.
	List struct{ Items []any }
	// Global is a class or function by its name. It is never resolved.
	Global struct{ Module, Name string }
	// Object is an instance of something that is not interpreted: what it would have been called with, and
	// what was put into it.
	Object struct {
		Class any // a Global as a rule
		Args  Tuple
		State any   // of BUILD
		Items *List // appended
		Dict  *Dict // set by key
	}
	// Dict is a Python dict, in the order of insertion.
	Dict struct {
		Keys, Values []any
		index        map[string]int // of the string keys
	}
)

func (g Global) String() string { return g.Module + "." + g.Name }

// Get returns the value of a string key.
func (d *Dict) Get(key string) (any, bool) {
	if i, ok := d.index[key]; ok {
		return d.Values[i], true
	}
	return nil, false
}

// Set puts a value under a key; a string key that was there keeps its place.
func (d *Dict) Set(key, value any) {
	if s, ok := key.(string); ok {
		if i, had := d.index[s]; had {
			d.Values[i] = value
			return
		}
		if d.index == nil {
			d.index = map[string]int{}
		}
		d.index[s] = len(d.Keys)
	}
	d.Keys, d.Values = append(d.Keys, key), append(d.Values, value)
}

// Options say what is interpreted.
type Options struct {
	// Persistent resolves persistent ids; without it they are an error.
	Persistent func(id any) (any, error)
	// Call gives the value of a global called with arguments, or false to leave it inert.
	Call func(f Global, args Tuple) (any, bool, error)
	// Strict makes every global that Call does not take an error.
	Strict bool
}

// Reader reads pickles that follow one another.
type Reader struct {
	r      *bufio.Reader
	left   int64 // bytes that the source still holds, or that may still be read
	read   int64
	budget int64
	limit  int64
	capped bool // the source holds more than the limit
}

// NewReader reads from r, which holds size bytes, at most limit of them (0: MaxBytes). The limits are for all its
// pickles together.
func NewReader(r io.Reader, size, limit int64) *Reader {
	if limit <= 0 {
		limit = MaxBytes
	}
	limit = min(limit, math.MaxInt64/budget)
	return &Reader{bufio.NewReaderSize(r, 64<<10), min(size, limit), 0, budget * limit, limit, size > limit}
}

// Offset is the number of bytes that the pickles read so far take.
func (r *Reader) Offset() int64 { return r.read }

var (
	errCut   = errors.New("the pickle is cut short")
	errStack = errors.New("the pickle takes more from its stack than it put there")
)

// ErrLimit is in the errors of pickles that are larger, or build more, than is read: a greater limit may help.
var ErrLimit = errors.New("more than is read of a pickle")

// cut is the error of a pickle that goes on beyond what may be read.
func (r *Reader) cut() error {
	if r.capped {
		return fmt.Errorf("%w: at most %d MiB", ErrLimit, r.limit>>20)
	}
	return errCut
}

// Next reads one pickle.
func (r *Reader) Next(o Options) (any, error) {
	m := &machine{Reader: r, Options: o, memo: map[uint64]any{}}
	at := r.read
	v, err := m.run()
	if err != nil {
		return nil, fmt.Errorf("pickle at byte %d, after %d bytes of it: %w", at, r.read-at, err)
	}
	return v, nil
}

// machine runs one pickle. The first error sticks; the loop stops at it.
type machine struct {
	*Reader
	Options
	stack []any
	marks []int
	memo  map[uint64]any
	err   error
}

func (m *machine) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

// pay takes bytes from the budget.
func (m *machine) pay(n int) {
	if m.budget -= int64(n); m.budget < 0 {
		m.fail(fmt.Errorf("%w: it builds more than %d MiB of objects", ErrLimit, budget*m.limit>>20))
	}
}

func (m *machine) push(v any) {
	m.pay(16)
	m.stack = append(m.stack, v)
}

// floor is where the values above the last mark begin.
func (m *machine) floor() int {
	if n := len(m.marks); n > 0 {
		return m.marks[n-1]
	}
	return 0
}

func (m *machine) pop() any {
	n := len(m.stack)
	if n == m.floor() {
		m.fail(errStack)
		return nil
	}
	v := m.stack[n-1]
	m.stack = m.stack[:n-1]
	return v
}

func (m *machine) top() any {
	v := m.pop()
	if m.err == nil {
		m.stack = append(m.stack, v)
	}
	return v
}

// popMark takes everything above the last mark, and the mark. The slice is valid until the next push.
func (m *machine) popMark() []any {
	if len(m.marks) == 0 {
		m.fail(errors.New("the pickle lacks a mark"))
		return nil
	}
	at := m.marks[len(m.marks)-1]
	m.marks = m.marks[:len(m.marks)-1]
	items := m.stack[at:]
	m.stack = m.stack[:at]
	return items
}

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

func (m *machine) put(key uint64) {
	m.pay(64)
	m.memo[key] = m.top()
}

func (m *machine) get(key uint64) {
	v, ok := m.memo[key]
	if !ok {
		m.fail(fmt.Errorf("memo %d was never stored", key))
		return
	}
	m.push(v)
}

// key reads a memo's key as text.
func (m *machine) key() uint64 {
	key, err := strconv.ParseUint(m.line(), 10, 64)
	if err != nil {
		m.fail(errors.New("a memo that is no number"))
	}
	return key
}

func (m *machine) tuple(items []any) {
	m.pay(16*len(items) + 40)
	m.push(Tuple(append([]any{}, items...)))
}

// call is REDUCE and its kin.
func (m *machine) call(f any, args any) {
	if m.err != nil {
		return
	}
	t, ok := args.(Tuple)
	if !ok {
		m.fail(errors.New("a call without a tuple of arguments"))
		return
	}
	g, named := f.(Global)
	if named {
		switch g {
		case Global{"collections", "OrderedDict"}:
			d := &Dict{}
			m.pay(64)
			if len(t) > 0 {
				m.pairs(d, t[0])
			}
			m.push(d)
			return
		case Global{"builtins", "set"}, Global{"builtins", "frozenset"}, Global{"__builtin__", "set"}:
			l, _ := first(t).(*List)
			if l == nil {
				l = &List{}
			}
			m.push(l)
			return
		}
		if m.Call != nil {
			v, taken, err := m.Call(g, t)
			if err != nil {
				m.fail(err)
				return
			}
			if taken {
				m.push(v)
				return
			}
		}
	}
	if m.Strict {
		m.fail(fmt.Errorf("it calls %v, which is not among what is interpreted", f))
		return
	}
	m.pay(112)
	m.push(&Object{Class: f, Args: t})
}

func first(t Tuple) any {
	if len(t) > 0 {
		return t[0]
	}
	return nil
}

// pairs fills an OrderedDict from a list of pairs.
func (m *machine) pairs(d *Dict, from any) {
	l, ok := from.(*List)
	if !ok {
		return
	}
	for _, item := range l.Items {
		var pair []any
		switch v := item.(type) {
		case Tuple:
			pair = v
		case *List:
			pair = v.Items
		}
		if len(pair) == 2 {
			m.set(d, pair[0], pair[1])
		}
	}
}

func (m *machine) set(d *Dict, key, value any) {
	m.pay(64)
	d.Set(key, value)
}

func (m *machine) setItems(on any, items []any) {
	if len(items)%2 != 0 {
		m.fail(errors.New("a key without a value"))
		return
	}
	var d *Dict
	switch v := on.(type) {
	case *Dict:
		d = v
	case *Object:
		if v.Dict == nil {
			v.Dict = &Dict{}
		}
		d = v.Dict
	default:
		m.fail(fmt.Errorf("items are set on %s", kind(on)))
		return
	}
	for i := 0; i < len(items); i += 2 {
		m.set(d, items[i], items[i+1])
	}
}

func (m *machine) extend(on any, items []any) {
	m.pay(16 * len(items))
	switch v := on.(type) {
	case *List:
		v.Items = append(v.Items, items...)
	case *Object:
		if v.Items == nil {
			v.Items = &List{}
		}
		v.Items.Items = append(v.Items.Items, items...)
	default:
		m.fail(fmt.Errorf("items are appended to %s", kind(on)))
	}
}

func (m *machine) build() {
	state := m.pop()
	if o, ok := m.top().(*Object); ok && m.err == nil {
		o.State = state
	}
}

func (m *machine) global(module, name any) {
	a, ok1 := module.(string)
	b, ok2 := name.(string)
	if !ok1 || !ok2 {
		m.fail(errors.New("a global whose name is not text"))
		return
	}
	m.push(Global{a, b})
}

// kind names a value's type without looking into it: values may be cyclic.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case Tuple:
		return "a tuple"
	case Global:
		return "a class"
	case string:
		return "a string"
	}
	return strings.TrimPrefix(fmt.Sprintf("a %T", v), "a *")
}

// The opcodes, by the names of pickletools.
const (
	opMark, opStop, opPop, opPopMark, opDup                        = '(', '.', '0', '1', '2'
	opFloat, opInt, opBinInt, opBinInt1, opLong, opBinInt2         = 'F', 'I', 'J', 'K', 'L', 'M'
	opNone, opPersID, opBinPersID, opReduce, opString, opBinString = 'N', 'P', 'Q', 'R', 'S', 'T'
	opShortBinString, opUnicode, opBinUnicode, opAppend, opBuild   = 'U', 'V', 'X', 'a', 'b'
	opGlobal, opDict, opEmptyDict, opAppends, opGet, opBinGet      = 'c', 'd', '}', 'e', 'g', 'h'
	opInst, opLongBinGet, opList, opEmptyList, opObj, opPut        = 'i', 'j', 'l', ']', 'o', 'p'
	opBinPut, opLongBinPut, opSetItem, opTuple, opEmptyTuple       = 'q', 'r', 's', 't', ')'
	opSetItems, opBinFloat                                         = 'u', 'G'
	opProto, opNewObj, opExt1, opExt2, opExt4                      = 0x80, 0x81, 0x82, 0x83, 0x84
	opTuple1, opTuple2, opTuple3, opNewTrue, opNewFalse            = 0x85, 0x86, 0x87, 0x88, 0x89
	opLong1, opLong4                                               = 0x8a, 0x8b
	opBinBytes, opShortBinBytes                                    = 'B', 'C'
	opShortBinUnicode, opBinUnicode8, opBinBytes8, opEmptySet      = 0x8c, 0x8d, 0x8e, 0x8f
	opAddItems, opFrozenSet, opNewObjEx, opStackGlobal, opMemoize  = 0x90, 0x91, 0x92, 0x93, 0x94
	opFrame, opByteArray8, opNextBuffer, opReadonlyBuffer          = 0x95, 0x96, 0x97, 0x98
)

func (m *machine) run() (any, error) {
	for m.err == nil {
		op := m.byte()
		if m.err != nil {
			break
		}
		if op == opStop {
			v := m.pop()
			return v, m.err
		}
		m.step(op)
	}
	return nil, m.err
}

func (m *machine) step(op byte) {
	switch op {
	case opProto:
		if v := m.byte(); v > 5 {
			m.fail(fmt.Errorf("protocol %d; 0 to 5 are known", v))
		}
	case opFrame:
		m.unsigned(8)
	case opMark:
		if m.marks = append(m.marks, len(m.stack)); len(m.marks) > maxMarks {
			m.fail(fmt.Errorf("more than %d nested marks", maxMarks))
		}
	case opPop:
		if n := len(m.marks); n > 0 && len(m.stack) == m.marks[n-1] {
			m.marks = m.marks[:n-1] // POP discards a mark too
			return
		}
		m.pop()
	case opPopMark:
		m.popMark()
	case opDup:
		m.push(m.top())

	case opNone:
		m.push(nil)
	case opNewTrue:
		m.push(true)
	case opNewFalse:
		m.push(false)
	case opInt:
		switch text := m.line(); text {
		case "00":
			m.push(false)
		case "01":
			m.push(true)
		default:
			m.decimal(text)
		}
	case opLong:
		m.decimal(m.line())
	case opBinInt:
		m.push(int64(int32(m.unsigned(4))))
	case opBinInt1:
		m.push(int64(m.unsigned(1)))
	case opBinInt2:
		m.push(int64(m.unsigned(2)))
	case opLong1:
		m.long(m.unsigned(1))
	case opLong4:
		m.long(m.unsigned(4))
	case opFloat:
		v, err := strconv.ParseFloat(m.line(), 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			m.fail(errors.New("a float that is none"))
		}
		m.push(v)
	case opBinFloat:
		if b := m.bytes(8); m.err == nil {
			m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
		}

	case opString:
		text := m.line()
		if n := len(text); n < 2 || text[0] != text[n-1] || text[0] != '\'' && text[0] != '"' {
			m.fail(errors.New("a string without its quotes"))
			return
		}
		m.push(unescape(text[1 : len(text)-1]))
	case opUnicode:
		m.push(unescape(m.line()))
	case opBinUnicode:
		m.text(m.unsigned(4))
	case opShortBinUnicode:
		m.text(m.unsigned(1))
	case opBinString:
		m.str(m.unsigned(4))
	case opShortBinString:
		m.str(m.unsigned(1))
	case opBinUnicode8:
		m.text(m.unsigned(8))
	case opBinBytes:
		m.push(m.bytes(m.unsigned(4)))
	case opShortBinBytes:
		m.push(m.bytes(m.unsigned(1)))
	case opBinBytes8, opByteArray8:
		m.push(m.bytes(m.unsigned(8)))

	case opEmptyTuple:
		m.push(Tuple{})
	case opTuple:
		m.tuple(m.popMark())
	case opTuple1, opTuple2, opTuple3:
		n := int(op) - opTuple1 + 1
		if at := len(m.stack) - n; at >= m.floor() {
			items := m.stack[at:]
			m.stack = m.stack[:at]
			m.tuple(items)
		} else {
			m.fail(errStack)
		}
	case opEmptyList, opEmptySet:
		m.pay(64)
		m.push(&List{})
	case opList, opFrozenSet:
		items := m.popMark()
		l := &List{}
		m.extend(l, items)
		m.push(l)
	case opAppend:
		v := m.pop()
		m.extend(m.top(), []any{v})
	case opAppends, opAddItems:
		items := m.popMark()
		m.extend(m.top(), items)
	case opEmptyDict:
		m.pay(64)
		m.push(&Dict{})
	case opDict:
		items := m.popMark()
		d := &Dict{}
		m.setItems(d, items)
		m.push(d)
	case opSetItem:
		v := m.pop()
		k := m.pop()
		m.setItems(m.top(), []any{k, v})
	case opSetItems:
		items := m.popMark()
		m.setItems(m.top(), items)

	case opGet:
		m.get(m.key())
	case opPut:
		m.put(m.key())
	case opBinGet:
		m.get(m.unsigned(1))
	case opLongBinGet:
		m.get(m.unsigned(4))
	case opBinPut:
		m.put(m.unsigned(1))
	case opLongBinPut:
		m.put(m.unsigned(4))
	case opMemoize:
		m.put(uint64(len(m.memo)))

	case opGlobal:
		module := m.line()
		m.global(module, m.line())
	case opStackGlobal:
		name := m.pop()
		m.global(m.pop(), name)
	case opReduce, opNewObj:
		args := m.pop()
		m.call(m.pop(), args)
	case opNewObjEx:
		m.pop() // keyword arguments
		args := m.pop()
		m.call(m.pop(), args)
	case opInst:
		module := m.line()
		class := Global{module, m.line()}
		args := append(Tuple{}, m.popMark()...)
		m.call(class, args)
	case opObj:
		items := append([]any{}, m.popMark()...)
		if len(items) == 0 {
			m.fail(errStack)
			return
		}
		m.call(items[0], Tuple(items[1:]))
	case opBuild:
		m.build()
	case opPersID:
		m.persistent(m.line())
	case opBinPersID:
		m.persistent(m.pop())

	case opExt1, opExt2, opExt4, opNextBuffer, opReadonlyBuffer:
		m.fail(fmt.Errorf("opcode 0x%02x needs what is not in the file", op))
	default:
		m.fail(fmt.Errorf("0x%02x is not an opcode", op))
	}
}

func (m *machine) persistent(id any) {
	if m.err != nil {
		return
	}
	if m.Persistent == nil {
		m.fail(errors.New("a persistent id, which has no meaning here"))
		return
	}
	v, err := m.Persistent(id)
	if err != nil {
		m.fail(err)
		return
	}
	m.pay(96)
	m.push(v)
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
