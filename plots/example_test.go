package plots_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/lawa-replay/lawa-replay/plots"
	"github.com/lawa-replay/lawa-replay/results"
)

// A figure is drawn from a table, wherever its rows come from; its numbers lie beside it.
func Example() {
	row := results.Row{Run: "run", Folder: "run", Policy: "copy", Split: "val", Metric: "top1", N: 10000}
	table := &results.Table{}
	for epoch := range 10 {
		row.Epoch, row.Scheme, row.K, row.Value = float64(epoch+1), "last", 1, 90+float64(epoch)/2
		table.Rows = append(table.Rows, row)
		if epoch >= 5 {
			row.Scheme, row.K, row.Value = "lawa:k=6", 6, 93+float64(epoch)/4
			table.Rows = append(table.Rows, row)
		}
	}
	drawing, err := plots.New("speedup", table, plots.Options{})
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "plots")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := drawing.Save(filepath.Join(dir, "speedup.pdf")); err != nil {
		log.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range files {
		fmt.Println(f.Name())
	}
	fmt.Println(drawing.Notes[0])
	// Output:
	// speedup.csv
	// speedup.pdf
	// lawa:k=6 at epoch 6 is as good as the baseline first is at epoch 10: 4 epochs sooner
}
