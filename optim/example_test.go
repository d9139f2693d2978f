package optim_test

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/optim"
)

// What an optimizer remembers is saved by the names of its slots.
func ExampleParse() {
	o, err := optim.Parse("lookahead:k=5,optimizer=adamw,weight-decay=0.1")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(o.Spec())
	fmt.Println(o.Slots())
	// Output:
	// lookahead:k=5,alpha=0.5,optimizer=adamw,beta1=0.9,beta2=0.999,eps=1e-08,weight-decay=0.1
	// [exp_avg exp_avg_sq slow]
}
