package dataset

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func idx(dims []uint32, values []byte) []byte {
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, values...)
}

// folder writes a data set of n training and test images of 4×5 pixels, with what change makes of each file.
func folder(t *testing.T, n int, change map[string]func([]byte) []byte) string {
	t.Helper()
	dir := t.TempDir()
	for _, part := range []string{"train", "t10k"} {
		images, labels := make([]byte, n*20), make([]byte, n)
		for i := range images {
			images[i] = byte(i)
		}
		for i := range labels {
			labels[i] = byte(i % 10)
		}
		for name, b := range map[string][]byte{
			part + "-images-idx3-ubyte": idx([]uint32{uint32(n), 4, 5}, images),
			part + "-labels-idx1-ubyte": idx([]uint32{uint32(n)}, labels),
		} {
			if f := change[name]; f != nil {
				if b = f(b); b == nil {
					continue
				}
			}
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func TestMNISTComesWithItsModule(t *testing.T) {
	set, err := Open("mnist:train=6000", "")
	if err != nil {
		t.Fatal(err)
	}
	if set.Train.N != 6000 || set.Val.N != 10000 || set.Train.Size() != 784 || set.Spec != "mnist:train=6000" {
		t.Errorf("%s: %d and %d images of %d bytes", set.Spec, set.Train.N, set.Val.N, set.Train.Size())
	}
	if !slices.Equal(set.Train.Labels[:5], []int64{5, 0, 4, 1, 9}) || !slices.Equal(set.Val.Labels[:5], []int64{7, 2, 1, 0, 4}) {
		t.Errorf("labels %v and %v", set.Train.Labels[:5], set.Val.Labels[:5])
	}
}

func TestOpenFolder(t *testing.T) {
	zip := func(b []byte) []byte {
		var buf bytes.Buffer
		w := gzip.NewWriter(&buf)
		w.Write(b)
		w.Close()
		return buf.Bytes()
	}
	set, err := Open("fashion-mnist:val=7,shift=1,flip=true", folder(t, 12, map[string]func([]byte) []byte{"t10k-images-idx3-ubyte": zip}))
	if err != nil {
		t.Fatal(err)
	}
	if set.Train.N != 12 || set.Val.N != 7 || set.Train.Height != 4 || set.Augment != (Augment{1, true}) || set.Spec != "fashion-mnist:val=7,shift=1,flip=true" {
		t.Errorf("%+v", set)
	}
	if set.Train.Digest() == set.Val.Digest() || set.Val.Digest() != set.Val.Head(7).Digest() {
		t.Error("the digest does not tell splits by their content")
	}
}

func TestBadData(t *testing.T) {
	const images, labels = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
	for name, c := range map[string]struct {
		file string
		harm func([]byte) []byte
		want string
	}{
		"missing":          {images, func([]byte) []byte { return nil }, "no train-images-idx3-ubyte"},
		"empty":            {images, func([]byte) []byte { return []byte{} }, "empty or cut short"},
		"header cut":       {images, func(b []byte) []byte { return b[:9] }, "header is cut short"},
		"short":            {images, func(b []byte) []byte { return b[:len(b)-1] }, "cut short: 239 bytes of values, its header claims 240"},
		"long":             {images, func(b []byte) []byte { return append(b, 0) }, "more than the 240"},
		"not IDX":          {images, func([]byte) []byte { return []byte("<html>sorry, not found</html>") }, "not an IDX file"},
		"labels as images": {images, func(b []byte) []byte { b[3] = 1; return b }, "not an IDX file"},
		"huge claim":       {images, func(b []byte) []byte { copy(b[4:], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"); return b }, "claims the shape"},
		"large claim":      {images, func(b []byte) []byte { copy(b[4:], "\x00\x80\x00\x00"); return b }, "cut short"},
		"zero":             {images, func(b []byte) []byte { copy(b[4:], "\x00\x00\x00\x00"); return b }, "claims the shape"},
		"broken gzip":      {images, func([]byte) []byte { return []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3} }, ""},
		"fewer labels":     {labels, func(b []byte) []byte { b[7]--; return b[:len(b)-1] }, "12 images, 11 labels"},
		"label 10":         {labels, func(b []byte) []byte { b[8] = 10; return b }, "label 0 of train is 10"},
	} {
		if set, err := Open("mnist", folder(t, 12, map[string]func([]byte) []byte{c.file: c.harm})); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v, expected … %s …", name, set, err, c.want)
		}
	}
	dir := folder(t, 12, nil)
	for _, text := range []string{"mnits", "mnist:train=13", "mnist:train=0", "mnist:shift=4", "mnist:size=3", "fashion-mnist:flip=maybe"} {
		if set, err := Open(text, dir); err == nil {
			t.Errorf("%s: %+v", text, set)
		}
	}
	if _, err := Open("fashion-mnist", ""); err == nil || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("no folder: %v", err)
	}
}

func TestAugment(t *testing.T) {
	src := []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12} // 3×4
	seen := map[string]bool{}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		dst := make([]uint8, 12)
		Augment{1, true}.apply(dst, src, 3, 4, rng)
		seen[string(dst)] = true
	}
	for name, want := range map[string][]uint8{
		"as it is":          src,
		"flipped":           {4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9},
		"down and right":    {0, 0, 0, 0, 0, 1, 2, 3, 0, 5, 6, 7},
		"up and left":       {6, 7, 8, 0, 10, 11, 12, 0, 0, 0, 0, 0},
		"up, left, flipped": {0, 8, 7, 6, 0, 12, 11, 10, 0, 0, 0, 0},
	} {
		if !seen[string(want)] {
			t.Errorf("%s never came", name)
		}
	}
	if len(seen) != 18 {
		t.Errorf("%d different images, expected 3·3·2", len(seen))
	}
}

func TestShuffledIsADraw(t *testing.T) {
	set, err := Open("mnist", folder(t, 12, nil))
	if err != nil {
		t.Fatal(err)
	}
	a, b := set.Train.Shuffled(3, 12), set.Train.Shuffled(3, 12)
	if a.Digest() != b.Digest() || a.Digest() == set.Train.Digest() || a.Digest() == set.Train.Shuffled(4, 12).Digest() {
		t.Error("a draw does not follow its seed")
	}
	labels := slices.Clone(a.Labels)
	slices.Sort(labels)
	want := slices.Clone(set.Train.Labels)
	slices.Sort(want)
	if !slices.Equal(labels, want) {
		t.Errorf("drew %v", a.Labels)
	}
}

func FuzzIDX(f *testing.F) {
	f.Add(idx([]uint32{2, 1, 1}, []byte{1, 2}))
	f.Add(idx([]uint32{1 << 31, 1 << 31, 1 << 31}, nil))
	f.Add([]byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, b []byte) {
		values, shape, err := parseIDX(bytes.NewReader(b), 3)
		if err == nil && len(values) != shape[0]*shape[1]*shape[2] {
			t.Fatalf("%d values of shape %v", len(values), shape)
		}
	})
}

