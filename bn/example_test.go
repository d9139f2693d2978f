package bn_test

import (
	"fmt"
	"log"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// Policies are read from text, and applied to the data of an average: the newest checkpoint's statistics come with
// every output of averaging.Stream that asks for them.
func Example() {
	policies, err := bn.ParsePolicies("copy,average,recompute:samples=5000")
	if err != nil {
		log.Fatal(err)
	}
	mean := checkpoint.Tensor{Name: "bn1.running_mean", DType: "U8", Shape: []int64{2}, Begin: 0, End: 2} // bytes, for the example
	average := []byte{1, 2}
	newest := map[string][]byte{"bn1.running_mean": {3, 4}}
	for _, p := range policies {
		fmt.Println(p, p.Statistics(newest).Bytes(mean, average))
	}
	// Output:
	// copy [3 4]
	// average [1 2]
	// recompute:samples=5000 [1 2]
}
