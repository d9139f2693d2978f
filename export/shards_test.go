package export

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/checkpoint"
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

// TestNoAverageOverAnother: two files of weights of one name, and epochs that are written alike.
func TestNoAverageOverAnother(t *testing.T) {
	r := run(t, 2, checkpoint.Tensor{Name: "a", DType: checkpoint.F32, Shape: []int64{2}})
	var schemes []averaging.Scheme
	for _, folder := range []string{t.TempDir(), t.TempDir()} {
		path := filepath.Join(folder, "w.csv")
		if err := os.WriteFile(path, []byte("age,weight\n0,1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := averaging.Parse("weights:" + path)
		if err != nil {
			t.Fatal(err)
		}
		schemes = append(schemes, s)
	}
	r.Checkpoints[0].Epoch, r.Checkpoints[1].Epoch = 1000000.25, 1000000.5
	for _, e := range []*Export{
		{Trajectory: r, Schemes: schemes, Endpoints: []int{0}},
		{Trajectory: r, Schemes: schemes[:1], Endpoints: []int{0, 1}},
	} {
		dir := t.TempDir()
		e.Path = func(s averaging.Scheme, endpoint int) string {
			return filepath.Join(dir, FileName(r, s, endpoint, Safetensors))
		}
		if err := e.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "would both be written to") {
			t.Errorf("%v", err)
		}
		if names, _ := os.ReadDir(dir); len(names) > 0 {
			t.Errorf("written all the same: %v", names)
		}
	}
}
