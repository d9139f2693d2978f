package dataset_test

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/dataset"
)

// A split of one's own arrays, and the half of it on which k may be chosen.
func ExampleNewTensors() {
	pixels := dataset.Array{Field: dataset.Field{Name: dataset.Inputs, DType: "U8", Shape: []int64{2}}, Data: []byte{0, 1, 10, 11, 20, 21, 30, 31}}
	labels := dataset.Array{Field: dataset.Field{Name: dataset.Targets, DType: "U8", Classes: 2}, Data: []byte{0, 1, 0, 1}}
	val, err := dataset.NewTensors("val", 4, pixels, labels)
	if err != nil {
		fmt.Println(err)
		return
	}
	first, _ := dataset.Halves(val)
	var b dataset.Batch
	if err := first.Read(&b, []int{0, 1}, nil); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(first.Name(), first.Len(), b.Array(dataset.Targets).Data)
	// Output: val-half1 2 [1 0]
}
