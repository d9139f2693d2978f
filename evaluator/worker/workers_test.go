package worker

import (
	"testing"

	"github.com/lawa-replay/lawa-replay/bn"
)

// Which of several equal GPUs a worker uses is no part of a key; whether it is one, and what it announces, is.
func TestKeysOfWorkers(t *testing.T) {
	key := func(device, kind, identity string) string {
		w := &Workers{Template: Worker{Command: "eval", Hello: Hello{Device: device}}, Kind: kind, ready: &Ready{Splits: []string{"val"}, Identity: identity}}
		in, err := w.Inputs(bn.Policy{Kind: bn.Copy}, "val")
		if err != nil {
			t.Fatal(err)
		}
		return in.Key()
	}
	if key("cuda:0", "cuda NVIDIA H100", "x") != key("cuda:1", "cuda NVIDIA H100", "x") {
		t.Error("cuda:0 and cuda:1 have different keys")
	}
	if key("cuda:0", "cuda", "x") == key("cpu", "cpu", "x") || key("cpu", "cpu", "x") == key("cpu", "cpu", "y") {
		t.Error("a key does not depend on the device or the identity")
	}
}
