package tokenizer

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Small is the name of a tokenizer that comes with the program, for experiments of minutes: a byte-level BPE of 601 tokens, RoBERTa's
// special ones among them, trained on the validation text of WikiText-2 (bench/tokenizer_reference.py).
const Small = "builtin-small"

//go:embed small
var small embed.FS

// Open reads the tokenizer of a folder, which may be named by one of its files: tokenizer.json, with what transformers changes of it by
// tokenizer_config.json, or vocab.json and merges.txt, or BERT's vocab.txt; what bos, eos, pad and mask are stands in
// special_tokens_map.json or tokenizer_config.json.
func Open(dir string) (*Tokenizer, error) {
	if slices.Contains(Names, filepath.Base(dir)) {
		dir = filepath.Dir(dir)
	}
	o := opener{dir: dir, sum: sha256.New().Sum(nil), file: func(name string) ([]byte, error) { return input.ReadFile(filepath.Join(dir, name), input.Text) }}
	if dir == Small {
		o.file = func(name string) ([]byte, error) { return small.ReadFile("small/" + name) }
	}
	t, err := o.open()
	if err != nil {
		return nil, fmt.Errorf("tokenizer in %s: %w", dir, err)
	}
	t.Digest = hex.EncodeToString(o.sum)
	return t, nil
}

// Names are the files of which a folder with a tokenizer has one.
var Names = []string{"tokenizer.json", "vocab.json", "vocab.txt"}

// opener reads the files of a folder.
type opener struct {
	dir  string
	file func(name string) ([]byte, error)
	sum  []byte // of what was read
}

// read reads a file, nil where it is not there.
func (o *opener) read(name string) ([]byte, error) {
	data, err := o.file(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		h := sha256.New()
		h.Write(o.sum)
		h.Write([]byte(name + "\n"))
		h.Write(data)
		o.sum = h.Sum(nil)
	}
	return data, err
}

func (o *opener) open() (*Tokenizer, error) {
	c, err := o.config()
	if err != nil {
		return nil, err
	}
	data, err := o.read("tokenizer.json")
	if err != nil {
		return nil, err
	}
	var t *Tokenizer
	if data != nil {
		if t, err = parse(data, c); err != nil {
			return nil, fmt.Errorf("tokenizer.json: %w", err)
		}
	} else if t, err = o.old(c); err != nil {
		return nil, err
	}
	return t, o.roles(t)
}

// config is tokenizer_config.json, nil where there is none.
func (o *opener) config() (*tokenizerConfig, error) {
	data, err := o.read("tokenizer_config.json")
	if data == nil || err != nil {
		return nil, err
	}
	c := &tokenizerConfig{}
	if err := json.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("tokenizer_config.json: %w", ofFile(err))
	}
	return c, nil
}

// file is a tokenizer.json.
type file struct {
	Version       any             `json:"version"`
	Truncation    any             `json:"truncation"` // of whoever saved it; transformers sets it anew at each call
	Padding       any             `json:"padding"`    // likewise
	Added         []addedToken    `json:"added_tokens"`
	Normalizer    json.RawMessage `json:"normalizer"`
	PreTokenizer  *part           `json:"pre_tokenizer"`
	PostProcessor *part           `json:"post_processor"`
	Decoder       any             `json:"decoder"` // ids to text
	Model         *model          `json:"model"`
}

type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

type model struct {
	Type         string            `json:"type"`
	Dropout      *float64          `json:"dropout"`
	MaxWord      *int              `json:"max_input_chars_per_word"` // of WordPiece
	Unknown      *string           `json:"unk_token"`                // never needed: every byte is a token
	Prefix       string            `json:"continuing_subword_prefix"`
	Suffix       string            `json:"end_of_word_suffix"`
	FuseUnknown  bool              `json:"fuse_unk"`
	ByteFallback bool              `json:"byte_fallback"`
	IgnoreMerges bool              `json:"ignore_merges"`
	Vocab        map[string]int32  `json:"vocab"`
	Merges       []json.RawMessage `json:"merges"`
}

