package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/edsrzf/mmap-go"

	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/internal/spec"
	"github.com/lawa-replay/lawa-replay/tokenizer"
)

const textName, tokensName = "text", "tokens"

// idsColumn is what HuggingFace calls the column of ids.
const idsColumn = "input_ids"

// IsText says whether text names texts, or ids made of them, rather than another data set: what a network's folder and its context
// say may be left unsaid of them.
func IsText(text string) bool {
	return strings.HasPrefix(text, textName+":") || strings.HasPrefix(text, tokensName+":")
}

// packOptions are those of examples made of tokens.
var packOptions = []spec.Option{
	{Name: "train", About: "file or pattern to train on"},
	{Name: "length", About: "tokens of an example; the network's context, at most 1024"},
	{Name: "mask", About: "share of the tokens that are asked for, as in RoBERTa: 80 % masked, 10 % others, 10 % as they are; 0: the next token is. 0.15 of a masked language model"},
	{Name: "mask-seed", Default: "0", About: "of what is masked in evaluation, the same for every network; in training it is drawn anew each time"},
}

var text = spec.Kind[Source]{
	Name: textName, About: "texts in plain files, JSON lines or Parquet (or patterns of such names in quotes), with the tokenizer of a HuggingFace folder; tokenized once",
	Examples: []string{"text:val.txt", "text:val.txt,tokenizer=models/gpt2,train=train.txt,length=512", "text:val.parquet,column=body,pack=none,mask=0.15"},
	Options: slices.Concat([]spec.Option{
		{Name: "tokenizer", About: "folder with tokenizer.json, or vocab.json and merges.txt, or vocab.txt, or " + tokenizer.Small + ", which comes with the program; the newest checkpoint's"},
		{Name: "unit", Default: "line", About: "what one text is in a plain file: a line, a paragraph between empty lines, or the file"},
		{Name: "column", Default: "text", About: "of JSON lines and Parquet"},
		{Name: "pack", Default: "joined", About: "joined: all texts behind each other in blocks, as HuggingFace's group_texts; stream: likewise, with the end-of-text token behind each (fairseq's none); complete: whole texts until a block is full, padded (fairseq's complete); documents: likewise, never across an empty line (complete_doc); none: one text an example, padded"},
		{Name: "special", Default: "true", About: "whether pack=joined has the tokenizer's own tokens around each text"},
		{Name: "whole-word", Default: "false", About: "whether the tokens of a word are masked together"},
	}, packOptions),
	Parse: func(s *spec.Spec) Source {
		p := textSpec{val: s.Word("the file", "text:val.txt"), tokenizer: s.Text("tokenizer", ""), unit: s.Choice("unit", "line", "line", "paragraph", "file"), column: s.Text("column", "text")}
		p.parse(s)
		p.how.pack, p.how.special = s.Choice("pack", packs[0], packs...), s.Bool("special", true)
		p.how.words = s.Bool("whole-word", false)
		p.how.padding, p.how.maskToken = -1, -1
		return Source{Spec: p.text(), open: p.open}
	},
}

var tokenIDs = spec.Kind[Source]{
	Name: tokensName, About: "token ids that were made before: what tokenize writes, .npy of whole numbers, .bin of uint16 or uint32 as nanoGPT and Megatron write it, or lists of them in Parquet or JSON lines",
	Examples: []string{"tokens:val.tokens,length=512", "tokens:val.bin,dtype=uint16,train=train.bin,length=1024", "tokens:val.npy,vocab=50265,mask-token=50264,length=128,mask=0.15"},
	Options: slices.Concat([]spec.Option{
		{Name: "dtype", About: "of .bin: uint16 or uint32"},
		{Name: "column", Default: "input_ids", About: "of Parquet and JSON lines, whose rows are texts"},
		{Name: "vocab", About: "how many ids there are, of files that do not say it; one beyond is an error"},
		{Name: "mask-token", About: "the id that masks, of files that do not say it"},
		{Name: "pad-token", About: "the id that pads, of files that do not say it"},
		{Name: "special-tokens", About: "ids that stand for no text and are never asked for, as in 101/102, of files that do not say it"},
		{Name: "pack", Default: "joined", About: "as of text; files that hold no texts are one"},
		{Name: "special", Default: "true", About: "as of text"},
		{Name: "whole-word", Default: "false", About: "as of text"},
	}, packOptions),
	Parse: func(s *spec.Spec) Source {
		p := textSpec{made: true, val: s.Word("the file", "tokens:val.tokens"), dtype: s.Text("dtype", ""), vocab: s.Int("vocab", 0, 1), column: s.Text("column", idsColumn)}
		if p.dtype != "" && p.dtype != "uint16" && p.dtype != "uint32" {
			s.Fail("dtype=%s: uint16 or uint32 is wanted", p.dtype)
		}
		p.parse(s)
		p.how.pack, p.how.special = s.Choice("pack", packs[0], packs...), s.Bool("special", true)
		p.how.words = s.Bool("whole-word", false)
		p.how.padding, p.how.maskToken = int64(s.Int("pad-token", -1, 0)), int64(s.Int("mask-token", -1, 0))
		for _, word := range strings.FieldsFunc(s.Text("special-tokens", ""), func(r rune) bool { return r == '/' }) {
			id, err := strconv.ParseInt(word, 10, 32)
			if err != nil || id < 0 {
				s.Fail("special-tokens: %q is no id; ids with / between them are wanted, as in 101/102", word)
			}
			p.special = append(p.special, int32(id))
		}
		return Source{Spec: p.text(), open: p.open}
	},
}