// The halves of a split are all of it, with no example in both, and the same at every start.
func TestHalves(t *testing.T) {
	set, err := Open("mnist:train=31,val=40", "")
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	images := func(s *Split) {
		for i := range s.N {
			count[string(s.Images[i*s.Size():(i+1)*s.Size()])+string(rune(s.Labels[i]))]++
		}
	}
	images(set.Train)
	whole := len(count)
	var n int
	for _, name := range []string{"train-half1", "train-half2"} {
		half, err := set.Split(name)
		if err != nil || half.Name != name {
			t.Fatalf("%s: %v, %v", name, half, err)
		}
		images(half)
		n += half.N
		again, err := set.Split(name)
		if err != nil || again != half {
			t.Errorf("%s is made anew, %v", name, err)
		}
	}
	for _, times := range count {
		if times != 2 || len(count) != whole {
			t.Fatalf("%d images, %d of them in the halves %d times", whole, len(count), times-1)
		}
	}
	first, _ := set.Split("train-half1")
	if n != 31 || first.N != 16 || first.Digest() == set.Train.Head(16).Digest() {
		t.Errorf("%d examples, %d of them in the first half", n, first.N)
	}
	for _, name := range []string{"val-half3", "test-half1", "val-half"} {
		if s, err := set.Split(name); err == nil {
			t.Errorf("%s is %s", name, s.Name)
		}
	}
}