// part is a pre-tokenizer or a post-processor of any type.
type part struct {
	Type           string            `json:"type"`
	AddPrefixSpace *bool             `json:"add_prefix_space"`
	TrimOffsets    any               `json:"trim_offsets"` // where tokens lie in the text
	UseRegex       *bool             `json:"use_regex"`
	Individual     *bool             `json:"individual_digits"`
	Pattern        *pattern          `json:"pattern"`
	Behavior       string            `json:"behavior"`
	Invert         bool              `json:"invert"`
	Replacement    *string           `json:"replacement"`
	PrependScheme  string            `json:"prepend_scheme"`
	Split          *bool             `json:"split"`
	StrRep         any               `json:"str_rep"` // the replacement once more, in older files
	PreTokenizers  []part            `json:"pretokenizers"`
	Processors     []part            `json:"processors"`
	Sep            json.RawMessage   `json:"sep"`
	CLS            json.RawMessage   `json:"cls"`
	Single         []json.RawMessage `json:"single"`
	Pair           any               `json:"pair"` // of two texts
	SpecialTokens  map[string]struct {
		ID     any     `json:"id"`
		IDs    []int32 `json:"ids"`
		Tokens any     `json:"tokens"`
	} `json:"special_tokens"`
}

// pattern is what a Split divides at.
type pattern struct{ Regex, String *string }

// strict reads JSON whose fields are all known.
func strict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return ofFile(err)
	}
	return nil
}

// ofFile says what is wrong with JSON in words of the file, not of this program.
func ofFile(err error) error {
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		return fmt.Errorf("%s is a %s", cmp.Or(wrong.Field, "it"), wrong.Value)
	}
	return errors.New(strings.Replace(strings.TrimPrefix(err.Error(), "json: "), "unknown field", "nothing is known of the field", 1))
}

// typeOf is what a part says that it is.
func typeOf(data []byte) string {
	var p struct{ Type string }
	_ = json.Unmarshal(data, &p)
	return p.Type
}

