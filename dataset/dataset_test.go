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

	"github.com/lawa-replay/lawa-replay/dataset/picture"
	"github.com/lawa-replay/lawa-replay/internal/hint"
)

func idx(dims []uint32, values []byte) []byte {
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, values...)
}

// read is all examples of a split.
func read(t *testing.T, s Split) *Batch {
	t.Helper()
	indices := make([]int, s.Len())
	for i := range indices {
		indices[i] = i
	}
	var b Batch
	if err := s.Read(&b, indices, nil); err != nil {
		t.Fatal(err)
	}
	return &b
}

func labels(t *testing.T, s Split) []int64 {
	t.Helper()
	out, err := read(t, s).Array(Targets).Integers()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func digest(t *testing.T, s Split) string {
	t.Helper()
	d, err := s.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
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
	if size := set.Train.Fields()[0].Bytes(); set.Train.Len() != 6000 || set.Val.Len() != 10000 || size != 784 || set.Spec != "mnist:train=6000" {
		t.Errorf("%s: %d and %d images of %d bytes", set.Spec, set.Train.Len(), set.Val.Len(), size)
	}
	if train, val := labels(t, set.Train)[:5], labels(t, set.Val)[:5]; !slices.Equal(train, []int64{5, 0, 4, 1, 9}) || !slices.Equal(val, []int64{7, 2, 1, 0, 4}) {
		t.Errorf("labels %v and %v", train, val)
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
	if set.Train.Len() != 12 || set.Val.Len() != 7 || set.Train.Fields()[0].Shape[1] != 4 || set.Train.(*images).augment != (Augment{Shift: 1, Flip: true}) || set.Spec != "fashion-mnist:val=7,shift=1,flip=true" {
		t.Errorf("%+v", set)
	}
	if digest(t, set.Train) == digest(t, set.Val) || digest(t, set.Val) != digest(t, Head(set.Train, 7)) {
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
		"missing":          {images, func([]byte) []byte { return nil }, "no train-images-idx3-ubyte.gz (or the same without .gz) in it; what is read: train-images-idx3-ubyte.gz (9,912,422 bytes, MD5 f68b3c2d"},
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
	_, err := Open("fashion-mnist", "")
	if h, ok := hint.Of(err); !ok || h.Option != "data-dir" {
		t.Errorf("no folder: %v", err)
	}
}

func TestAugment(t *testing.T) {
	src := []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12} // 3×4
	seen := map[string]bool{}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		dst := make([]uint8, 12)
		c := Augment{Shift: 1, Flip: true}.draw(rng, 4, 3, 4, 3)
		if err := c.apply(pixels{dst, 4, 3}, pixels{src, 4, 3}, picture.Filters()[0], nil); err != nil {
			t.Fatal(err)
		}
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
	a, b := Shuffled(set.Train, 3, 12), Shuffled(set.Train, 3, 12)
	if d := digest(t, a); d != digest(t, b) || d == digest(t, set.Train) || d == digest(t, Shuffled(set.Train, 4, 12)) {
		t.Error("a draw does not follow its seed")
	}
	drawn, want := labels(t, a), labels(t, set.Train)
	slices.Sort(drawn)
	slices.Sort(want)
	if !slices.Equal(drawn, want) {
		t.Errorf("drew %v", labels(t, a))
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
	images := func(s Split) {
		b := read(t, s)
		size := int(b.Arrays[0].Bytes())
		for i := range b.N {
			count[string(b.Arrays[0].Data[i*size:(i+1)*size])+string(b.Arrays[1].Data[8*i:8*i+1])]++
		}
	}
	images(set.Train)
	whole := len(count)
	var n int
	for _, name := range []string{"train-half1", "train-half2"} {
		half, err := set.Split(name)
		if err != nil || half.Name() != name {
			t.Fatalf("%s: %v, %v", name, half, err)
		}
		images(half)
		n += half.Len()
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
	if n != 31 || first.Len() != 16 || digest(t, first) == digest(t, Head(set.Train, 16)) {
		t.Errorf("%d examples, %d of them in the first half", n, first.Len())
	}
	// Parts are nested, and the whole is the split.
	some := map[string]bool{}
	for _, name := range []string{"train-7", "train-20", "train-31"} {
		part, err := set.Split(name)
		if err != nil || part.Name() != name {
			t.Fatalf("%s: %v, %v", name, part, err)
		}
		b := read(t, part)
		size := int(b.Arrays[0].Bytes())
		now := map[string]bool{}
		for i := range b.N {
			now[string(b.Arrays[0].Data[i*size:(i+1)*size])] = true
		}
		for image := range some {
			if !now[image] {
				t.Errorf("%s lacks an image of a smaller part", name)
			}
		}
		some = now
	}
	if all, _ := set.Split("train-31"); digest(t, all) != digest(t, set.Train) {
		t.Error("all examples are another split")
	}
	for _, name := range []string{"val-half3", "test-half1", "val-half", "train-32", "train-0", "train-07", "train--1", "train-1-2"} {
		if s, err := set.Split(name); err == nil {
			t.Errorf("%s is %s", name, s.Name())
		}
	}
}
