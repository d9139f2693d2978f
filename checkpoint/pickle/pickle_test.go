package pickle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

func load(text string, o Options) (any, error) {
	return NewReader(strings.NewReader(text), int64(len(text)), 0).Next(o)
}

// TestValues reads what Python's pickle.dumps writes (and, for the text opcodes, what its documentation says).
func TestValues(t *testing.T) {
	long, _ := new(big.Int).SetString("-18446744073709551617", 10)
	for name, c := range map[string]struct {
		text string
		want any
	}{
		"none":             {"\x80\x02N.", nil},
		"true, protocol 0": {"I01\n.", true},
		"integers":         {"\x80\x02(K\x07M\x00\x01J\xff\xff\xff\xff\x8a\x05\x00\x00\x00\x00\x01t.", Tuple{int64(7), int64(256), int64(-1), int64(1 << 32)}},
		"long":             {"\x80\x02\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\xfe.", long},
		"long of nothing":  {"\x80\x02\x8a\x00.", int64(0)},
		"long as text":     {"L-12L\n.", int64(-12)},
		"float":            {"\x80\x02G?\xf8\x00\x00\x00\x00\x00\x00.", 1.5},
		"float as text":    {"Finf\n.", math.Inf(1)},
		"string":           {"\x80\x04\x8c\x02\xc3\xa9.", "é"},
		"escapes":          {"S'a\\x62\\n'\n.", "ab\n"},
		"bytes":            {"\x80\x03C\x02\x00\xff.", []byte{0, 255}},
		"tuples":           {"\x80\x02K\x01\x85K\x02K\x03\x86\x86.", Tuple{Tuple{int64(1)}, Tuple{int64(2), int64(3)}}},
		"memo":             {"\x80\x02X\x01\x00\x00\x00aq\x05h\x05\x86.", Tuple{"a", "a"}},
		"memoize":          {"\x80\x04\x8c\x01a\x94h\x00\x86.", Tuple{"a", "a"}},
		"frame":            {"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00N.", nil},
		"pop a mark":       {"\x80\x02K\x01(K\x02K\x031.", int64(1)},
	} {
		got, err := load(c.text, Options{})
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %#v, %v, expected %#v", name, got, err, c.want)
		}
	}
}

