package formats

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
)

const fixtures = "../../testdata/foreign"

// expectation is what torch and safetensors read from a fixture: bench/foreign.py.
type expectation struct {
	Tensors map[string]struct {
		DType  string
		Shape  []int64
		SHA256 string
	}
	Key, Ask    string
	Strip, Skip []string
	Weights     string
	Note        string // in one of the notes
	NoEpoch     bool   // none is known
	Epoch, Step *float64
	ValLoss     *float64 `json:"val_loss"`
	Shards      int
	Tied        map[string]string
}

func expected(t *testing.T) map[string]expectation {
	text, err := os.ReadFile(filepath.Join(fixtures, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]expectation
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// content reads a checkpoint as the arranged file, and gives its tensors' bytes.
func content(t *testing.T, c *stored.Checkpoint) map[string][]byte {
	t.Helper()
	var file bytes.Buffer
	if _, err := c.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	begin := 8 + binary.LittleEndian.Uint64(file.Bytes())
	out := map[string][]byte{}
	for _, x := range c.Tensors() {
		out[x.Name] = file.Bytes()[begin:][x.Begin:x.End]
	}
	if safetensors.Holds(c.Tensors()) == nil {
		h, err := safetensors.ReadHeader(bytes.NewReader(file.Bytes()), int64(file.Len()))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(h.Tensors, c.Tensors(), func(a, b checkpoint.Tensor) bool { return a.Name == b.Name && a.Begin == b.Begin }) {
			t.Errorf("written %v, expected %v", h.Tensors, c.Tensors())
		}
	}
	data := make([]byte, checkpoint.Size(c))
	if err := c.Read(data); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, file.Bytes()[begin:]) {
		t.Error("Read and WriteTo give different bytes")
	}
	return out
}

func TestAsTorchReadsThem(t *testing.T) {
	for name, want := range expected(t) {
		t.Run(name, func(t *testing.T) {
			c, err := openStored(filepath.Join(fixtures, name), checkpoint.Options{Key: want.Ask, Strip: want.Strip, Skip: want.Skip})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			have := content(t, c)
			if got, exp := slices.Sorted(maps.Keys(have)), slices.Sorted(maps.Keys(want.Tensors)); !slices.Equal(got, exp) {
				t.Fatalf("tensors %v, expected %v", got, exp)
			}
			for _, x := range c.Tensors() {
				w := want.Tensors[x.Name]
				sum := sha256.Sum256(have[x.Name])
				if string(x.DType) != w.DType || !slices.Equal(x.Shape, w.Shape) || hex.EncodeToString(sum[:]) != w.SHA256 {
					t.Errorf("%s: %v with other bytes than torch's, which are %s%v", x.Name, x, w.DType, w.Shape)
				}
			}
			key := want.Key
			if key == "" {
				key = want.Ask
			}
			if c.About().Key != key {
				t.Errorf("found under %q, expected %q", c.About().Key, key)
			}
			for what, pair := range map[string][2]*float64{"epoch": {c.About().Info.Epoch, want.Epoch}, "step": {c.About().Info.Step, want.Step}} {
				if name == "checkpoint-1500" {
					continue // trainer_state.json says them, which importer reads: TestTrainerState
				}
				if pair[1] != nil && (pair[0] == nil || *pair[0] != *pair[1]) {
					t.Errorf("%s %v, expected %v", what, pair[0], *pair[1])
				}
			}
			if want.NoEpoch && c.About().Info.Epoch != nil {
				t.Errorf("epoch %v of %s, expected none", *c.About().Info.Epoch, c.About().Info.EpochKey)
			}
			if want.Weights != c.About().Weights || (c.About().Weights == "") != (c.About().WeightsWhy == "") {
				t.Errorf("weights are said to be %q (%s), expected %q", c.About().Weights, c.About().WeightsWhy, want.Weights)
			}
			if !slices.ContainsFunc(c.About().Notes, func(n string) bool { return strings.Contains(n, want.Note) }) && want.Note != "" {
				t.Errorf("notes %q, expected …%s…", c.About().Notes, want.Note)
			}
			if v := want.ValLoss; v != nil && c.About().Info.Numbers["val_loss"] != *v {
				t.Errorf("val_loss %v, expected %v", c.About().Info.Numbers["val_loss"], *v)
			}
			if !maps.Equal(c.Tied(), want.Tied) {
				t.Errorf("tied %v, expected %v", c.Tied(), want.Tied)
			}
			files := map[string]bool{}
			for _, f := range c.About().Shards {
				files[f] = true
			}
			if len(files) != want.Shards {
				t.Errorf("%d shards, expected %d", len(files), want.Shards)
			}
		})
	}
}

// The names of tied tensors lose a wrapper's prefix too, and shards may have one.
func TestWrappedTiesAndShards(t *testing.T) {
	dir := t.TempDir()
	write := func(file string, metadata map[string]string, names ...string) {
		var list []checkpoint.Tensor
		for _, name := range names {
			list = append(list, checkpoint.Tensor{Name: name, DType: checkpoint.F32, Shape: []int64{1}})
		}
		var out bytes.Buffer
		if err := safetensors.Write(&out, checkpoint.Arrange(list), metadata, make([]byte, 4*len(names))); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("one.safetensors", map[string]string{"format": "pt", "module.head": "module.wte"}, "module.wte", "module.x")
	write("a.safetensors", map[string]string{"format": "pt", "module.head": "module.wte"}, "module.wte")
	write("b.safetensors", nil, "module.x")
	index := `{"weight_map": {"module.wte": "a.safetensors", "module.head": "a.safetensors", "module.x": "b.safetensors"}}`
	if err := os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), []byte(index), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, shards := range map[string]map[string]string{filepath.Join(dir, "one.safetensors"): nil, dir: {"wte": "a.safetensors", "x": "b.safetensors"}} {
		c, err := openStored(path, checkpoint.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if len(c.Tensors()) != 2 || !maps.Equal(c.Tied(), map[string]string{"head": "wte"}) || !maps.Equal(c.About().Shards, shards) {
			t.Errorf("%s: %v, tied %v, shards %v", path, c.Tensors(), c.Tied(), c.About().Shards)
		}
	}
}

// Every format says what it is, and has a name of its own: lists and documentation are made of it.
func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if k.Name == "" || k.About == "" || k.Source == "" || len(k.Examples) == 0 || seen[k.Name] {
			t.Errorf("%+v", k)
		}
		seen[k.Name] = true
	}
}
