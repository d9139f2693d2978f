package tokenizer

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var testdata = filepath.Join("..", "testdata", "tokenizer")

// Ids are those of HuggingFace's tokenizers for each of some thousand texts, most of them odd (bench/tokenizer_reference.py).
func TestEqualsHuggingFace(t *testing.T) {
	f, err := os.Open(filepath.Join(testdata, "texts.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]json.RawMessage{}
	if err := json.NewDecoder(z).Decode(&table); err != nil {
		t.Fatal(err)
	}
	var texts []string
	if err := json.Unmarshal(table["texts"], &texts); err != nil || len(texts) < 3000 {
		t.Fatal(len(texts), err)
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if name == "texts" {
			continue
		}
		bare := strings.TrimSuffix(name, "+")
		dir := filepath.Join(testdata, bare)
		if bare == "roberta" {
			dir = Small
		}
		k, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		var sums []uint32
		if err := json.Unmarshal(table[name], &sums); err != nil {
			t.Fatal(err)
		}
		wrong := 0
		for i, text := range texts {
			ids, err := k.Encode(nil, text, bare != name)
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			var b []byte
			for _, id := range ids {
				b = binary.LittleEndian.AppendUint32(b, uint32(id))
			}
			if crc32.ChecksumIEEE(b)&0xffff != sums[i] {
				if wrong++; wrong < 5 {
					t.Errorf("%s: other ids of %q: %v", name, text, ids)
				}
			}
		}
		if wrong > 0 {
			t.Errorf("%s: %d of %d texts have other ids", name, wrong, len(texts))
		}
	}
}

// tokenizer_config.json changes what it changes in transformers, and BERT's vocab.txt is a tokenizer.
func TestEqualsTransformers(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(testdata, "configs.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Text  string
		Cases []struct {
			Kind   string
			Config json.RawMessage
			IDs    []int32
		}
	}
	if err := json.Unmarshal(data, &all); err != nil || len(all.Cases) < 10 {
		t.Fatal(err)
	}
	for _, c := range all.Cases {
		dir := t.TempDir()
		name, file, _ := strings.Cut(c.Kind, "/")
		whole, err := os.ReadFile(filepath.Join(testdata, name, "tokenizer.json"))
		if err != nil {
			t.Fatal(err)
		}
		if file == "" {
			file = "tokenizer.json"
		} else {
			var f struct {
				Model struct{ Vocab map[string]int }
			}
			if err := json.Unmarshal(whole, &f); err != nil {
				t.Fatal(err)
			}
			lines := make([]string, len(f.Model.Vocab))
			for token, id := range f.Model.Vocab {
				lines[id] = token
			}
			whole = []byte(strings.Join(lines, "\n") + "\n")
		}
		for name, data := range map[string][]byte{file: whole, "tokenizer_config.json": c.Config} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		k, err := Open(filepath.Join(dir, file)) // by its file
		if err != nil {
			t.Errorf("%s, %s: %v", c.Kind, c.Config, err)
			continue
		}
		if ids, err := k.Encode(nil, all.Text, true); err != nil || !slices.Equal(ids, c.IDs) {
			t.Errorf("%s, %s: %v, %v, expected %v", c.Kind, c.Config, err, ids, c.IDs)
		}
	}
	// What would be made anew of other files, or stands otherwise, is refused.
	for config, want := range map[string]string{
		`{"tokenizer_class": "LlamaTokenizer", "add_prefix_space": true}`:                                           "add_prefix_space of a LlamaTokenizer",
		`{"tokenizer_class": "LlamaTokenizer", "bos_token": "<begin>"}`:                                             `"<begin>" is no token`,
		`{"added_tokens_decoder": {"1": {"content": "<s>", "lstrip": true, "normalized": false, "special": true}}}`: `the added token "<s>", of id 1, is not in tokenizer.json, or stands there otherwise`,
		`{"add_bos_token": 3}`: "add_bos_token is a number",
	} {
		dir := t.TempDir()
		whole, err := os.ReadFile(filepath.Join(testdata, "llama2", "tokenizer.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "tokenizer.json"), whole, 0o644), os.WriteFile(filepath.Join(dir, "tokenizer_config.json"), []byte(config), 0o644)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %s", config, err, want)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.model"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "tokenizer.model alone, which is SentencePiece's own file: AutoTokenizer.from_pretrained") {
		t.Error(err)
	}
}

// What tokens stand for adds up to the text, and the files say which of them are special.
func TestBytesAndRoles(t *testing.T) {
	k, err := Open(Small)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{" as é 12": 9, "as": 3, " a<mask> b": 4} {
		ids, err := k.Encode(nil, text, true)
		n := 0
		for _, id := range ids {
			n += k.Bytes(id)
		}
		if err != nil || n != want {
			t.Errorf("%q: %d bytes, expected %d, %v", text, n, want, err)
		}
	}
	for role, want := range map[string]int32{"bos": 0, "pad": 1, "eos": 2, "mask": 600} {
		if id, ok := k.ID(role); !ok || id != want || !k.Special(id) {
			t.Errorf("%s: %d, %v", role, id, ok)
		}
	}
	if _, ok := k.ID("unk"); !ok || k.Vocabulary() != 601 || k.Special(50) || len(k.Digest) != 64 {
		t.Errorf("%+v", k.named)
	}
	if _, err := k.Encode(nil, "ab\xff", false); err == nil || err.Error() != "byte 3 of the text is not UTF-8" {
		t.Error(err)
	}
}

// vocab.json and merges.txt are the same tokenizer.
func TestOldFiles(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(testdata, "gpt2", "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	vocab, err := json.Marshal(f.Model.Vocab)
	if err != nil {
		t.Fatal(err)
	}
	merges := "#version: 0.2\n"
	for _, m := range f.Model.Merges {
		a, b, err := pairOf(m)
		if err != nil {
			t.Fatal(err)
		}
		merges += a + " " + b + "\n"
	}
	write("vocab.json", string(vocab))
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "no tokenizer.json, nor vocab.json and merges.txt") {
		t.Error(err)
	}
	write("merges.txt", merges)
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "GPT2Tokenizer and RobertaTokenizer are known") {
		t.Error(err)
	}
	write("tokenizer_config.json", `{"tokenizer_class": "GPT2TokenizerFast", "eos_token": {"content": "<|endoftext|>"}}`)
	old, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	k, err := Open(filepath.Join(testdata, "gpt2"))
	if err != nil {
		t.Fatal(err)
	}
	text := "The tower is 324 metres (1,063 ft) tall<|endoftext|> about the same\n\n height"
	a, err1 := old.Encode(nil, text, true)
	b, err2 := k.Encode(nil, text, true)
	if err1 != nil || err2 != nil || !strings.Contains(text, "ft") || len(a) != len(b) {
		t.Fatalf("%v, %v", a, b)
	}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("%v, %v", a, b)
		}
	}
}

