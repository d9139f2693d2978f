package analysis_test

import (
	"fmt"
	"log"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/results"
)

// How many epochs earlier does an average have the accuracy that the run comes to?
func Example() {
	table := &results.Table{}
	for scheme, accuracies := range map[string][]float64{"last": {90, 94, 95, 96, 97}, "lawa:k=2": {0, 95, 97, 97, 97}} {
		for i, v := range accuracies {
			if v > 0 {
				table.Rows = append(table.Rows, results.Row{Run: "run", Folder: "run", Scheme: scheme, Epoch: float64(i + 1),
					Policy: "copy", Split: "val", Metric: "top1", Value: v, N: 10000})
			}
		}
	}
	s, err := analysis.Select(table, analysis.Choice{}, "top1")
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range s.Panels[0].Curves {
		saving, found, _ := analysis.Saved(s.Panels[0].Baseline, c, s.Metric)
		fmt.Println(c.Scheme, found, saving.Sooner())
	}
	// Output:
	// lawa:k=2 true 2 epochs sooner
}