func TestContainers(t *testing.T) {
	// {'a': [1, 2], 'b': OrderedDict([('c', None)])} with later keys taking the place of earlier ones.
	v, err := load("\x80\x02}(X\x01\x00\x00\x00a](K\x01K\x02eX\x01\x00\x00\x00bccollections\nOrderedDict\n](X\x01\x00\x00\x00cN\x86e\x85RX\x01\x00\x00\x00aK\x09u.", Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := v.(*Dict)
	if a, _ := d.Get("a"); a != int64(9) || len(d.Keys) != 2 {
		t.Errorf("a is %v, %d keys", a, len(d.Keys))
	}
	b, _ := d.Get("b")
	if _, ok := b.(*Dict).Get("c"); !ok {
		t.Error("the OrderedDict lost its pair")
	}
}

// TestNothingIsCalled: os.system in a reduce becomes an inert object; so do NEWOBJ, INST, OBJ and BUILD.
func TestNothingIsCalled(t *testing.T) {
	canary := filepath.Join(t.TempDir(), "canary")
	command := "touch " + canary
	for name, text := range map[string]string{
		"reduce":       "cos\nsystem\n(S'" + command + "'\ntR.",
		"stack global": "\x80\x04\x8c\x02os\x8c\x06system\x93\x8c" + string(rune(len(command))) + command + "\x85R.",
		"inst":         "(S'" + command + "'\nios\nsystem\n.",
		"obj":          "(cos\nsystem\nS'" + command + "'\no.",
		"newobj":       "cos\nsystem\n(S'" + command + "'\nt\x81.",
		"build":        "cos\nsystem\n)R}S'__setstate__'\ncos\nsystem\nsb.",
	} {
		v, err := load(text, Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if o, ok := v.(*Object); !ok || o.Class != (Global{"os", "system"}) {
			t.Errorf("%s: %T, expected an inert object", name, v)
		}
		if _, err := load(text, Options{Strict: true}); err == nil || !strings.Contains(err.Error(), "os.system") {
			t.Errorf("%s, strict: %v", name, err)
		}
	}
	if _, err := os.Stat(canary); err == nil {
		t.Fatal("a command was run")
	}
}

// TestHostile: sizes that are not there, recursion, and stacks that run dry are errors at once, and cost nothing.
func TestHostile(t *testing.T) {
	size := func(op byte, width int, n uint64) string {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], n)
		return "\x80\x04" + string([]byte{op}) + string(b[:width])
	}
	bomb := "\x80\x04]\x94"
	for i := range 200 { // [[…[x, x]…, …]]: 2²⁰⁰ values to whoever walks it
		bomb += "]\x94(h" + string(rune(i%100)) + "h" + string(rune(i%100)) + "e"
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":                {"", "cut short"},
		"only a protocol":      {"\x80\x02", "cut short"},
		"protocol 9":           {"\x80\x09N.", "protocol 9"},
		"bytes of 2⁶³":         {size(0x8e, 8, 1<<63), "claimed"},
		"text of 2⁶⁴−1":        {size(0x8d, 8, math.MaxUint64), "claimed"},
		"text of 4 GiB":        {size('X', 4, math.MaxUint32), "claimed"},
		"bytearray of 2⁴⁰":     {size(0x96, 8, 1<<40), "claimed"},
		"LONG4 of 2 GiB":       {size(0x8b, 4, 1<<31-1), "an integer of"},
		"LONG4 negative":       {size(0x8b, 4, 1<<32-1), "an integer of"},
		"digits without end":   {"L" + strings.Repeat("9", 1<<20) + "L\n.", "line of more"},
		"5,000 marks":          {strings.Repeat("(", 5000), "nested marks"},
		"empty stack":          {"0.", "takes more"},
		"stop on nothing":      {".", "takes more"},
		"tuple of nothing":     {"\x87.", "takes more"},
		"across a mark":        {"K\x01(\x85.", "takes more"},
		"no mark":              {"t.", "lacks a mark"},
		"unknown opcode":       {"\xff.", "not an opcode"},
		"memo never stored":    {"h\x07.", "never stored"},
		"odd dict":             {"(K\x01d.", "without a value"},
		"setitems on a string": {"S'x'\n(K\x01K\x02u.", "items are set on"},
		"append to a number":   {"K\x01K\x02a.", "appended to"},
		"reduce without tuple": {"cos\nsystem\nK\x01R.", "tuple of arguments"},
		"obj of nothing":       {"(o.", "takes more"},
		"persistent id":        {"Pabc\n.", "persistent id"},
		"extension":            {"\x82\x01.", "not in the file"},
	} {
		began := time.Now()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := load(c.text, Options{})
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected …%s…", name, err, c.want)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
			t.Errorf("%s: %d bytes were allocated for a pickle of %d", name, used, len(c.text))
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
	if _, err := load(bomb+".", Options{}); err != nil {
		t.Errorf("a value that holds itself many times over: %v", err)
	}
	// What a pickle builds is bounded, whatever it is built of.
	if _, err := load("\x80\x02"+strings.Repeat("]", MaxBytes-10)+".", Options{}); err == nil || !strings.Contains(err.Error(), "512 MiB") {
		t.Errorf("64 MiB of lists: %v", err)
	}
}

// A limit bounds what is read and built, and a pickle beyond it says so.
func TestLimit(t *testing.T) {
	text := "\x80\x03](" + strings.Repeat("G?\xf8\x00\x00\x00\x00\x00\x00", 300_000) + "e."
	for limit, want := range map[int64]string{0: "", 4 << 20: "", 2 << 20: "at most 2 MiB", 1 << 20: "at most 1 MiB"} {
		v, err := NewReader(strings.NewReader(text), int64(len(text)), limit).Next(Options{})
		if want == "" && (err != nil || len(v.(*List).Items) != 300_000) || want != "" && (!errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), want)) {
			t.Errorf("limit of %d bytes: %v, expected …%s…", limit, err, want)
		}
	}
}

// Python 2's str is text, or bytes where it is none.
func TestPython2(t *testing.T) {
	v, err := load("\x80\x02U\x02abU\x02\x00\xff\x86.", Options{})
	if err != nil || !reflect.DeepEqual(v, Tuple{"ab", []byte{0, 255}}) {
		t.Errorf("%#v, %v", v, err)
	}
}

func TestSeveralInARow(t *testing.T) {
	r := NewReader(strings.NewReader("\x80\x02K\x01.\x80\x02K\x02.rest"), 14, 0)
	for i := range 2 {
		if v, err := r.Next(Options{}); err != nil || v != int64(i+1) {
			t.Errorf("%v, %v", v, err)
		}
	}
	if r.Offset() != 10 {
		t.Errorf("the pickles end at %d, not 10", r.Offset())
	}
}

func FuzzPickle(f *testing.F) {
	for _, text := range []string{"\x80\x02}(X\x01\x00\x00\x00aK\x01u.", "cos\nsystem\n(S'x'\ntR.", "\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00]\x94.", "(dp0\nS'a'\np1\nI1\ns.", "\x80\x02\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\xfe."} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(bytes.NewReader(data), int64(len(data)), 0)
		for {
			if _, err := r.Next(Options{Persistent: func(any) (any, error) { return nil, nil }}); err != nil {
				return
			}
			if r.Offset() > int64(len(data)) {
				t.Fatal("more was read than there is")
			}
		}
	})
}