// What is not understood is refused by its name.
func TestRefused(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join(testdata, "gpt2", "tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{`"normalizer":null`, `"normalizer":{"type":"NFKC"}`, "normalizer: type NFKC; NFC, Prepend"},
		{`"pre_tokenizer":{"type":"ByteLevel"`, `"pre_tokenizer":{"type":"Whitespace"`, `a pre_tokenizer of type "Whitespace"`},
		{`"use_regex":true`, `"use_regex":false`, "a ByteLevel with use_regex=false and no Split before it is not known"},
		{`"dropout":null`, `"dropout":0.1`, "dropout=0.1: ids would depend on chance"},
		{`"byte_fallback":false`, `"byte_fallback":true`, "byte_fallback of a vocabulary of bytes is not known"},
		{`"type":"BPE"`, `"type":"Unigram"`, `a model of type "Unigram": BPE and WordPiece are known`},
		{`"single_word":false`, `"single_word":true`, `added token "<|endoftext|>" with single_word is not known`},
		{`"dropout":null`, `"dropout":null,"surprise":1`, `nothing is known of the field "surprise"`},
		{`"post_processor":{"type":"ByteLevel"`, `"post_processor":{"type":"Mystery"`, `type "Mystery"`},
		{`"merges":[[`, `"merges":[["q","zzz"],[`, `merge 1, of "q" and "zzz": one of the three is no token`},
		{`"\"":2,`, ``, "the byte 0x22 is no token"},
		{`{"version"`, `{"version`, "tokenizer.json: "},
	} {
		dir := t.TempDir()
		text := strings.Replace(string(whole), c.old, c.new, 1)
		if text == string(whole) {
			t.Errorf("%s is not in it", c.old)
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %s", c.new, err, c.want)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	text := strings.Repeat("The tower is 324 metres (1,063 ft) tall, about the same height as an 81-storey building.\n", 1000)
	for _, kind := range []string{"gpt2", "llama3", "qwen2", "llama2", "metaspace", "bert"} {
		b.Run(kind, func(b *testing.B) {
			k, err := Open(filepath.Join(testdata, kind))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
			var ids []int32
			for b.Loop() {
				if ids, err = k.Encode(ids[:0], text, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	for _, kind := range []string{"digits", "qwen2", "llama2", "metaspace", "bert"} {
		whole, err := os.ReadFile(filepath.Join(testdata, kind, "tokenizer.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(whole)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if k, err := parse(data, nil); err == nil {
			if _, err := k.Encode(nil, "a b'll 12\n é<|im_start|>", true); err != nil {
				t.Error(err)
			}
		}
	})
}
