package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// tokenizerConfig is what tokenizer_config.json says that changes ids, or may.
type tokenizerConfig struct {
	Class       string                `json:"tokenizer_class"`
	Type        string                `json:"model_type"` // of config.json
	PrefixSpace *bool                 `json:"add_prefix_space"`
	AddBOS      *bool                 `json:"add_bos_token"`
	AddEOS      *bool                 `json:"add_eos_token"`
	BOS         json.RawMessage       `json:"bos_token"`
	EOS         json.RawMessage       `json:"eos_token"`
	LowerCase   *bool                 `json:"do_lower_case"`
	Accents     *bool                 `json:"strip_accents"`
	Chinese     *bool                 `json:"tokenize_chinese_chars"`
	Added       map[string]addedToken `json:"added_tokens_decoder"`
}

// class is the tokenizer's, whether slow or fast.
func (c tokenizerConfig) class() string { return strings.TrimSuffix(c.Class, "Fast") }

// templates are the classes of transformers that put the tokens of the begin and the end around a text as their config says, whatever
// tokenizer.json has, with what those are where it says nothing.
var templates = map[string]struct {
	bos, eos       string
	addBOS, addEOS bool
}{
	"LlamaTokenizer":     {"<s>", "</s>", true, false},
	"CodeLlamaTokenizer": {"<s>", "</s>", true, false},
	"GemmaTokenizer":     {"<bos>", "<eos>", true, false},
	"GPTNeoXTokenizer":   {"<|endoftext|>", "<|endoftext|>", false, false},
}

// configure does to a tokenizer.json what transformers does to it by tokenizer_config.json (4.57); byteLevel says that texts are divided by
// a ByteLevel alone.
func (t *Tokenizer) configure(c tokenizerConfig, vocab map[string]int32, byteLevel bool) error {
	if byteLevel {
		t.space = c.PrefixSpace != nil && *c.PrefixSpace
	}
	if c.PrefixSpace != nil && slices.Contains([]string{"LlamaTokenizer", "CodeLlamaTokenizer"}, c.class()) {
		return fmt.Errorf("add_prefix_space of a %s: transformers makes it anew of tokenizer.model then, which is not known", c.Class)
	}
	if err := t.sameAdded(c.Added); err != nil {
		return err
	}
	p, ok := templates[c.class()]
	if !ok {
		return nil
	}
	texts := t.texts()
	t.before, t.after = nil, nil
	for _, one := range []struct {
		add   *bool
		usual bool
		raw   json.RawMessage
		text  string
		name  string
		into  *[]int32
	}{{c.AddBOS, p.addBOS, c.BOS, p.bos, "bos", &t.before}, {c.AddEOS, p.addEOS, c.EOS, p.eos, "eos", &t.after}} {
		if add := one.add; add != nil && !*add || add == nil && !one.usual {
			continue
		}
		text := one.text
		if len(one.raw) > 0 {
			text = tokenText(one.raw)
		}
		id, ok := texts[text]
		if !ok {
			id, ok = vocab[text]
		}
		if !ok {
			return fmt.Errorf("a %s puts its %s_token before or behind every text, and %q is no token", c.Class, one.name, text)
		}
		*one.into = []int32{id}
	}
	return nil
}

// sameAdded refuses added tokens that tokenizer.json has otherwise, or not at all.
func (t *Tokenizer) sameAdded(list map[string]addedToken) error {
	for key, a := range list {
		id, err := strconv.Atoi(key)
		if err != nil {
			return fmt.Errorf("added_tokens_decoder has the id %q", key)
		}
		if a.Normalized && t.normalize != nil {
			a.Content = t.normalize(a.Content)
		}
		from := t.raw
		if a.Normalized {
			from = t.later
		}
		if !slices.Contains(from, added{a.Content, int32(id), a.LStrip, a.RStrip}) {
			return fmt.Errorf("the added token %q, of id %d, is not in tokenizer.json, or stands there otherwise", a.Content, id)
		}
	}
	return nil
}

// tokenText is a token as configs write it: "</s>", or an object with its content; "" where it is neither.
func tokenText(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var token struct{ Content string }
	_ = json.Unmarshal(raw, &token)
	return token.Content
}

// bert is what a BertTokenizer's config makes of a normalizer.
func (c tokenizerConfig) bert(b bertNormalizer) bertNormalizer {
	or := func(v *bool) bool { return v == nil || *v }
	b.Lower, b.Accents, b.Chinese = or(c.LowerCase), c.Accents, or(c.Chinese)
	return b
}

// vocabTXT makes BERT's tokenizer of its vocab.txt: a token a line.
func vocabTXT(data []byte, c tokenizerConfig) (*Tokenizer, error) {
	if k := c.class(); k != "BertTokenizer" && !(k == "" && c.Type == "bert") {
		return nil, fmt.Errorf("vocab.txt of the tokenizer_class %q, model_type %q: BertTokenizer is known", c.Class, c.Type)
	}
	m := model{Type: "WordPiece", Prefix: "##", Vocab: map[string]int32{}}
	for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if _, twice := m.Vocab[line]; twice {
			return nil, fmt.Errorf("line %d: %q once more", i+1, line)
		}
		m.Vocab[line] = int32(i)
	}
	t := newTokenizer()
	t.normalize = c.bert(bertNormalizer{Clean: true}).normalize
	if err := t.model(m, "BertPreTokenizer"); err != nil {
		return nil, err
	}
	for _, text := range []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"} {
		id, ok := m.Vocab[text]
		if !ok {
			return nil, errors.New("there is no token " + text)
		}
		if err := t.add(addedToken{ID: id, Content: text, Special: true}); err != nil {
			return nil, err
		}
	}
	t.before, t.after = []int32{m.Vocab["[CLS]"]}, []int32{m.Vocab["[SEP]"]}
	return t.done()
}
