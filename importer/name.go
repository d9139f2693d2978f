package importer

import (
	"math"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// counts is what a number in a name counts, as far as the name alone says.
type counts int

const (
	something counts = iota // the name does not say
	epochs
	steps
	amount  // tokens, samples: a clock that is neither
	part    // 2 of 90
	date    // seconds since 1970
	setting // a seed, a fold: of which run, never when
	other   // a score, a width: never when
)

// field is a number in a name.
type field struct {
	text   string // as it stands there
	value  float64
	counts counts
	whole  bool // not a fraction
	padded bool // with zeros in front
	total  int  // of a part
}

// parsed is a name with its numbers taken out. Names of one stem differ in their numbers alone.
type parsed struct {
	stem   string // \x00 stands for each number
	fields []field
	ending string // what was cut off, such as .pth.tar
}

// The words that say what a number counts: before it, as in epoch_3, or behind it, as in 3rd_epoch.
var (
	epochWords  = []string{"epoch", "epochs", "ep"}
	stepWords   = []string{"step", "steps", "iter", "iters", "iteration", "iterations", "it", "update", "updates", "globalstep", "ba"}
	amountWords = []string{"tokens", "tok", "samples", "examples", "images", "imgs", "kimg", "mimg", "frames"}
	// Words of numbers that tell runs apart, or the ranks of one.
	settingWords = []string{"seed", "fold", "trial", "rank"}
	// Words of numbers that never say when: scores, settings that may change in a run, versions.
	otherWords = []string{"acc", "accuracy", "top", "loss", "val", "valid", "train", "test", "eval", "dev", "wer", "cer", "per", "bleu", "chrf", "rouge", "f", "f1",
		"map", "ap", "auc", "iou", "miou", "dice", "psnr", "ssim", "fid", "ppl", "perplexity", "score", "metric", "err", "error", "mse", "mae", "rmse", "nll", "bpc",
		"reward", "return", "recall", "precision", "lr", "wd", "bs", "batch", "batchsize", "split", "run", "exp", "gpu", "gpus",
		"version", "v", "ver", "size", "dim", "width", "depth", "layers", "heads", "hidden", "patch", "res", "img", "k", "n", "alpha", "beta", "gamma", "temp", "dropout",
		"resnet", "resnext", "vgg", "densenet", "wrn", "vit", "swin", "efficientnet", "cifar", "imagenet", "gpt", "bert", "llama", "yolo", "yolov"}
)

var (
	digest    = regexp.MustCompile(`^[0-9a-f]{6,64}`)
	dateTime  = regexp.MustCompile(`(?:19|20)\d\d([-_.]?)(?:0[1-9]|1[0-2])([-_.]?)(?:0[1-9]|[12]\d|3[01])(?:[T+_. -]{1,2}(?:[01]\d|2[0-3])[-_:.h]?[0-5]\d(?:[-_:.m]?[0-5]\d)?)?`)
	digitsOf  = regexp.MustCompile(`^\d+(?:\.\d+)?`)
	thousands = regexp.MustCompile(`^[1-9]\d{0,2}(?:,\d{3})+`)
	exponent  = regexp.MustCompile(`^[eE](?:[-+]\d{1,2}|\d)`)
	dayFirst  = regexp.MustCompile(`^[0-3]\d[-_.][0-3]\d[-_.](?:19|20)\d\d`) // or the month: nobody knows
	scoreAt   = regexp.MustCompile(`(?i)(?:^|[^a-z])(?:top|acc|accuracy|f|prec|precision|recall|m?ap|ndcg|hits?|mrr|iou|rouge|bleu)[@]?\d+[-_=.: ]+$`)
	notFinite = regexp.MustCompile(`^(?i:nan|inf)\b`)
	ofParts   = regexp.MustCompile(`^([-_]of[-_])(\d+)`)
	behind    = regexp.MustCompile(`^(?:st|nd|rd|th)?[-_. ]?([A-Za-z]+)`)
	before    = regexp.MustCompile(`([A-Za-z]+)([-_=.: +]*)$`)
	camelLast = regexp.MustCompile(`[A-Z][a-z]+$`)
	fairseq2  = regexp.MustCompile(`^checkpoint_\d+_\d+\.pt$`)
	fairseq1  = regexp.MustCompile(`^checkpoint\d+\.pt$`)
	hfStep    = regexp.MustCompile(`(?:^|/)checkpoint-$`)
)

// magnitudes are what letters behind a number multiply it by. 5m may be five minutes: it is a million only behind a word.
var magnitudes = map[byte]float64{'k': 1e3, 'K': 1e3, 'M': 1e6, 'm': 1e6, 'B': 1e9, 'G': 1e9}

// parseName takes the numbers out of a name: of a file, or of a folder and the file in it.
func parseName(name string, folder bool) parsed {
	var p parsed
	rest := name
	if !folder {
		for e := path.Ext(rest); e != "" && isFile(path.Base(rest)) && len(path.Base(rest)) > len(e); e = path.Ext(rest) {
			rest, p.ending = strings.TrimSuffix(rest, e), e+p.ending
		}
	}
	var stem strings.Builder
	for at := 0; at < len(rest); {
		if f, n := fieldAt(rest, at, folder || strings.Contains(rest[at:], "/")); n > 0 {
			stem.WriteByte(0)
			p.fields = append(p.fields, f)
			if f.counts == part {
				stem.WriteString(ofParts.FindString(rest[at+len(f.text):]))
			}
			at += n
			continue
		}
		stem.WriteByte(rest[at])
		at++
	}
	p.stem = stem.String()
	base := path.Base(name)
	for i := range p.fields { // fairseq
		switch {
		case fairseq2.MatchString(base) && len(p.fields) == 2:
			p.fields[i].counts = []counts{epochs, steps}[i]
		case fairseq1.MatchString(base) && len(p.fields) == 1:
			p.fields[i].counts = epochs
		}
	}
	return p
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// fieldAt reads the number that begins at s[at], and says how many bytes it takes; 0 where none begins. element says
// that s[at] stands in the name of a folder.
func fieldAt(s string, at int, element bool) (field, int) {
	if text := digestOf(s, at); text != "" {
		return field{text: text, value: math.NaN(), counts: other}, len(text)
	}
	if text := notFinite.FindString(s[at:]); text != "" && at > 0 && (s[at-1] == '=' || s[at-1] == '_') {
		return field{text: text, value: math.NaN(), counts: other}, len(text) // a score
	}
	if !digit(s[at]) {
		return field{}, 0
	}
	if at == 0 || !digit(s[at-1]) {
		if text := dateTime.FindString(s[at:]); text != "" && (at+len(text) == len(s) || !digit(s[at+len(text)])) {
			if v, ok := timeOf(text); ok {
				return field{text: text, value: v, counts: date, whole: true}, len(text)
			}
		}
	}
	if text := dayFirst.FindString(s[at:]); text != "" && (at == 0 || !digit(s[at-1])) {
		return field{text: text, value: math.NaN(), counts: other}, len(text)
	}
	text := digitsOf.FindString(s[at:])
	whole, _, fraction := strings.Cut(text, ".")
	if len(whole) > 1 && whole[0] == '0' && fraction { // 01.5: no decimal is written so
		text, fraction = whole, false
	}
	f := field{text: text, padded: len(whole) > 1 && whole[0] == '0'}
	word, _, _ := wordBefore(s[:at])
	scaled := false
	clock := slices.Contains(stepWords, word) || slices.Contains(amountWords, word)
	if grouped := thousands.FindString(s[at:]); clock && len(grouped) > len(text) && !strings.HasPrefix(s[at+len(grouped):], ",") {
		f.text = grouped
	} else if e := exponent.FindString(s[at+len(text):]); e != "" && (clock || !digit(e[1])) && !letterOrDigit(s, at+len(text)+len(e)) {
		f.text, f.padded, fraction, scaled = text+e, false, true, clock
	}
	var err error
	if f.value, err = strconv.ParseFloat(strings.ReplaceAll(f.text, ",", ""), 64); err != nil {
		return field{}, 0
	}
	n := len(f.text)
	after := s[at+n:]
	if after != "" {
		if m, ok := magnitudes[after[0]]; ok && (clock || after[0] != 'm') && !letterOrDigit(s, at+n+1) {
			f.value *= m
			scaled = true
			f.text += after[:1]
			n++
			after = after[1:]
		}
	}
	f.whole = f.value <= 1<<53 && f.value == math.Trunc(f.value) && (!fraction || scaled)
	f.counts = f.meaning(s[:at], after, element)
	if f.counts == part {
		m := ofParts.FindStringSubmatch(after)
		f.total, _ = strconv.Atoi(m[2])
		n += len(m[0])
	}
	return f, n
}

// meaning is what a number counts by the text around it.
func (f field) meaning(front, back string, element bool) counts {
	word, joint, lone := wordBefore(front)
	switch {
	case lone && (slices.Contains(epochWords, word) || strings.HasSuffix(word, "epoch") || word == "e" && joint == ""):
		return epochs
	case lone && slices.Contains(stepWords, word):
		return steps
	case f.whole && ofParts.MatchString(back):
		return part
	case f.whole && joint != "=" && f.isTime():
		return date
	case element && hfStep.MatchString(front) && (back == "" || back[0] == '/'):
		return steps
	}
	// A word behind the number, unless it belongs to a number of its own: model_5_step_100.
	if m := behind.FindStringSubmatch(back); m != nil {
		after := strings.TrimLeft(back[len(m[0]):], "-_=.: ")
		if w := strings.ToLower(m[1]); after == "" || !digit(after[0]) {
			switch {
			case slices.Contains(epochWords, w):
				return epochs
			case slices.Contains(stepWords, w):
				return steps
			case slices.Contains(amountWords, w):
				return amount
			}
		}
	}
	switch {
	case slices.Contains(amountWords, word):
		return amount
	case slices.Contains(settingWords, word):
		return setting
	case slices.Contains(otherWords, word), strings.HasSuffix(joint, "="), scoreAt.MatchString(front), strings.HasPrefix(back, "%"):
		return other
	case !f.whole:
		return other
	case back != "" && letter(back[0]): // part of a word, such as a digest
		return other
	}
	return something
}

// wordBefore is the word that a number stands behind, in lower case, and what joins them. lone says that it is a word of
// its own: a short one between digits may be part of a digest.
func wordBefore(front string) (word, joint string, lone bool) {
	m := before.FindStringSubmatch(front)
	if m == nil {
		return "", "", false
	}
	at := len(front) - len(m[0])
	word = strings.ToLower(m[1])
	if last := strings.ToLower(camelLast.FindString(m[1])); slices.Contains(epochWords, last) || slices.Contains(stepWords, last) {
		word = last // netEpoch
	}
	return word, m[2], at == 0 || len(word) > 3 || !digit(front[at-1])
}

func letterOrDigit(s string, at int) bool { return at < len(s) && (letter(s[at]) || digit(s[at])) }

// isTime says whether a number is of the seconds, or milliseconds, since 1970, between 2008 and 2040.
func (f field) isTime() bool {
	const first, last = 1.2e9, 2.2e9
	return len(f.text) == 10 && f.value > first && f.value < last || len(f.text) == 13 && f.value > first*1000 && f.value < last*1000
}

// digestOf is the run of hexadecimal digits that begins at s[at], if it stands alone and letters and digits take turns in
// it: ba1000 is a word and its number.
func digestOf(s string, at int) string {
	text := digest.FindString(s[at:])
	alone := func(i int) bool { return i < 0 || i >= len(s) || !letter(s[i]) && !digit(s[i]) }
	if text == "" || !alone(at-1) || !alone(at+len(text)) {
		return ""
	}
	turns := 0
	for i := 1; i < len(text); i++ {
		if digit(text[i]) != digit(text[i-1]) {
			turns++
		}
	}
	if turns < 2 {
		return ""
	}
	return text
}

// timeOf reads a date, with the time of day or without, and gives it in seconds.
func timeOf(text string) (float64, bool) {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, text)
	layout := "20060102150405"
	if len(digits) > len(layout) || len(digits) < 8 {
		return 0, false
	}
	t, err := time.Parse(layout[:len(digits)], digits)
	return float64(t.Unix()), err == nil
}

// endings are those of files that may be checkpoints.
var endings = []string{".pt", ".pth", ".th", ".tar", ".ckpt", ".bin", ".safetensors", ".pkl", ".distcp"}

func isFile(name string) bool {
	return slices.Contains(endings, strings.ToLower(filepath.Ext(name))) && !strings.HasPrefix(name, ".")
}

// words are the letters of a name, in runs.
func words(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return (r < 'a' || r > 'z') && r < 0x80 })
}
