package examples

import (
	"encoding/hex"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/internal/hint"
)

func key(i byte) string { return hex.EncodeToString(append(make([]byte, 31), i)) }

// losses are like those of a network: most small, some large.
func losses(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 0))
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(rng.ExpFloat64() * rng.ExpFloat64())
	}
	return out
}

func hits(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]float32, n)
	for i := range out {
		out[i] = 100 * float32(rng.IntN(10)/2&1)
	}
	return out
}

func equal(a, b Set) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || !same(a[i].Values, b[i].Values) || (a[i].Sizes == nil) != (b[i].Sizes == nil) || !same(a[i].Sizes, b[i].Sizes) || !same(a[i].Documents, b[i].Documents) {
			return false
		}
	}
	return true
}

func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "store")
	s, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	sizes := []float32{3, 0, 1.5}
	sets := map[string]Set{
		key(1): {{Name: "loss", Values: losses(1000, 1), Sizes: nil}, {Name: "top1", Values: hits(1000, 1), Sizes: nil}},
		key(2): {{Name: "loss", Values: []float32{1, float32(math.NaN()), float32(math.Copysign(0, -1))}, Sizes: sizes}, {Name: "top1", Values: []float32{300, 0, float32(math.Inf(1))}, Sizes: sizes}, {Name: "bits", Values: []float32{1, 2, 3}, Sizes: []float32{9, 9, 9}}},
		key(3): {{Name: "loss", Values: losses(7, 3), Documents: []float32{0, 0, 1, 1, 1, 4, 4}}},
	}
	for k, set := range sets {
		if err := s.Put(k, set); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Read(nil, t.TempDir(), dir) // while it is being written
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Store{s, again} {
		for k, want := range sets {
			if have, ok, err := s.Get(k); err != nil || !ok || !equal(have, want) || !s.Has(k) {
				t.Errorf("%v, %v, %v, expected %v", have, ok, err, want)
			}
		}
		if _, ok, err := s.Get(key(9)); ok || err != nil || s.Has(key(9)) {
			t.Error("there is none of it", err)
		}
	}
	if err := again.Put(key(4), sets[key(3)]); err == nil || !strings.Contains(err.Error(), "opened for reading") {
		t.Error(err)
	}
	for want, set := range map[string]Set{
		"0 metrics":               {},
		"0 examples":              {{Name: "loss", Values: nil, Sizes: nil}},
		`the metric "loss" twice`: {{Name: "loss", Values: sizes, Sizes: nil}, {Name: "loss", Values: sizes, Sizes: nil}},
		"3 values and 1 sizes":    {{Name: "loss", Values: sizes, Sizes: sizes[:1]}},
		"size 1 is -1":            {{Name: "loss", Values: sizes, Sizes: []float32{1, -1, 1}}},
		"the documents of 2 examples, there are 3": {{Name: "loss", Values: sizes, Documents: sizes[:2]}},
		"example 1 belongs to document 0.5":        {{Name: "loss", Values: sizes, Documents: []float32{0.5, 0, 0}}},
		"a metric whose name has 0":                {{Values: sizes}},
	} {
		if err := s.Put(key(5), set); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %s", err, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// What is torn is cut off; what is damaged is not known, and said; new records go where they can be read again.
func TestDamage(t *testing.T) {
	set := Set{{Name: "loss", Values: losses(100, 1), Sizes: nil}}
	for name, spoil := range map[string]func(data []byte, second int) []byte{
		"torn line":     func(data []byte, second int) []byte { return data[:second+20] },
		"torn values":   func(data []byte, second int) []byte { return data[:len(data)-9] },
		"damaged line":  func(data []byte, second int) []byte { data[second+90] ^= 1; return data },
		"damaged frame": func(data []byte, second int) []byte { data[len(data)-9] ^= 1; return data },
		"zeros":         func(data []byte, second int) []byte { return append(data[:second], make([]byte, 1<<17)...) },
	} {
		dir := filepath.Join(t.TempDir(), "store")
		s, err := Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range byte(2) {
			if err := s.Put(key(i), set); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
		path := filepath.Join(dir, "examples-000001.bin")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, spoil(data, len(data)/2), 0o644); err != nil {
			t.Fatal(err)
		}
		var notes []string
		if s, err = Open(dir, func(n hint.Note) { notes = append(notes, n.Text) }); err != nil {
			t.Fatal(err)
		}
		if have, ok, err := s.Get(key(0)); err != nil || !ok || !equal(have, set) {
			t.Errorf("%s: the first is %v, %v", name, ok, err)
		}
		_, ok, err := s.Get(key(1))
		if damaged := name == "damaged frame"; ok || (err != nil) != damaged {
			t.Errorf("%s: the second is %v, %v", name, ok, err)
		}
		if said := name == "damaged line" || name == "zeros"; (len(notes) == 1) != said {
			t.Errorf("%s: %v", name, notes)
		}
		for i := byte(1); i < 4; i++ {
			if err := s.Put(key(i), set); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		s.Close()
		if s, err = Read(nil, dir); err != nil {
			t.Fatal(err)
		}
		for i := range byte(4) {
			if have, ok, err := s.Get(key(i)); err != nil || !ok || !equal(have, set) {
				t.Errorf("%s: record %d read again: %v, %v", name, i, ok, err)
			}
		}
		s.Close()
	}
}

func FuzzStore(f *testing.F) {
	var e encoder
	record, err := e.record(Key{1}, Set{{Name: "loss", Values: losses(5, 1), Sizes: []float32{1, 2, 3, 4, 5}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(record)
	f.Fuzz(func(t *testing.T, data []byte) {
		for i, b := range data {
			if b == '\n' {
				if _, h, err := openHead(data[:i]); err == nil {
					_, _ = h.open(data[i+1:])
				}
				break
			}
		}
	})
}

// What 50,000 examples take: bytes in the file, and time.
func BenchmarkPut(b *testing.B) {
	const n = 50000
	set := Set{{Name: "loss", Values: losses(n, 1), Sizes: nil}, {Name: "top1", Values: hits(n, 1), Sizes: nil}, {Name: "top5", Values: hits(n, 2)}}
	s, err := Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for i := 0; b.Loop(); i++ {
		if err := s.Put(key(byte(i)), set); err != nil {
			b.Fatal(err)
		}
		if i%4096 == 4095 {
			s.files.End(0, false) // into another file
		}
	}
	b.ReportMetric(float64(s.index[ParseKey(key(0))].head.Bytes)/n, "bytes/example")
}
