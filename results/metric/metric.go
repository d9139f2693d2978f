// Package metric knows how the metrics of this field are read: which way is better, and what an axis says.
//
// It believes that whoever evaluates should say this. Where nobody did, a metric's name does: accuracies rise, losses
// fall; and of a name that says neither it says that it does not know.
package metric

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Metric says how to read a metric.
type Metric struct {
	Name         string // as in the results, without the split: loss, top1, top5
	HigherBetter bool
	Label        string // for an axis, without the split
	Unit         string
	Guessed      bool // the name does not say which way is better: taken for a loss
}

// rising are the words in the names of metrics of which more is better.
var rising = []string{"top1", "top5", "acc", "acc1", "acc5", "accuracy", "f1", "auc", "auroc", "ap", "map", "iou", "miou", "bleu", "chrf", "comet", "meteor", "rouge", "rouge1", "rouge2", "rougel", "precision", "recall", "r2", "em",
	"psnr", "ssim", "dice", "mcc", "kappa", "pearson", "spearman", "reward", "return", "ndcg", "mrr", "hits", "winrate", "elo"}

// falling are the words in the names of metrics of which less is better.
var falling = []string{"loss", "perplexity", "ppl", "error", "err", "wer", "cer", "ter", "mse", "rmse", "mae", "mape", "nll", "bpc", "bpb", "bpd", "kl", "ece", "brier", "fid", "kid",
	"lpips", "nats", "bits", "entropy", "ce", "xent", "eer", "fpr", "fnr"}

// Of knows a metric by its name, which may stand behind a split's (val/top1). A name with a word such as
// accuracy, f1 or bleu in it rises, one with a word such as loss, error or perplexity falls; all others are taken
// for losses, and are Guessed.
func Of(name string) Metric {
	name = name[strings.LastIndex(name, "/")+1:]
	for _, m := range known {
		if m.Name == name {
			return m
		}
	}
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '_' || r == '-' || r == ' ' || r == '.' || r == '@' })
	has := func(list []string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(list, w) })
	}
	up, down := has(rising), has(falling)
	// precision_error is an error of a precision, accuracy_loss a loss of accuracy.
	return Metric{Name: name, HigherBetter: up && !down, Label: name, Guessed: !up && !down}
}

// Heading names the metric in a table: top-1 (%), loss, perplexity.
func (m Metric) Heading() string {
	name := m.Name
	switch m.Name {
	case Top1.Name:
		name = "top-1"
	case Top5.Name:
		name = "top-5"
	}
	if m.Unit == "%" {
		name += " (%)"
	}
	return name
}

// Text writes a value with the digits that the metric is read by.
func (m Metric) Text(v float64) string {
	switch {
	case m.Unit == "%":
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v != 0 && (math.Abs(v) < 0.001 || math.Abs(v) >= 1e5):
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return strconv.FormatFloat(v, 'f', 4, 64)
}

// Signed writes a difference: Text, with a plus before what is above 0.
func (m Metric) Signed(v float64) string {
	if v > 0 {
		return "+" + m.Text(v)
	}
	return m.Text(v)
}

// Better says whether a is better than b.
func (m Metric) Better(a, b float64) bool {
	if m.HigherBetter {
		return a > b
	}
	return a < b
}
