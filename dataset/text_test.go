package dataset

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	columns "github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"github.com/lawa-replay/lawa-replay/tokenizer"
)

var tokenizers = filepath.Join("..", "testdata", "tokenizer")

// openText opens a data set of texts, with a cache of its own.
func openText(t *testing.T, text string, d TextDefaults) (*Set, error) {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		return nil, err
	}
	return s.OpenAs(Opening{Cache: t.TempDir(), Text: d})
}

// rows reads a field of all examples.
func rows(t *testing.T, s Split, field string, draw *rand.Rand) [][]int64 {
	t.Helper()
	var b Batch
	var out [][]int64
	for i := range s.Len() {
		if err := s.Read(&b, []int{i}, draw); err != nil {
			t.Fatal(err)
		}
		a := b.Array(field)
		if a == nil {
			return nil
		}
		v, err := a.Integers()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// encoded are the ids of texts, each with what is around it.
func encoded(t *testing.T, k *tokenizer.Tokenizer, before, after []int64, texts ...string) []int64 {
	t.Helper()
	var out []int64
	for _, text := range texts {
		ids, err := k.Encode(nil, text, false)
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(append(out, before...), wide(ids)...), after...)
	}
	return out
}

func sumOf(all []int64) (sum int64) {
	for _, v := range all {
		sum += v
	}
	return sum
}

// Texts become examples in five ways.
func TestPacks(t *testing.T) {
	lines := []string{"The tower is 324 metres tall", "", " It was the first", "structure in the world to surpass both the 200 metre and 300 metre mark", ""}
	path := write(t, "a.txt", strings.Join(lines, "\n")+"\n")
	dir := tokenizer.Small
	k, err := tokenizer.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	bos, eos := []int64{0}, []int64{2}
	const length = 16
	open := func(options string) (*Set, Split) {
		t.Helper()
		set, err := openText(t, "text:"+path+",tokenizer="+dir+",length=16,"+options, TextDefaults{})
		if err != nil {
			t.Fatalf("%s: %v", options, err)
		}
		return set, set.Val
	}
	blocks := func(stream []int64) [][]int64 {
		var out [][]int64
		for ; len(stream) >= length; stream = stream[length:] {
			out = append(out, stream[:length])
		}
		return out
	}
	same := func(what string, have, want [][]int64) {
		t.Helper()
		if !slices.EqualFunc(have, want, slices.Equal[[]int64]) {
			t.Errorf("%s: %v, expected %v", what, have, want)
		}
	}

	// Texts between empty lines are a document; an example belongs to that of its first token.
	for _, pack := range []string{"joined", "stream", "none"} {
		_, val := open("pack=" + pack)
		around := map[string]int{"joined": 2, "stream": 1}[pack]
		var stream, want []float32
		for i, line := range lines {
			n := len(encoded(t, k, nil, nil, line)) + around
			document := []float32{0, 0, 1, 1, 1}[i]
			if pack == "none" && n > 0 {
				want = append(want, document)
			}
			stream = append(stream, slices.Repeat([]float32{document}, n)...)
		}
		if pack == "none" { // by their lengths
			want = []float32{1, 0, 1}
		}
		for i := 0; pack != "none" && i+length <= len(stream); i += length {
			want = append(want, stream[i])
		}
		if have := Documents(val); !slices.Equal(have, want) {
			t.Errorf("%s: documents %v, expected %v", pack, have, want)
		}
		if have := Documents(Shuffled(val, 1, val.Len())); len(have) != len(want) || slices.Max(have) != slices.Max(want) {
			t.Errorf("%s: documents of a view %v", pack, have)
		}
	}
	set, val := open("pack=joined")
	same("joined", rows(t, val, Inputs, nil), blocks(encoded(t, k, bos, eos, lines...)))
	if len(set.Notes) != 1 || !strings.Contains(set.Notes[0], "make no example of length=16 and are left out") {
		t.Errorf("notes: %v", set.Notes)
	}
	if _, ok := Find(val.Fields(), Targets); ok {
		t.Error("blocks without padding have targets")
	}
	// Bytes of the tokens behind the first, of special ones none; the space that the tokenizer puts before a text is not in it.
	var stream []int64
	for _, line := range lines {
		size := []int64{0}
		for _, id := range encoded(t, k, nil, nil, line) {
			size = append(size, int64(k.Bytes(int32(id))))
		}
		if line != "" && line[0] != ' ' {
			size[1]--
		}
		if sum := len(line); len(size) > 1 && sum != int(sumOf(size)) {
			t.Fatalf("%q: its tokens stand for %d bytes", line, sumOf(size))
		}
		stream = append(append(stream, size...), 0)
	}
	for i, n := range rows(t, val, TextBytes, nil) {
		want := sumOf(stream[i*length+1 : (i+1)*length])
		if n[0] != want {
			t.Errorf("example %d: %d bytes, expected %d", i, n, want)
		}
	}
	_, val = open("pack=joined,special=false")
	same("joined, special=false", rows(t, val, Inputs, nil), blocks(encoded(t, k, nil, nil, lines...)))
	_, val = open("pack=stream")
	same("stream", rows(t, val, Inputs, nil), blocks(encoded(t, k, nil, eos, lines...)))

	// complete: whole lines, the long one divided; documents: likewise, not across the empty line.
	for _, pack := range []string{"complete", "documents"} {
		set, val = open("pack=" + pack)
		var all []int64
		ids, mask, targets := rows(t, val, Inputs, nil), rows(t, val, AttentionMask, nil), rows(t, val, Targets, nil)
		for i, row := range ids {
			if row[0] != 0 {
				t.Errorf("%s: example %d begins with %d", pack, i, row[0])
			}
			for j := 1; j < length; j++ {
				if mask[i][j] == 1 {
					all = append(all, row[j])
					if targets[i][j-1] != row[j] {
						t.Errorf("%s: example %d, place %d: the target is %d, the next token %d", pack, i, j, targets[i][j-1], row[j])
					}
				} else if row[j] != 1 || targets[i][j-1] != ignored {
					t.Errorf("%s: padding is %d, its target %d", pack, row[j], targets[i][j-1])
				}
			}
		}
		want := encoded(t, k, nil, eos, lines...)
		if pack == "documents" { // empty lines belong to none
			want = encoded(t, k, nil, eos, lines[0], lines[2], lines[3])
		}
		same(pack, [][]int64{all}, [][]int64{want})
		if !slices.ContainsFunc(set.Notes, func(n string) bool { return strings.Contains(n, "were divided") }) {
			t.Errorf("%s: %v", pack, set.Notes)
		}
	}

	set, val = open("pack=none")
	ids, mask := rows(t, val, Inputs, nil), rows(t, val, AttentionMask, nil)
	for i, line := range []string{lines[2], lines[0], lines[3]} { // by their length
		want := encoded(t, k, nil, nil, line)
		want = append(append(slices.Clone(bos), want[:min(len(want), length-2)]...), eos...)
		n := 0
		for _, m := range mask[i] {
			n += int(m)
		}
		if !slices.Equal(ids[i][:n], want) {
			t.Errorf("none: %v, expected %v", ids[i][:n], want)
		}
	}
	if len(ids) != 3 || len(set.Notes) != 2 {
		t.Errorf("none: %d examples, %v", len(ids), set.Notes)
	}
}

// What is masked in evaluation is the same for every network and every view, in training another each time; its shares are RoBERTa's.
func TestMask(t *testing.T) {
	var text strings.Builder
	for range 400 {
		text.WriteString("The tower is 324 metres tall, about the same height as an 81-storey building, and the tallest structure.\n")
	}
	path, dir := write(t, "a.txt", text.String()), tokenizer.Small
	open := func(options string) Split {
		set, err := openText(t, "text:"+path+",tokenizer="+dir+",length=64,"+options, TextDefaults{})
		if err != nil {
			t.Fatal(err)
		}
		return set.Val
	}
	plain, masked := rows(t, open("mask=0"), Inputs, nil), open("mask=0.15")
	ids, targets := rows(t, masked, Inputs, nil), rows(t, masked, Targets, nil)
	var asked, covered, other, stay, special, all float64
	for i := range plain {
		for j, token := range plain[i] {
			all++
			if token < 5 || token == 600 {
				special++
				if targets[i][j] != ignored {
					t.Fatalf("the special token %d is masked", token)
				}
			}
			switch {
			case targets[i][j] == ignored:
				if ids[i][j] != token {
					t.Fatalf("token %d became %d, and is not asked for", token, ids[i][j])
				}
				continue
			case targets[i][j] != token:
				t.Fatalf("the target of %d is %d", token, targets[i][j])
			case ids[i][j] == 600:
				covered++
			case ids[i][j] == token:
				stay++
			default:
				other++
			}
			asked++
		}
	}
	for what, v := range map[string][2]float64{"asked for": {asked / (all - special), 0.15}, "masked": {covered / asked, 0.8}, "others": {other / asked, 0.1}, "as they are": {stay / asked, 0.1}} {
		if math.Abs(v[0]-v[1]) > 0.02 {
			t.Errorf("%s: a share of %.3f, expected %.2f", what, v[0], v[1])
		}
	}
	again := rows(t, open("mask=0.15"), Inputs, nil)
	if !slices.EqualFunc(ids, again, slices.Equal[[]int64]) {
		t.Error("another sweep would mask other tokens")
	}
	if slices.EqualFunc(ids, rows(t, open("mask=0.15,mask-seed=1"), Inputs, nil), slices.Equal[[]int64]) {
		t.Error("mask-seed changes nothing")
	}
	half, _ := Halves(masked)
	if view := rows(t, half, Inputs, nil); !slices.ContainsFunc(ids, func(row []int64) bool { return slices.Equal(row, view[0]) }) {
		t.Error("half a split is masked otherwise")
	}
	draw := rand.New(rand.NewPCG(1, 2))
	if first, second := rows(t, masked, Inputs, draw), rows(t, masked, Inputs, draw); slices.EqualFunc(first, second, slices.Equal[[]int64]) {
		t.Error("in training the same tokens are masked each time")
	}
	k, err := tokenizer.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	words := open("mask=0.3,whole-word=true")
	for i, row := range rows(t, words, Targets, nil) {
		for j := 1; j < len(row); j++ {
			token, before := int32(plain[i][j]), int32(plain[i][j-1])
			if !k.Special(token) && !k.Special(before) && !k.Spaced(token) && (row[j] == ignored) != (row[j-1] == ignored) {
				t.Fatalf("example %d: of a word half is masked, at %d", i, j)
			}
		}
	}
}

// Ids are made once, and those made elsewhere are the same split.
func TestTokens(t *testing.T) {
	path, dir := write(t, "a.txt", strings.Repeat("The tower is 324 metres tall\n", 20)), filepath.Join(tokenizers, "gpt2")
	cache := t.TempDir()
	open := func(text string) (*Set, error) {
		s, err := Parse(text)
		if err != nil {
			return nil, err
		}
		return s.OpenAs(Opening{Cache: cache, Text: TextDefaults{Tokenizer: dir, Length: 8}})
	}
	set, err := open("text:" + path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "text:" + path + ",tokenizer=" + dir + ",length=8"; set.Spec != want {
		t.Errorf("%s, expected %s", set.Spec, want)
	}
	digest, err := set.Val.Digest()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(cache, "tokens-*", "ids.tokens"))
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	before, err := os.Stat(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open("text:" + path); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(kept[0]); err != nil || !os.SameFile(before, after) || !after.ModTime().Equal(before.ModTime()) {
		t.Error("the ids were made again")
	}
	out := filepath.Join(t.TempDir(), "a.tokens")
	made, err := Tokenize(Opening{Context: t.Context()}, []string{path}, dir, "line", "text", out)
	if err != nil || made.Texts != 20 || made.Bytes != 20*28 {
		t.Fatal(made, err)
	}
	same, err := open("tokens:" + out)
	if err != nil {
		t.Fatal(err)
	}
	if have, err := same.Val.Digest(); err != nil || have != digest {
		t.Errorf("tokens made before are another split: %v", err)
	}
	// Another program's file of the same ids has no bytes of text.
	var raw []byte
	for _, row := range rows(t, set.Val, Inputs, nil) {
		for _, id := range row {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(id))
		}
	}
	bin := write(t, "a.bin", string(raw))
	if foreign, err := open("tokens:" + bin + ",dtype=uint16,vocab=700"); err != nil || !slices.EqualFunc(rows(t, foreign.Val, Inputs, nil), rows(t, set.Val, Inputs, nil), slices.Equal[[]int64]) {
		t.Errorf("uint16: %v", err)
	}
	// Tables of lists hold a text in each row.
	lists, lines := columns.NewListBuilder(memory.DefaultAllocator, arrow.PrimitiveTypes.Int64), ""
	for _, row := range rows(t, set.Val, Inputs, nil) {
		lists.Append(true)
		lists.ValueBuilder().(*columns.Int64Builder).AppendValues(row, nil)
		text, err := json.Marshal(map[string][]int64{"ids": row})
		if err != nil {
			t.Fatal(err)
		}
		lines += string(text) + "\n"
	}
	table := filepath.Join(t.TempDir(), "a.parquet")
	writeParquet(t, table, "input_ids", lists.NewArray())
	for _, text := range []string{"tokens:" + table + ",vocab=700", "tokens:" + write(t, "a.jsonl", lines) + ",column=ids,vocab=700"} {
		if foreign, err := open(text); err != nil || !slices.EqualFunc(rows(t, foreign.Val, Inputs, nil), rows(t, set.Val, Inputs, nil), slices.Equal[[]int64]) {
			t.Errorf("%s: %v", text, err)
		} else if foreign.Spec != text+",length=8" {
			t.Errorf("%s is %s", text, foreign.Spec)
		}
	}
	// Of ids that say nothing of themselves the special ones are named, or it is said that they are not known.
	words := write(t, "w.jsonl", `{"input_ids": [2, 9, 9, 9, 3]}`+"\n"+`{"input_ids": [2, 9, 9, 3]}`+"\n")
	masked := "tokens:" + words + ",vocab=10,mask-token=4,pad-token=0,special-tokens=0/2/3/4,pack=none,mask=0.9"
	asked, err := open(masked)
	if err != nil || asked.Spec != strings.Replace(masked, ",mask=", ",length=8,mask=", 1) || len(asked.Notes) > 0 {
		t.Fatalf("%v, %+v", err, asked)
	}
	for _, row := range rows(t, asked.Val, Targets, nil) {
		for _, id := range row {
			if id != -100 && id != 9 {
				t.Errorf("token %d is asked for", id)
			}
		}
	}
	if set, err := open(strings.Replace(masked, ",special-tokens=0/2/3/4", "", 1)); err != nil || !strings.Contains(strings.Join(set.Notes, " "), "which ids are special is not known") {
		t.Errorf("%v, %+v", err, set)
	}
	texts := filepath.Join(t.TempDir(), "b.parquet")
	some := columns.NewStringBuilder(memory.DefaultAllocator)
	some.Append("a")
	writeParquet(t, texts, "input_ids", some.NewArray())
	data, err := os.ReadFile(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func([]byte) []byte{
		"cut off":         func(b []byte) []byte { return b[:len(b)/2] },
		"altered":         func(b []byte) []byte { b[40] ^= 1; return b },
		"another version": func(b []byte) []byte { b[19] = '9'; return b },
		"empty":           func([]byte) []byte { return nil },
	} {
		if err := os.WriteFile(kept[0], spoil(slices.Clone(data)), 0o644); err != nil {
			t.Fatal(err)
		}
		set, err := open("text:" + path)
		if err != nil || !slices.ContainsFunc(set.Notes, func(n string) bool {
			return strings.Contains(n, "the tokens in the cache are of no use and are made anew")
		}) {
			t.Errorf("%s: %v, %v", name, set, err)
		}
	}
	for text, want := range map[string]string{
		"text:" + write(t, "b.txt", "fine\nb\xffd\n"):              "b.txt, text 2: byte 2 of the text is not UTF-8",
		"text:" + write(t, "c.txt", ""):                            "c.txt: there is no text in it",
		"text:" + write(t, "d.jsonl", `{"txt": "a"}`):              "row 1 has no field text (column=…); it has txt",
		"text:" + write(t, "d.json", `["a", "b"]`):                 "row 1 is a string; an object with the field text is expected",
		"text:" + write(t, "d.csv", "id,body\n1,a\n"):              "no column text (column=…); it has id, body",
		"text:" + write(t, "u.csv", "\xff\xfea\x00"):               "u.csv: the row with the columns' names is not UTF-8",
		"text:" + write(t, "d.zip", "PK"):                          "texts are not read of .zip",
		"text:" + write(t, "e.jsonl", `{"text": 1}`):               "row 1: text is 1; a text is expected",
		"text:" + path + ",mask=0.15":                              "mask=… needs a token that masks",
		"text:" + path + ",pack=complete,tokenizer=" + t.TempDir(): "no tokenizer.json, nor vocab.json and merges.txt",
		"text:" + path + ",length=4000":                            "make no example of length=4000",
		"tokens:" + texts:                                          "column input_ids of STRING; lists of whole numbers are expected",
		"tokens:" + table + ",column=ids":                          "no column ids (column=…); it has input_ids",
		"tokens:" + write(t, "h.jsonl", `{"input_ids": [1, -2]}`):  "row 1: id -2 at place 2",
		"tokens:" + write(t, "i.jsonl", `{"input_ids": null}`):     "row 1: input_ids is null; a list of whole numbers is expected",
		"tokens:" + write(t, "j.jsonl", `{"input_ids": []}`):       "there are no ids in it",
		"tokens:" + table + ",vocab=50":                            "in a vocabulary of 50",
		"tokens:" + bin:                                            "dtype=uint16 or dtype=uint32 must be said",
		"tokens:" + bin + ",dtype=uint16,vocab=50":                 "in a vocabulary of 50",
		"tokens:" + write(t, "f.tokens", "nothing"):                "7 bytes are no file of tokens",
		"tokens:" + bin + ",dtype=uint16,mask=0.15,mask-token=1":   "mask=… needs vocab=N",
		"tokens:" + bin + ",dtype=uint16,special-tokens=1/x":       `special-tokens: "x" is no id`,
		"tokens:" + bin + ",dtype=uint32,vocab=700":                "in a vocabulary of 700",
		"text:" + filepath.Join(t.TempDir(), "none*.txt"):          "no file has such a name",
		"text:" + filepath.Join(t.TempDir(), "none.txt"):           "no such file",
	} {
		if _, err := open(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %s", text, err, want)
		}
	}
	// The same texts in four kinds of files are the same ids.
	var first [][]int64
	for _, path := range []string{write(t, "s.txt", "The tower, 324 metres\nas an 81-storey\n"), write(t, "s.json", `[{"text": "The tower, 324 metres"}, {"text": "as an 81-storey"}]`),
		write(t, "s.csv", "\ufefftext,id\n\"The tower, 324 metres\",1\nas an 81-storey,2\n"), write(t, "s.tsv", "id\ttext\n1\tThe tower, 324 metres\n2\tas an 81-storey\n")} {
		set, err := open("text:" + path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		have := rows(t, set.Val, Inputs, nil)
		if first == nil {
			first = have
		}
		if !slices.EqualFunc(have, first, slices.Equal[[]int64]) {
			t.Errorf("%s: %v, expected %v", path, have, first)
		}
	}
	if set, err := open("text:" + write(t, "g.jsonl", `{"text": "The tower is 324 metres tall, about the same height"}`+"\n"+`{"text": "as an 81-storey building"}`)); err != nil || set.Val.Len() < 2 {
		t.Errorf("JSON lines: %v", err)
	}
}

// writeParquet writes a table of one column.
func writeParquet(t *testing.T, path, name string, column arrow.Array) {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: name, Type: column.DataType()}}, nil)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	table := columns.NewTableFromRecords(schema, []arrow.Record{columns.NewRecord(schema, []arrow.Array{column}, int64(column.Len()))})
	if err := pqarrow.WriteTable(table, f, 1<<10, nil, pqarrow.DefaultWriterProps()); err != nil {
		t.Fatal(err)
	}
}

func FuzzIDs(f *testing.F) {
	f.Add([]byte(idsMagic + "12345678901234567890123456789012"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < len(idsMagic)+idsTail {
			return
		}
		s := &ids{}
		s.parse(data)
	})
}

// Arrays of ids of every width that numpy has are read.
func TestUnsignedNPY(t *testing.T) {
	for descr, width := range map[string]int{"<u2": 2, "<u4": 4, "<u8": 8, "<i4": 4} {
		head := "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (3,), }"
		head += strings.Repeat(" ", 63-(10+len(head))%64) + "\n"
		raw := append([]byte("\x93NUMPY\x01\x00"), byte(len(head)), byte(len(head)>>8))
		raw = append(raw, head...)
		for _, id := range []uint64{5, 50256, 7} {
			raw = append(raw, binary.LittleEndian.AppendUint64(nil, id)[:width]...)
		}
		s, err := idsOfNPY(write(t, "a.npy", string(raw)))
		if err != nil || s.n != 3 || s.at(1) != 50256 {
			t.Errorf("%s: %+v, %v", descr, s, err)
		}
	}
}
