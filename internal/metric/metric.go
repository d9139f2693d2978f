// Package metric knows how the metrics of this field are read: which way is better, and what an axis says.
//
// It believes that a metric's name says this, so that no one has to: accuracies rise, losses fall.
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
}

// rising are the words in the names of metrics of which more is better.
var rising = []string{"top1", "top5", "acc", "acc1", "acc5", "accuracy", "f1", "auc", "auroc", "ap", "map", "iou", "miou", "bleu", "rouge", "precision", "recall", "r2", "em"}

// Of knows a metric by its name, which may stand behind a split's (val/top1). A name with a word such as
// accuracy, f1 or bleu in it rises; all others are taken for losses.
func Of(name string) Metric {
	name = name[strings.LastIndex(name, "/")+1:]
	switch name {
	case "top1":
		return Metric{name, true, "top-1 accuracy", "%"}
	case "top5":
		return Metric{name, true, "top-5 accuracy", "%"}
	case "mse":
		return Metric{name, false, "mean squared error", ""}
	case "mae":
		return Metric{name, false, "mean absolute error", ""}
	case "loss":
		return Metric{name, false, "cross-entropy", "nats"}
	}
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '_' || r == '-' || r == ' ' || r == '.' || r == '@' })
	up := slices.ContainsFunc(words, func(w string) bool { return slices.Contains(rising, w) })
	return Metric{name, up, name, ""}
}

// Heading names the metric in a table: top-1 (%), loss, perplexity.
func (m Metric) Heading() string {
	switch m.Name {
	case "top1":
		return "top-1 (%)"
	case "top5":
		return "top-5 (%)"
	}
	return m.Name
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

// Better says whether a is better than b.
func (m Metric) Better(a, b float64) bool {
	if m.HigherBetter {
		return a > b
	}
	return a < b
}
