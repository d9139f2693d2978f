package model_test

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/model"
)

// A network of one's own is a tree of layers.
func ExampleNewTree() {
	net := model.NewTree("digits", model.Sequential{
		{Layer: model.ConvNormAct{Conv: model.Conv{In: 1, Out: 8, Kernel: 3, Stride: 2, Padding: 1}, ConvName: "conv1", NormName: "bn1", ReLU: true}},
		{Layer: model.GlobalAvgPool{}},
		{Name: "fc", Layer: model.Linear{In: 8, Out: 10}},
	}, dataset.Field{Name: dataset.Inputs, DType: checkpoint.F32, Shape: []int64{1, -1, -1}})
	for _, e := range net.Layout().Entries {
		fmt.Println(e.Name, e.Shape)
	}
	fmt.Println(net.Layout().Parameters(), "parameters")
	// Output:
	// conv1.weight [8 1 3 3]
	// bn1.weight [8]
	// bn1.bias [8]
	// bn1.running_mean [8]
	// bn1.running_var [8]
	// bn1.num_batches_tracked []
	// fc.weight [10 8]
	// fc.bias [10]
	// 178 parameters
}
