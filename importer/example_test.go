package importer_test

import (
	"fmt"
	"log"

	"github.com/lawa-replay/lawa-replay/importer"
)

// What a folder of HuggingFace's Trainer holds: each checkpoint with its epoch and step, and where they come from.
// Nothing is written yet; Link or Copy puts each into a trajectory.
func ExampleUnderstand() {
	u, err := importer.Understand([]string{"../testdata/foreign/checkpoint-1500", "../testdata/foreign/checkpoint-1600"}, importer.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range u.Checkpoints {
		fmt.Printf("epoch %g: %s, %d tensors; its name says %q, its files %q\n", c.Epoch, c.Format, c.Tensors, c.Names, c.Inside)
	}
	// Output:
	// epoch 1: sharded safetensors, 8 tensors; its name says "step 1500", its files "epoch 2.5, step 1500"
	// epoch 2: sharded PyTorch zip, 8 tensors; its name says "step 1600", its files "–"
}