// textSpec is what the text of either says.
type textSpec struct {
	made            bool // ids
	val, train      string
	tokenizer, unit string  // of texts
	column          string  // of tables
	dtype           string  // of ids
	vocab           int     // of ids
	special         []int32 // ids
	masked          bool    // whether mask was said
	how             packing
}

func (p *textSpec) parse(s *spec.Spec) {
	p.train = s.Text("train", "")
	p.how.length = s.Int("length", 0, 2)
	p.masked = s.Has("mask")
	p.how.mask = s.Float("mask", 0, 0, 1)
	p.how.maskSeed = uint64(s.Int("mask-seed", 0, 0))
}

// text is the canonical text.
func (p textSpec) text() string {
	out := textName
	if p.made {
		out = tokensName
	}
	out += ":" + p.val
	add := func(key string, value any, said bool) {
		if said {
			out += fmt.Sprintf(",%s=%v", key, value)
		}
	}
	add("tokenizer", p.tokenizer, p.tokenizer != "")
	add("unit", p.unit, p.unit != "" && p.unit != "line")
	add("column", p.column, p.column != map[bool]string{true: idsColumn, false: "text"}[p.made])
	add("dtype", p.dtype, p.dtype != "")
	add("vocab", p.vocab, p.vocab > 0)
	add("mask-token", p.how.maskToken, p.how.maskToken >= 0)
	add("pad-token", p.how.padding, p.made && p.how.padding >= 0)
	var special []string
	for _, id := range p.special {
		special = append(special, fmt.Sprint(id))
	}
	add("special-tokens", strings.Join(special, "/"), len(special) > 0)
	add("pack", p.how.pack, p.how.pack != packs[0])
	add("special", p.how.special, !p.how.special)
	add("whole-word", p.how.words, p.how.words)
	add("train", p.train, p.train != "")
	add("length", p.how.length, p.how.length > 0)
	add("mask", p.how.mask, p.masked)
	add("mask-seed", p.how.maskSeed, p.how.maskSeed > 0)
	return out
}

// open makes examples of the files. What the text does not say the opening may.
func (p textSpec) open(o Opening) (*Set, error) {
	set := &Set{}
	if p.how.length == 0 {
		if p.how.length = o.Text.Length; p.how.length == 0 {
			return nil, errors.New("length=N, the tokens of an example, is missing")
		}
	}
	if !p.masked && o.Text.Masked {
		p.how.mask, p.masked = 0.15, true
	}
	if p.how.mask > 0 && o.Text.Vocabulary > 0 && !o.Text.Masked {
		return nil, fmt.Errorf("the network predicts the tokens that follow, and mask=%v masks some: mask=0 is its own", p.how.mask)
	}
	var t *tokenizer.Tokenizer
	if !p.made {
		if p.tokenizer == "" {
			if p.tokenizer = o.Text.Tokenizer; p.tokenizer == "" {
				return nil, errors.New("tokenizer=DIR is missing: a folder with tokenizer.json, or vocab.json and merges.txt, or vocab.txt")
			}
		}
		if p.tokenizer == o.Text.Tokenizer && o.Text.Doubt != "" {
			set.Notes = append(set.Notes, o.Text.Doubt)
		}
		var err error
		if t, err = tokenizer.Open(p.tokenizer); err != nil {
			return nil, hint.With(err, "data tokens:FILE", "takes ids that were made elsewhere")
		}
	}
	for _, split := range []struct {
		name, files string
		into        *Split
	}{{"train", p.train, &set.Train}, {"val", p.val, &set.Val}} {
		if split.files == "" {
			continue
		}
		s, err := p.ids(o, t, split.files, &set.Notes)
		if err != nil {
			return nil, err
		}
		made, err := newPacked(split.name, s, p.how)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", split.files, err)
		}
		set.Notes = append(set.Notes, made.notes...)
		*split.into = made
	}
	set.Spec = p.text()
	return set, nil
}

