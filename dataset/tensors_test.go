package dataset

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

const scriptFixtures = "../testdata/script/mlp"

// The same tensors from safetensors, npz and npy: bench/script_run.py wrote them with safetensors and numpy.
func TestTensorsOfAllFormats(t *testing.T) {
	var digest string
	for _, file := range []string{"val.safetensors", "val.npz", "inputs.npy," + scriptFixtures + "/targets.npy"} {
		s, err := OpenTensors("tensors:" + filepath.Join(scriptFixtures, file))
		if err != nil {
			t.Fatal(err)
		}
		if digest == "" {
			digest = s.Digest()
		}
		if s.N != 60 || s.Inputs.Shape[0] != 5 || s.Targets.Shape[0] != 2 || s.Digest() != digest {
			t.Errorf("%s: %d examples, %v, %v, digest %.8s, expected that of the first", file, s.N, s.Inputs.Shape, s.Targets.Shape, s.Digest())
		}
		if h := s.Head(7); h.N != 7 || len(h.Inputs.Data) != 7*20 || h.Digest() == digest {
			t.Errorf("%s: the head has %d examples of %d bytes", file, h.N, len(h.Inputs.Data))
		}
		if h := s.Shuffled(3, 7); h.N != 7 || bytes.Equal(h.Inputs.Data, s.Head(7).Inputs.Data) {
			t.Errorf("%s: shuffled examples are the first ones", file)
		}
	}
}

func TestArrays(t *testing.T) {
	for dtype, data := range map[string][]byte{"I64": {254, 255, 255, 255, 255, 255, 255, 255}, "I32": {254, 255, 255, 255}, "I16": {254, 255}, "I8": {254}} {
		v, err := (&Array{DType: checkpoint.DType(dtype), Data: data}).Integers()
		if err != nil || len(v) != 1 || v[0] != -2 {
			t.Errorf("%s: %v, %v, expected -2", dtype, v, err)
		}
	}
	if v, err := (&Array{DType: "F16", Data: []byte{0, 0x3e, 0, 0xfc}}).Floats(); err != nil || v[0] != 1.5 || !math.IsInf(float64(v[1]), -1) {
		t.Errorf("%v, %v, expected 1.5 and -inf", v, err)
	}
	if _, err := (&Array{DType: "F32", Data: []byte{0, 0, 0, 0}}).Integers(); err == nil {
		t.Error("floats were read as classes")
	}
}

func TestMalformedTensors(t *testing.T) {
	npy, err := os.ReadFile(filepath.Join(scriptFixtures, "inputs.npy"))
	if err != nil {
		t.Fatal(err)
	}
	header := func(old, new string) []byte { return []byte(strings.Replace(string(npy), old, new, 1)) }
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":         {nil, ""},
		"text":          {[]byte("inputs"), ""},
		"cut short":     {npy[:len(npy)-1], "cut short"},
		"huge":          {header("(60, 5)", "(9223372036854775807, 5)")[:len(npy)], ""},
		"shape too big": {header("(60, 5)", "(61, 5)"), "cut short"},
		"Fortran order": {header("False, 'shape': (60, 5), }", "True, 'shape': (60, 5), } "), "Fortran"},
		"objects":       {header("<f4", "|O8"), ""},
		"complex":       {header("<f4", "<c8"), "of type"},
		"big-endian":    {header("<f4", ">f4"), "of type"},
	} {
		path := filepath.Join(t.TempDir(), "a.npy")
		if err := os.WriteFile(path, c.data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenTensors("tensors:" + path); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, expected the file's name and …%s…", name, err, c.want)
		}
	}
	for text, want := range map[string]string{"tensors:none.npz": "none.npz", "tensors:x.csv": "want a file ending in", "tensors:../testdata/foreign/single.safetensors": "no tensor called inputs in it; it has module.bn1.bias"} {
		if _, err := OpenTensors(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzNPY(f *testing.F) {
	npy, err := os.ReadFile(filepath.Join(scriptFixtures, "targets.npy"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(npy)
	f.Fuzz(func(t *testing.T, data []byte) {
		if a, err := parseNPY(bytes.NewReader(data), int64(len(data))); err == nil && len(a.data) > len(data) {
			t.Fatalf("%d bytes out of %d", len(a.data), len(data))
		}
	})
}