// first refuses what is of another type before its fields are looked at, so that the type is named.
func first(data []byte) error {
	var f struct {
		PreTokenizer json.RawMessage `json:"pre_tokenizer"`
		Model        json.RawMessage `json:"model"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	if k := typeOf(f.Model); k != "BPE" && k != "WordPiece" {
		return fmt.Errorf("a model of type %q: BPE and WordPiece are known", k)
	}
	if k := typeOf(f.PreTokenizer); !slices.Contains([]string{"", "ByteLevel", "Sequence", "Metaspace", "BertPreTokenizer", "Split"}, k) {
		return fmt.Errorf("a pre_tokenizer of type %q: %s", k, divisions)
	}
	return nil
}

// divisions are the ways in which texts are divided that are known.
const divisions = "ByteLevel is known, Digits or a Split of a known pattern before it, Metaspace, and BertPreTokenizer"

// newTokenizer is empty.
func newTokenizer() *Tokenizer {
	return &Tokenizer{special: map[int32]bool{}, spaced: map[int32]bool{}, named: map[string]int32{}}
}

func parse(data []byte, c *tokenizerConfig) (*Tokenizer, error) {
	if err := first(data); err != nil {
		return nil, ofFile(err)
	}
	var f file
	if err := strict(data, &f); err != nil {
		return nil, err
	}
	t := newTokenizer()
	var err error
	if t.normalize, err = normalizerOf(f.Normalizer); err != nil {
		return nil, fmt.Errorf("normalizer: %w", err)
	}
	if c != nil && c.class() == "BertTokenizer" && typeOf(f.Normalizer) == "BertNormalizer" {
		b, _ := bertNormalizerOf(f.Normalizer) // which has been read
		t.normalize = c.bert(b).normalize
	}
	if f.PreTokenizer == nil {
		f.PreTokenizer = &part{}
	}
	if err := t.splitBy(*f.PreTokenizer, true); err != nil {
		return nil, fmt.Errorf("pre_tokenizer: %w", err)
	}
	if err := t.model(*f.Model, f.PreTokenizer.Type); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	for _, a := range f.Added {
		if err := t.add(a); err != nil {
			return nil, err
		}
	}
	if f.PostProcessor != nil {
		if err := t.template(*f.PostProcessor); err != nil {
			return nil, fmt.Errorf("post_processor: %w", err)
		}
	}
	if c != nil {
		if err := t.configure(*c, f.Model.Vocab, f.PreTokenizer.Type == "ByteLevel"); err != nil {
			return nil, fmt.Errorf("with tokenizer_config.json: %w", err)
		}
	}
	return t.done()
}

// model reads the model, for texts that are divided in a way.
func (t *Tokenizer) model(m model, division string) error {
	if m.Type == "WordPiece" != (division == "BertPreTokenizer") {
		return fmt.Errorf("a %s behind a pre_tokenizer %q is not known", m.Type, division)
	}
	switch division {
	case "BertPreTokenizer":
		t.segment = t.pieces
		return t.takePieces(m)
	case "", "Metaspace":
		t.segment = t.characters
		return t.takeCharacters(m)
	}
	t.segment = t.words
	return t.take(m)
}

// splitBy reads how texts are divided.
func (t *Tokenizer) splitBy(p part, outermost bool) error {
	switch {
	case p.Type == "" && outermost: // one word, of characters
		return nil
	case p.Type == "BertPreTokenizer" && outermost:
		return nil
	case p.Type == "Metaspace" && outermost:
		return t.metaspace(p)
	case p.Type == "ByteLevel":
		if t.scan == nil {
			t.scan = word
			if p.UseRegex != nil && !*p.UseRegex {
				return errors.New("a ByteLevel with use_regex=false and no Split before it is not known")
			}
		} else if p.UseRegex == nil || *p.UseRegex {
			return errors.New("a ByteLevel that divides what a Split has divided is not known")
		}
		t.space = p.AddPrefixSpace == nil || *p.AddPrefixSpace
		return nil
	case p.Type == "Sequence" && outermost && len(p.PreTokenizers) == 2 && p.PreTokenizers[1].Type == "ByteLevel":
		before := p.PreTokenizers[0]
		switch before.Type {
		case "Digits":
			if d := before.Individual; d == nil || !*d {
				return errors.New("a Digits with individual_digits=false is not known")
			}
			t.digits = true
		case "Split":
			if err := t.splitAt(before); err != nil {
				return err
			}
		default:
			return fmt.Errorf("a Sequence of %s, ByteLevel: %s", before.Type, divisions)
		}
		if err := t.splitBy(p.PreTokenizers[1], false); err != nil {
			return err
		}
		if t.space {
			return fmt.Errorf("a %s before a ByteLevel with add_prefix_space is not known", before.Type)
		}
		return nil
	case p.Type == "Sequence":
		var names []string
		for _, q := range p.PreTokenizers {
			names = append(names, q.Type)
		}
		return fmt.Errorf("a Sequence of %s: %s", strings.Join(names, ", "), divisions)
	}
	return fmt.Errorf("type %q: %s", p.Type, divisions)
}

// splitAt reads a Split of a pattern that is known.
func (t *Tokenizer) splitAt(p part) error {
	switch {
	case p.Pattern == nil || p.Pattern.Regex == nil:
		return errors.New("a Split of no regular expression is not known")
	case p.Behavior != "Isolated" || p.Invert:
		return fmt.Errorf("a Split with behavior=%s, invert=%v: Isolated and false are known", p.Behavior, p.Invert)
	}
	scan, ok := patterns[*p.Pattern.Regex]
	if !ok {
		return fmt.Errorf("a Split of the pattern %s: those of GPT-2, Llama 3 and Qwen2 are known", *p.Pattern.Regex)
	}
	t.scan = scan
	return nil
}

func (t *Tokenizer) metaspace(p part) error {
	m := metaspace{known: true, prepend: p.PrependScheme, split: p.Split == nil || *p.Split}
	if m.prepend == "" { // as older files have it
		m.prepend = "always"
		if p.AddPrefixSpace != nil && !*p.AddPrefixSpace {
			m.prepend = "never"
		}
	}
	if p.Replacement == nil || *p.Replacement != space {
		return fmt.Errorf("a Metaspace whose replacement is not %s is not known", space)
	}
	if !slices.Contains([]string{"always", "first", "never"}, m.prepend) {
		return fmt.Errorf("a Metaspace with prepend_scheme=%s: always, first and never are known", m.prepend)
	}
	t.meta = m
	return nil
}

// plain refuses what no BPE that is known has.
func (m model) plain() error {
	switch {
	case m.Dropout != nil && *m.Dropout != 0:
		return fmt.Errorf("dropout=%v: ids would depend on chance", *m.Dropout)
	case m.Prefix != "" || m.Suffix != "":
		return fmt.Errorf("continuing_subword_prefix=%q, end_of_word_suffix=%q: only none is known", m.Prefix, m.Suffix)
	}
	return nil
}

// takeCharacters reads a vocabulary of characters and its merges.
func (t *Tokenizer) takeCharacters(m model) error {
	if err := m.plain(); err != nil {
		return err
	}
	if !m.ByteFallback {
		return errors.New("a BPE of characters without byte_fallback is not known")
	}
	t.chars = map[string]int32{}
	vocab := make(map[string]int32, len(m.Vocab))
	for text, id := range m.Vocab {
		if id < 0 || id > 1<<24 {
			return fmt.Errorf("the token %q has the id %d", text, id)
		}
		vocab[text] = id
		if _, n := utf8.DecodeRuneInString(text); n > 0 && n == len(text) {
			t.chars[text] = id
		}
		if strings.HasPrefix(text, space) {
			t.spaced[id] = true
		}
		t.length(id, len(strings.ReplaceAll(text, space, " ")))
	}
	for b := range 256 {
		id, ok := vocab[fmt.Sprintf("<0x%02X>", b)]
		if !ok {
			return fmt.Errorf("the byte %#02x is no token: texts with it would lose it", b)
		}
		t.bytes[b] = id
		t.length(id, 1)
	}
	return t.takeMerges(m, vocab, func(text string) (string, bool) { return text, true })
}

// takePieces reads a vocabulary of words and their parts.
func (t *Tokenizer) takePieces(m model) error {
	if m.Prefix == "" {
		return errors.New("a WordPiece without continuing_subword_prefix is not known")
	}
	w := wordPiece{begin: map[string]int32{}, within: map[string]int32{}, longest: 100}
	if m.MaxWord != nil {
		w.longest = *m.MaxWord
	}
	unknown := "[UNK]"
	if m.Unknown != nil {
		unknown = *m.Unknown
	}
	var ok bool
	if w.unknown, ok = m.Vocab[unknown]; !ok {
		return fmt.Errorf("the token %s of unknown words is not in the vocabulary", unknown)
	}
	for text, id := range m.Vocab {
		if id < 0 || id > 1<<24 {
			return fmt.Errorf("the token %q has the id %d", text, id)
		}
		w.begin[text] = id
		w.most = max(w.most, len(text))
		part, within := strings.CutPrefix(text, m.Prefix)
		if within {
			w.within[part] = id
		} else {
			t.spaced[id] = true
		}
		t.length(id, len(part))
	}
	t.pieced = w
	return nil
}

// take reads a vocabulary of bytes and its merges.
func (t *Tokenizer) take(m model) error {
	if err := m.plain(); err != nil {
		return err
	}
	if m.ByteFallback {
		return errors.New("byte_fallback of a vocabulary of bytes is not known")
	}
	vocab := make(map[string]int32, len(m.Vocab))
	for text, id := range m.Vocab {
		if id < 0 || id > 1<<24 {
			return fmt.Errorf("the token %q has the id %d", text, id)
		}
		b, ok := bytesOf(text)
		if !ok {
			continue // an added token, which is no sequence of bytes
		}
		vocab[b] = id
		if b[0] == ' ' {
			t.spaced[id] = true
		}
		t.length(id, len(b))
	}
	for b := range 256 {
		id, ok := vocab[string([]byte{byte(b)})]
		if !ok {
			return fmt.Errorf("the byte %#02x is no token: texts with it would lose it", b)
		}
		t.bytes[b] = id
	}
	return t.takeMerges(m, vocab, bytesOf)
}

// takeMerges reads the merges, whose parts are tokens of a vocabulary once they are what of makes of them.
func (t *Tokenizer) takeMerges(m model, vocab map[string]int32, of func(string) (string, bool)) error {
	t.merges = make(map[[2]int32]merge, len(m.Merges))
	for i, raw := range m.Merges {
		a, b, err := pairOf(raw)
		if err != nil {
			return fmt.Errorf("merge %d: %w", i+1, err)
		}
		left, ok1 := of(a)
		right, ok2 := of(b)
		l, ok3 := vocab[left]
		r, ok4 := vocab[right]
		id, ok5 := vocab[left+right]
		if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
			return fmt.Errorf("merge %d, of %q and %q: one of the three is no token", i+1, a, b)
		}
		t.merges[[2]int32{l, r}] = merge{int32(i), id}
	}
	if m.IgnoreMerges {
		t.whole = vocab
	}
	return nil
}

// pairOf reads a merge: ["a", "b"] or "a b".
func pairOf(raw json.RawMessage) (a, b string, err error) {
	var two []string
	if json.Unmarshal(raw, &two) == nil {
		if len(two) != 2 {
			return "", "", fmt.Errorf("%d parts", len(two))
		}
		return two[0], two[1], nil
	}
	var one string
	if err := json.Unmarshal(raw, &one); err != nil {
		return "", "", err
	}
	a, b, ok := strings.Cut(one, " ")
	if !ok || strings.Contains(b, " ") {
		return "", "", fmt.Errorf("%q is not two parts", one)
	}
	return a, b, nil
}

// length says how many bytes a token stands for.
func (t *Tokenizer) length(id int32, n int) {
	if int(id) >= len(t.lengths) {
		t.lengths = slices.Grow(t.lengths, int(id)+1-len(t.lengths))[:id+1]
	}
	t.lengths[id] = int32(n)
}

// add takes a token that is looked for in the text.
func (t *Tokenizer) add(a addedToken) error {
	switch {
	case a.SingleWord:
		return fmt.Errorf("added token %q with single_word is not known", a.Content)
	case a.Content == "":
		return errors.New("an added token of no text")
	case a.ID < 0 || a.ID > 1<<24:
		return fmt.Errorf("the added token %q has the id %d", a.Content, a.ID)
	}
	n := len(a.Content)
	if a.Special {
		n = 0
		t.special[a.ID] = true
	}
	t.length(a.ID, n)
	list := &t.raw
	if a.Normalized {
		list = &t.later
		if t.normalize != nil { // it is looked for in what that makes of the text
			if a.Content = t.normalize(a.Content); a.Content == "" {
				return nil
			}
		}
	}
	*list = append(*list, added{a.Content, a.ID, a.LStrip, a.RStrip})
	return nil
}

// template reads what is put around a text.
func (t *Tokenizer) template(p part) error {
	switch p.Type {
	case "ByteLevel":
		return nil
	case "Sequence":
		for _, q := range p.Processors {
			if err := t.template(q); err != nil {
				return err
			}
		}
		return nil
	case "RobertaProcessing", "BertProcessing":
		var err error
		if t.before, err = named(p.CLS); err == nil {
			t.after, err = named(p.Sep)
		}
		return err
	case "TemplateProcessing":
		if t.before != nil || t.after != nil {
			return errors.New("two templates")
		}
		seen := false
		for _, raw := range p.Single {
			var item struct {
				SpecialToken *struct{ ID string }
				Sequence     *struct{ ID string }
			}
			if err := json.Unmarshal(raw, &item); err != nil {
				return err
			}
			switch {
			case item.Sequence != nil && item.Sequence.ID == "A" && !seen:
				seen = true
			case item.SpecialToken != nil:
				s, ok := p.SpecialTokens[item.SpecialToken.ID]
				if !ok {
					return fmt.Errorf("the template's %s is not among its special_tokens", item.SpecialToken.ID)
				}
				if seen {
					t.after = append(t.after, s.IDs...)
				} else {
					t.before = append(t.before, s.IDs...)
				}
			default:
				return fmt.Errorf("the template's %s is not known", raw)
			}
		}
		if !seen {
			return errors.New("a template without the text")
		}
		return nil
	}
	return fmt.Errorf("type %q: ByteLevel, RobertaProcessing, BertProcessing, TemplateProcessing and a Sequence of them are known", p.Type)
}

// named reads ["</s>", 2].
func named(raw json.RawMessage) ([]int32, error) {
	var v []any
	if err := json.Unmarshal(raw, &v); err == nil && len(v) == 2 {
		if id, ok := v[1].(float64); ok && id >= 0 && id <= 1<<24 {
			return []int32{int32(id)}, nil
		}
	}
	return nil, fmt.Errorf("%s is not a token and its id", raw)
}

// done makes ready what was read.
func (t *Tokenizer) done() (*Tokenizer, error) {
	for _, list := range [][]added{t.raw, t.later} {
		slices.SortStableFunc(list, func(a, b added) int { return len(b.text) - len(a.text) })
	}
	t.vocabular = len(t.lengths)
	for _, id := range slices.Concat(t.before, t.after) {
		if int(id) >= t.vocabular {
			return nil, fmt.Errorf("the template's id %d is beyond the vocabulary of %d", id, t.vocabular)
		}
	}
	return t, nil
}

// old reads the files of the first tokenizers: vocab.json and merges.txt of GPT-2 and RoBERTa, vocab.txt of BERT; which it is says
// tokenizer_config.json or config.json.
func (o *opener) old(said *tokenizerConfig) (*Tokenizer, error) {
	var config tokenizerConfig
	if said != nil {
		config = *said
	}
	if config.Class == "" {
		data, err := o.read("config.json")
		if err != nil {
			return nil, err
		}
		if data != nil {
			if err := json.Unmarshal(data, &config); err != nil {
				return nil, fmt.Errorf("config.json: %w", ofFile(err))
			}
		}
	}
	vocab, err := o.read("vocab.json")
	if err != nil {
		return nil, err
	}
	merges, err := o.read("merges.txt")
	if err != nil {
		return nil, err
	}
	if vocab == nil || merges == nil {
		text, err := o.read("vocab.txt")
		if err != nil {
			return nil, err
		}
		if text != nil {
			t, err := vocabTXT(text, config)
			if err != nil {
				return nil, fmt.Errorf("vocab.txt: %w", err)
			}
			return t, nil
		}
		return nil, o.none()
	}
	m := model{Type: "BPE"}
	if err := json.Unmarshal(vocab, &m.Vocab); err != nil {
		return nil, fmt.Errorf("vocab.json: %w", err)
	}
	for i, line := range strings.Split(strings.ReplaceAll(string(merges), "\r\n", "\n"), "\n") {
		if line == "" || i == 0 && strings.HasPrefix(line, "#version") {
			continue
		}
		raw, err := json.Marshal(line)
		if err != nil {
			return nil, err
		}
		m.Merges = append(m.Merges, raw)
	}
	t := newTokenizer()
	t.scan, t.segment = word, t.words
	if err := t.take(m); err != nil {
		return nil, fmt.Errorf("vocab.json and merges.txt: %w", err)
	}
	t.space = config.PrefixSpace != nil && *config.PrefixSpace
	var names []string
	switch class := config.class(); {
	case class == "GPT2Tokenizer" || class == "" && config.Type == "gpt2":
		names = []string{"<|endoftext|>"}
	case class == "RobertaTokenizer" || class == "" && config.Type == "roberta":
		names = []string{"<s>", "<pad>", "</s>", "<unk>", "<mask>"}
		t.before, t.after = []int32{m.Vocab["<s>"]}, []int32{m.Vocab["</s>"]}
	default:
		return nil, fmt.Errorf("vocab.json and merges.txt of the tokenizer_class %q, model_type %q: GPT2Tokenizer and RobertaTokenizer are known", config.Class, config.Type)
	}
	for _, name := range names {
		id, ok := m.Vocab[name]
		if !ok {
			return nil, fmt.Errorf("vocab.json has no token %s", name)
		}
		if err := t.add(addedToken{ID: id, Content: name, Special: true, LStrip: name == "<mask>"}); err != nil {
			return nil, err
		}
	}
	return t.done()
}

// none is the error of a folder without a tokenizer that is known.
func (o *opener) none() error {
	for _, name := range []string{"tokenizer.model", "spiece.model", "sentencepiece.bpe.model"} {
		if data, err := o.file(name); err == nil && data != nil {
			return fmt.Errorf("%s alone, which is SentencePiece's own file: AutoTokenizer.from_pretrained(%q).save_pretrained(%q) writes tokenizer.json", name, o.dir, o.dir)
		}
	}
	return errors.New("no tokenizer.json, nor vocab.json and merges.txt, nor vocab.txt")
}

// texts are the ids of the added tokens.
func (t *Tokenizer) texts() map[string]int32 {
	out := map[string]int32{}
	for _, a := range slices.Concat(t.raw, t.later) {
		out[a.text] = a.id
	}
	return out
}

// roles reads which tokens are bos, eos, pad, mask and unk.
func (o *opener) roles(t *Tokenizer) error {
	texts := t.texts()
	for _, name := range []string{"special_tokens_map.json", "tokenizer_config.json"} {
		data, err := o.file(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var fields map[string]json.RawMessage
		if err == nil {
			err = json.Unmarshal(data, &fields)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, role := range []string{"bos", "eos", "pad", "mask", "unk"} {
			if id, known := texts[tokenText(fields[role+"_token"])]; known {
				t.named[role] = id
			}
		}
	}
	for role, usual := range map[string][]string{"bos": {"<s>", "[CLS]"}, "eos": {"</s>", "<|endoftext|>", "[SEP]"}, "pad": {"<pad>", "[PAD]"}, "mask": {"<mask>", "[MASK]"}, "unk": {"<unk>", "[UNK]"}} {
		for _, text := range usual {
			id, known := texts[text]
			if _, said := t.named[role]; known && !said {
				t.named[role] = id
			}
		}
	}
	return nil
}

// bytesOf is what a token of a byte-level vocabulary stands for: each byte is one character, those that can be printed themselves, the
// others from U+0100 on, in their order (GPT-2's bytes_to_unicode).
func bytesOf(text string) (string, bool) {
	out := make([]byte, 0, len(text))
	for _, r := range text {
		b, ok := byteOf[r]
		if !ok {
			return "", false
		}
		out = append(out, b)
	}
	return string(out), len(out) > 0
}

var byteOf = func() map[rune]byte {
	out := make(map[rune]byte, 256)
	other := rune(0x100)
	for b := range 256 {
		if '!' <= b && b <= '~' || 0xa1 <= b && b <= 0xac || 0xae <= b {
			out[rune(b)] = byte(b)
		} else {
			out[other] = byte(b)
			other++
		}
	}
	return out
}()
