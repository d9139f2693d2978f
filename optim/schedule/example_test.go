package schedule_test

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/optim/schedule"
)

// The learning rates of a run of 4 epochs of 2 steps, the first of them warm-up.
func ExampleRates() {
	r := schedule.Rates{Peak: 0.4, Warmup: 1, Epochs: 4, StepsPerEpoch: 2, Schedule: schedule.Step{Every: 2, Gamma: 0.5}}
	for step := range int64(8) {
		fmt.Print(r.At(step), " ")
	}
	// Output: 0.2 0.4 0.4 0.4 0.2 0.2 0.2 0.2
}