// ids finds those of one split.
func (p textSpec) ids(o Opening, t *tokenizer.Tokenizer, files string, notes *[]string) (*ids, error) {
	found, err := expand(o.Dir, files)
	if err != nil {
		return nil, err
	}
	if !p.made {
		s, err := tokenizedOnce(o, t, texts{found, p.unit, p.column, notes})
		if err == nil && s.Lengths == nil && p.how.mask == 0 {
			*notes = append(*notes, fmt.Sprintf("%s: the tokens of this tokenizer are not the text, byte by byte: there are no bits per byte", files))
		}
		return s, err
	}
	if len(found) > 1 {
		return nil, fmt.Errorf("%s: %d files have such a name; ids are read of one", files, len(found))
	}
	s, err := p.foreign(o, found[0], notes)
	if err != nil {
		return nil, err
	}
	if p.vocab > 0 {
		if s.Vocabulary > 0 && s.Vocabulary != p.vocab {
			return nil, fmt.Errorf("%s: of a vocabulary of %d, and vocab=%d", found[0], s.Vocabulary, p.vocab)
		}
		s.Vocabulary = p.vocab
	}
	if s.Vocabulary == 0 && o.Text.Vocabulary > 0 {
		s.Vocabulary = o.Text.Vocabulary
		if p.how.mask > 0 {
			*notes = append(*notes, fmt.Sprintf("%s: its vocabulary is taken for the network's %d, from which random tokens are drawn (vocab=N says another)", found[0], s.Vocabulary))
		}
	}
	s.Special = append(s.Special, p.special...)
	if p.how.mask > 0 && len(s.Special) == 0 {
		*notes = append(*notes, fmt.Sprintf("%s: which ids are special is not known, so that such as [CLS] and [SEP] are asked for too (special-tokens=101/102 leaves them out)", found[0]))
	}
	return s, s.check()
}

// foreign opens a file of ids.
func (p textSpec) foreign(o Opening, path string, notes *[]string) (*ids, error) {
	switch extension(path) {
	case ".parquet", ".jsonl", ".json", ".ndjson":
		return listedOnce(o, path, p.column, notes)
	case ".tokens":
		return openIDs(path)
	case ".npy":
		return idsOfNPY(path)
	case ".bin":
		if p.dtype == "" {
			return nil, fmt.Errorf("%s: dtype=uint16 or dtype=uint32 must be said: the file does not say it", path)
		}
		return idsOfBin(path, p.dtype)
	default:
		return nil, fmt.Errorf("%s: ids are read of .tokens, .npy, .bin, .parquet and .jsonl", path)
	}
}

// idsOfBin maps ids that follow one another.
func idsOfBin(path, dtype string) (*ids, error) {
	width := map[string]int{"uint16": 2, "uint32": 4}[dtype]
	f, size, err := input.Open(path, input.Any)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size == 0 || size%int64(width) != 0 {
		return nil, fmt.Errorf("%s: %d bytes are no ids of %s", path, size, dtype)
	}
	m, err := mmap.Map(f, mmap.RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	n := size / int64(width)
	return &ids{idsMeta: idsMeta{Texts: 1, Width: width}, path: path, data: m, n: n, ends: []int64{n}}, nil
}

// idsOfNPY reads an array of whole numbers of one dimension.
func idsOfNPY(path string) (*ids, error) {
	a, err := fromNPY(path)
	if err != nil {
		return nil, err
	}
	if len(a.shape) != 1 || a.shape[0] == 0 {
		return nil, fmt.Errorf("%s: of shape %v; ids are of one dimension", path, a.shape)
	}
	whole := Array{Field: Field{Name: "ids", DType: a.dtype, Shape: []int64{}}, Data: a.data}
	values, err := whole.Integers()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	data := make([]byte, 0, 4*len(values))
	for i, v := range values {
		if v < 0 || v >= 1<<32 {
			return nil, fmt.Errorf("%s: id %d at place %d", path, v, i+1)
		}
		data = binary.LittleEndian.AppendUint32(data, uint32(v))
	}
	n := int64(len(values))
	return &ids{idsMeta: idsMeta{Texts: 1, Width: 4}, path: path, data: data, n: n, ends: []int64{n}}, nil
}

// Tokenized is what Tokenize wrote.
type Tokenized struct {
	Texts         int
	Tokens, Bytes int64
	Digest        string // of the texts, how they were divided, and the tokenizer
	Notes         []string
}

// Tokenize writes the ids of the texts in files (or patterns) into the file path, as data sets called tokens read them. unit and
// column are as of the data set text.
func Tokenize(o Opening, files []string, folder, unit, column, path string) (Tokenized, error) {
	t, err := tokenizer.Open(folder)
	if err != nil {
		return Tokenized{}, err
	}
	var notes []string
	all := texts{unit: unit, column: column, notes: &notes}
	for _, f := range files {
		found, err := expand(o.Dir, f)
		if err != nil {
			return Tokenized{}, err
		}
		all.files = append(all.files, found...)
	}
	source, err := all.digest(t.Digest)
	if err != nil {
		return Tokenized{}, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return Tokenized{}, err
	}
	if err := tokenize(o, t, all, path, source); err != nil {
		return Tokenized{}, err
	}
	s, err := openIDs(path)
	if err != nil {
		return Tokenized{}, err
	}
	return Tokenized{s.Texts, s.n, s.Bytes, source, notes}, nil
}
