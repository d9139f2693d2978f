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
	var first string
	for _, file := range []string{"val.safetensors", "val.npz", "inputs.npy," + scriptFixtures + "/targets.npy"} {
		s, err := OpenTensors("tensors:" + filepath.Join(scriptFixtures, file))
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = digest(t, s)
		}
		if f := s.Fields(); s.Len() != 60 || f[0].Shape[0] != 5 || f[1].Shape[0] != 2 || digest(t, s) != first {
			t.Errorf("%s: %d examples, %v, digest %.8s, expected that of the first", file, s.Len(), f, digest(t, s))
		}
		head := read(t, Head(s, 7))
		if head.N != 7 || len(head.Arrays[0].Data) != 7*20 || digest(t, Head(s, 7)) == first {
			t.Errorf("%s: the head has %d examples of %d bytes", file, head.N, len(head.Arrays[0].Data))
		}
		if b := read(t, Shuffled(s, 3, 7)); b.N != 7 || bytes.Equal(b.Arrays[0].Data, head.Arrays[0].Data) {
			t.Errorf("%s: shuffled examples are the first ones", file)
		}
	}
}

func TestArrays(t *testing.T) {
	for dtype, data := range map[string][]byte{"I64": {254, 255, 255, 255, 255, 255, 255, 255}, "I32": {254, 255, 255, 255}, "I16": {254, 255}, "I8": {254}} {
		v, err := (&Array{Field{DType: checkpoint.DType(dtype)}, data}).Integers()
		if err != nil || len(v) != 1 || v[0] != -2 {
			t.Errorf("%s: %v, %v, expected -2", dtype, v, err)
		}
	}
	if v, err := (&Array{Field{DType: "F16"}, []byte{0, 0x3e, 0, 0xfc}}).Floats(); err != nil || v[0] != 1.5 || !math.IsInf(float64(v[1]), -1) {
		t.Errorf("%v, %v, expected 1.5 and -inf", v, err)
	}
	if _, err := (&Array{Field{DType: "F32"}, []byte{0, 0, 0, 0}}).Integers(); err == nil {
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
