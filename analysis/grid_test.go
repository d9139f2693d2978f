package analysis

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/results"
)

// Recipes are named by their optimizers where these differ, and by what else differs, be it within Lookahead.
func TestNamesOfOptimizers(t *testing.T) {
	const (
		sgd       = `{"lr":0.1,"momentum":0.9,"nesterov":false,"weight_decay":0.0005}`
		slow      = `{"lr":0.05,"momentum":0.9,"nesterov":false,"weight_decay":0.0005}`
		bare      = `{"lr":0.1,"momentum":0.5,"nesterov":false,"weight_decay":0.0005}`
		lookahead = `{"lr":0.1,"optimizer":"lookahead:k=5,alpha=0.8,optimizer=sgd,momentum=0.9,weight-decay=5e-04"}`
		half      = `{"lr":0.1,"optimizer":"lookahead:k=5,alpha=0.5,optimizer=sgd,momentum=0.9,weight-decay=0.0005"}`
		light     = `{"lr":0.1,"optimizer":"lookahead:k=5,alpha=0.8,optimizer=sgd,momentum=0.9"}`
		adamw     = `{"lr":0.1,"optimizer":"adamw:weight-decay=0.01"}`
		around    = `{"lr":0.1,"optimizer":"lookahead:k=5,alpha=0.8,optimizer=adamw,weight-decay=0.01"}`
		spelt     = `{"lr":0.1,"optimizer":"sgd:momentum=0.9,weight-decay=0.0005"}`
	)
	for _, c := range []struct{ configs, names []string }{
		{[]string{sgd, lookahead}, []string{"SGD", "Lookahead"}},
		{[]string{sgd, slow, lookahead}, []string{"SGD, lr 0.1", "SGD, lr 0.05", "Lookahead, lr 0.1"}},
		{[]string{sgd, bare, lookahead}, []string{"SGD, momentum 0.9", "SGD, momentum 0.5", "Lookahead, momentum 0.9"}},
		{[]string{lookahead, half}, []string{"lookahead alpha 0.8", "lookahead alpha 0.5"}},
		{[]string{sgd, light}, []string{"SGD, weight decay 0.0005", "Lookahead, weight decay 0"}},
		{[]string{adamw, around}, []string{"AdamW", "Lookahead (AdamW)"}},
		{[]string{sgd, spelt}, []string{"optimizer –, momentum 0.9, nesterov false, weight decay 0.0005", "sgd:momentum=0.9,weight-decay=0.0005, momentum –, nesterov –, weight decay –"}},
	} {
		if got := differing(c.configs); !slices.Equal(got, c.names) {
			t.Errorf("%q, expected %q", got, c.names)
		}
	}
}

// What a schedule does is told from the checkpoints' rates: a rise from the beginning, a fall to the end.
func TestPhasesOfTheLearningRate(t *testing.T) {
	for want, rates := range map[string][]float64{
		"": {0.1, 0.1, 0.1},
		"warm-up to epoch 3, decay from epoch 3 to 5":  {0.1, 0.2, 0.3, 0.2, 0},
		"decay from epoch 1 to 3":                      {0.3, 0.2, 0.1},
		"decay from epoch 2 to 4":                      {0.1, 0.1, 0.01, 0.001, 0.001},
		"decay from epoch 2 to 3":                      {0.1, 0.1 * (1 + 1e-12), 0.01}, // rounding is no rise
		"warm-up to epoch 2":                           {0.1, 0.2, 0.2},
		"warm-up to epoch 2 ":                          {0.1, 0.2, 0.1, 0.2, 0.1}, // cycles
		"warm-up to epoch 4, decay from epoch 5 to 6 ": {0, 0.1, 0.2, 0.3, 0.3, 0.1},
	} {
		c := curve(rates...)
		for i := range c.Points {
			c.Points[i].LR = rates[i]
		}
		r, err := RatesOf(c)
		if err != nil || r.Phases() != strings.TrimSpace(want) {
			t.Errorf("%v: %q, expected %q; %v", rates, r.Phases(), want, err)
		}
	}
	c := curve(1, 2)
	c.Points[0].LR, c.Points[1].LR, c.Group.Runs[0].Name = 0.1, math.NaN(), "imported"
	if _, err := RatesOf(c); err == nil || !strings.Contains(err.Error(), "every checkpoint of imported") {
		t.Errorf("a rate that is not known: %v", err)
	}
}

// A grid has the metrics and splits that there are, the one that was trained on first; and names the others.
func TestSelectGrid(t *testing.T) {
	table := &results.Table{}
	for _, split := range []string{"test", "val", "val-half1", "train-100", "train", "new"} {
		for _, m := range []string{"top1", "perplexity", "loss"} {
			on := func(r *results.Row) { r.Split, r.Metric = split, m }
			table.Rows = append(table.Rows, row("a", 1, 1, on), row("a", 2, 1, on), row("a", 2, 2, lawa, on))
		}
	}
	g, err := SelectGrid(table, Choice{}, []string{"loss", "top1", "top5"})
	if err != nil || !slices.Equal(g.Metrics, []string{"loss", "top1"}) || !slices.Equal(g.Splits, []string{"train-100", "val", "test"}) {
		t.Fatalf("%v on %v, %v", g.Metrics, g.Splits, err)
	}
	if notes := fmt.Sprint(g.Notes); !strings.Contains(notes, "not in these results, and left out: top-5") || !strings.Contains(notes, "splits left out: val-half1, train, new") {
		t.Errorf("notes %s", notes)
	}
	if err := g.ChooseMean(6); err != nil || len(g.Cells[1][2].Panels[0].Curves) != 1 {
		t.Errorf("%+v, %v", g.Cells[1][2], err)
	}
	if g, err = SelectGrid(table, Choice{Metric: "perplexity", Split: "new"}, []string{"loss"}); err != nil || len(g.All()) != 1 || g.Cells[0][0].Metric.Label != "perplexity" {
		t.Errorf("%+v, %v", g, err)
	}
	for name, o := range map[string]Choice{"metric": {Metric: "top2"}, "split": {Split: "vla"}, "scheme": {Schemes: []string{"lawa:k=7"}}, "run": {Runs: []string{"b"}}, "epochs": {From: 7}} {
		if _, err := SelectGrid(table, o, []string{"loss"}); err == nil {
			t.Errorf("an unknown %s", name)
		}
	}
}
