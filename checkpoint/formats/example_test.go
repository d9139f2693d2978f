package formats_test

import (
	"fmt"
	"log"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
)

// A checkpoint of Lightning's is opened, and its tensors are listed. Its weights are not read.
func ExampleOpen() {
	c, err := formats.Open("../../testdata/foreign/epoch=4-step=500.ckpt", checkpoint.Options{Strip: []string{"model."}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	about := c.About()
	fmt.Printf("%s, under %s, epoch %g\n", about.Format, about.Key, *about.Info.Epoch)
	for _, t := range c.Tensors() {
		fmt.Println(t.Name, t)
	}
	// Output:
	// PyTorch zip, under state_dict, epoch 4
	// bn1.num_batches_tracked I64[]
	// conv1.weight F32[2 1 3 3]
	// bn1.weight F32[2]
	// bn1.bias F32[2]
	// bn1.running_mean F32[2]
	// bn1.running_var F32[2]
	// fc.weight F32[3 2]
	// fc.bias F32[3]
}

// Every format says what it is.
func ExampleKinds() {
	for _, k := range formats.Kinds() {
		fmt.Printf("%s (%s)\n", k.Name, k.Examples[0])
	}
	// Output:
	// sharded (model.safetensors.index.json)
	// torch.distributed.checkpoint (.metadata)
	// safetensors (model.safetensors)
	// PyTorch zip (model.pt)
	// PyTorch legacy (model.pth)
	// Python pickle (state.pkl)
}
