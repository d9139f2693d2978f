package export

import (
	"strings"
	"testing"
)

// TestSourceShards: the names of a source's shards are somebody else's.
func TestSourceShards(t *testing.T) {
	got, err := sourceShards(map[string]string{"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00001-of-00002.bin", "c": "below/x.safetensors"})
	if err != nil || got["a"] != "pytorch_model-00001-of-00002.safetensors" || got["b"] != got["a"] || got["c"] != "below/x.safetensors" {
		t.Errorf("%v, %v", got, err)
	}
	for want, shards := range map[string]map[string]string{
		`the file of tensor a: "../x.safetensors" lies outside of the folder`: {"a": "../x.safetensors"},
		`"/x.safetensors" lies outside of the folder`:                         {"a": "/x.safetensors"},
		`x and x.bin would both be written as x.safetensors`:                  {"a": "x", "b": "x.bin"},
	} {
		if got, err := sourceShards(shards); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, %v; expected %q", shards, got, err, want)
		}
	}
}
