package results_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/lawa-replay/lawa-replay/results"
)

// A table is written as Parquet, and read back as it was.
func Example() {
	dir, err := os.MkdirTemp("", "results")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	row := results.Row{Run: "run", Folder: "run", Scheme: "lawa:k=6", K: 6, Epoch: 20, Policy: "copy", Split: "val", Metric: "top1", Value: 98.5, N: 10000, Key: "6f…"}
	path := filepath.Join(dir, results.File)
	if err := results.Write(path, &results.Table{Rows: []results.Row{row}, Provenance: "{}"}); err != nil {
		log.Fatal(err)
	}
	table, err := results.Read(path)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range table.Rows {
		fmt.Println(r.Run, r.Scheme, r.Epoch, r.Metric, r.Value)
	}
	fmt.Println("the seed is known:", table.Rows[0].Seed != nil)
	// Output:
	// run lawa:k=6 20 top1 98.5
	// the seed is known: false
}
