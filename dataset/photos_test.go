package dataset

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lawa-replay/lawa-replay/internal/hint"
)

const pictures = "picture/testdata"

// photoFolder makes an ImageFolder of two classes out of the pictures: train and val hold the same files.
func photoFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, split := range []string{"train", "val"} {
		for _, f := range []string{"b/420.jpg", "b/cmyk.jpg", "a/progressive.jpg", "a/rgb.png", "a/deep/lossy.webp"} {
			data, err := os.ReadFile(filepath.Join(pictures, filepath.Base(f)))
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, split, f), data)
		}
	}
	return dir
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func openPhotosAt(t *testing.T, text, cache string) *Set {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	set, err := s.OpenAs(Opening{Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Examples are torchvision's: its order of files and classes, its resize and its crop, with PIL's pixels.
func TestImageFolder(t *testing.T) {
	dir := photoFolder(t)
	for _, store := range []string{"crop", "whole"} {
		set := openPhotosAt(t, "imagefolder:"+dir+",resize=40,crop=32,store="+store, t.TempDir())
		for _, split := range []Split{set.Val, set.Train} {
			all := read(t, split)
			classes, _ := all.Arrays[1].Integers()
			if fmt.Sprint(classes) != "[0 0 0 1 1]" {
				t.Fatalf("labels %v", classes)
			}
			for i, name := range []string{"progressive.jpg", "rgb.png", "lossy.webp", "420.jpg", "cmyk.jpg"} {
				data, err := os.ReadFile(filepath.Join(pictures, "val-"+name+".png"))
				if err != nil {
					t.Fatal(err)
				}
				m, err := png.Decode(bytes.NewReader(data))
				if err != nil {
					t.Fatal(err)
				}
				have := all.Arrays[0].Data[i*3072:][:3072]
				worst, sum := 0, 0
				for at, v := range have {
					r, g, b, _ := m.At(at%32, at/32%32).RGBA()
					d := int(v) - int([]uint32{r, g, b}[at/1024]>>8)
					worst, sum = max(worst, d, -d), sum+max(d, -d)
				}
				if mean := float64(sum) / 3072; worst > 3 || mean > 0.2 || strings.HasSuffix(name, "png") && worst > 0 {
					t.Errorf("%s %s: differs by up to %d, %.2f on average", split.Name(), name, worst, mean)
				}
			}
		}
		if digest(t, set.Val) != digest(t, set.Train) {
			t.Error("the same examples have other digests where the whole image is stored")
		}
	}
}

// Images are decoded once, by whichever process, go on where they were interrupted, and are not believed when the file
// was altered.
func TestPhotosDecodedOnce(t *testing.T) {
	dir, cache := photoFolder(t), t.TempDir()
	text := "imagefolder:" + dir + ",resize=40,crop=32"
	source, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	decoded := 0
	open := func(ctx context.Context, at func(done int)) (string, error) {
		set, err := source.OpenAs(Opening{Cache: cache, Context: ctx, Progress: func(_ string, done, total int) {
			decoded++
			if at != nil {
				at(done)
			}
		}})
		if err != nil {
			return "", err
		}
		return set.Val.Digest()
	}
	ctx, stop := context.WithCancel(t.Context())
	if _, err := open(ctx, func(done int) {
		if done == 2 {
			stop()
		}
	}); err == nil {
		t.Fatal("an interrupted decoding is whole")
	}
	before := decoded
	want, err := open(t.Context(), nil)
	if err != nil || before != 2 || decoded != 5 {
		t.Fatalf("%v; %d images decoded, then %d in all, expected 2 and 5", err, before, decoded)
	}
	if again, err := open(t.Context(), nil); err != nil || again != want || decoded != 5 {
		t.Errorf("%v, %d", err, decoded)
	}
	found, _ := filepath.Glob(filepath.Join(cache, "images-*", "images"))
	if len(found) != 1 {
		t.Fatalf("%v", found)
	}
	whole, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, harmed := range map[string][]byte{"cut off": whole[:len(whole)-1], "another index": flipped(whole), "empty": nil,
		"another version": bytes.Replace(whole, []byte("images 1\n"), []byte("images 0\n"), 1)} {
		os.Remove(found[0])
		put(t, found[0], harmed)
		decoded = 0
		if again, err := open(t.Context(), nil); err != nil || again != want || decoded != 5 {
			t.Errorf("%s: %v, %d images decoded anew", name, err, decoded)
		}
	}
	harmed := bytes.Clone(whole) // one pixel
	harmed[100] ^= 1
	os.Remove(found[0])
	put(t, found[0], harmed)
	set, err := source.OpenAs(Opening{Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	if err := set.Val.Read(&b, []int{1, 2}, nil); err != nil {
		t.Errorf("others than the altered image: %v", err)
	}
	if err := set.Val.Read(&b, []int{0}, nil); err == nil || !strings.Contains(err.Error(), "image 0 has the checksum") {
		t.Errorf("an altered pixel: %v", err)
	}
}

// Several that open at once decode each image once in all.
func TestPhotosShared(t *testing.T) {
	dir, cache := photoFolder(t), t.TempDir()
	var mu sync.Mutex
	decoded := 0
	var g sync.WaitGroup
	for range 4 {
		g.Go(func() {
			s, err := Parse("imagefolder:" + dir + ",resize=40,crop=32")
			if err != nil {
				t.Error(err)
				return
			}
			set, err := s.OpenAs(Opening{Cache: cache, Progress: func(string, int, int) {
				mu.Lock()
				defer mu.Unlock()
				decoded++
			}})
			if err == nil {
				_, err = set.Val.Digest()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	if decoded != 5 {
		t.Errorf("%d images decoded, expected 5", decoded)
	}
}

// A broken image is named; left out when asked, it is counted, and makes another split.
func TestBrokenPhotos(t *testing.T) {
	dir, cache := photoFolder(t), t.TempDir()
	text := "imagefolder:" + dir + ",resize=40,crop=32"
	whole := digest(t, openPhotosAt(t, text, cache).Val)
	bad := filepath.Join(dir, "val", "a", "rgb.png")
	put(t, bad, []byte("no image"))
	_, err := openPhotosAt(t, text, cache).Val.Digest()
	if err == nil || !strings.Contains(err.Error(), bad) || len(hint.All(err)) == 0 {
		t.Fatalf("%v", err)
	}
	set := openPhotosAt(t, text+",skip-broken=true", cache)
	if set.Val.Len() != 4 || set.Train.Len() != 5 || len(set.Notes) != 1 || !strings.Contains(set.Notes[0], "1 of 5 images are broken and left out: a/rgb.png") || digest(t, set.Val) == whole {
		t.Errorf("%d images, %q", set.Val.Len(), set.Notes)
	}
	if classes, _ := read(t, set.Val).Arrays[1].Integers(); fmt.Sprint(classes) != "[0 0 1 1]" {
		t.Errorf("%v", classes)
	}
	if _, err := openPhotosAt(t, text, cache).Val.Digest(); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("decoded with it left out, then without: %v", err)
	}
}

// What is wrong with the folders is said before anything is decoded.
func TestWrongFolders(t *testing.T) {
	for want, change := range map[string]func(dir string) string{
		"1 classes of train are not in val: c": func(dir string) string {
			put(t, filepath.Join(dir, "train", "c", "1.jpg"), nil)
			return ""
		},
		"class b: no image": func(dir string) string {
			os.RemoveAll(filepath.Join(dir, "val", "b"))
			put(t, filepath.Join(dir, "val", "b", "notes.txt"), nil)
			return ""
		},
		"images of this kind are not read": func(dir string) string {
			put(t, filepath.Join(dir, "val", "b", "1.tiff"), nil)
			return ""
		},
		"neither val nor test": func(dir string) string {
			os.RemoveAll(filepath.Join(dir, "val"))
			return ""
		},
		"crop=300 is larger than resize=256": func(string) string { return ",crop=300" },
		"three numbers are wanted":           func(string) string { return ",mean=0.5" },
	} {
		dir := photoFolder(t)
		if _, err := Open("imagefolder:"+dir+change(dir), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
	dir := photoFolder(t)
	if set, err := Open("imagefolder:"+filepath.Join(dir, "val"), ""); err != nil || set.Train != nil || len(set.Notes) != 1 || !strings.Contains(set.Notes[0], "2 folders are the classes") {
		t.Errorf("classes alone: %v, %+v", err, set)
	}
	if _, err := Open("imagenet", t.TempDir()); err == nil || !strings.Contains(err.Error(), "29b22e2961454d5413ddabcf34fc5622") {
		t.Errorf("a missing ImageNet: %v", err)
	}
}

// ImageNet's flat validation folder takes its labels from a file in one of the usual forms; one that would be taken
// wrongly is refused.
func TestFlatImageNet(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"val.txt", "420.jpg 1\ncmyk.jpg 0\nrgb.png 1\n", "[1 0 1]"},
		{"val_labels.txt", "420.jpg n2\ncmyk.jpg n1\nrgb.png n2\n", "[1 0 1]"},
		{"LOC_val_solution.csv", "ImageId,PredictionString\nrgb,n2 1 2 3 4\ncmyk,n1 1 2 3 4\n420,n2 1 2 3 4 n2 1 1 1 1\n", "[1 0 1]"},
		{"imagenet_2012_validation_synset_labels.txt", "n2\nn1\nn2\n", "[1 0 1]"},
		{"val.txt", "490\n361\n171\n", "its own order"},
		{"val.txt", "420.jpg n2\ncmyk.jpg n1\n", "no label for rgb.png"},
		{"val.txt", "420.jpg n3\ncmyk.jpg n1\nrgb.png n1\n", "n3, which train does not have"},
		{"val.txt", "420.jpg 2\ncmyk.jpg 1\nrgb.png 1\n", "train has 2 classes"},
		{"ILSVRC2012_validation_ground_truth.txt", "490\n361\n171\n", "is not read"},
	} {
		dir := t.TempDir()
		for _, f := range []string{"val/420.jpg", "val/cmyk.jpg", "val/rgb.png", "train/n1/420.jpg", "train/n2/rgb.png"} {
			data, err := os.ReadFile(filepath.Join(pictures, filepath.Base(f)))
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, f), data)
		}
		put(t, filepath.Join(dir, c.name), []byte(c.text))
		set, err := Open("imagenet:resize=40,crop=32", dir)
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s %q: %v", c.name, c.text, err)
			}
			continue
		}
		if labels, _ := read(t, set.Val).Arrays[1].Integers(); fmt.Sprint(labels) != c.want || set.Train.Len() != 2 {
			t.Errorf("%s: %v, expected %s", c.name, labels, c.want)
		}
	}
}

// What a cache's file says of itself is not believed.
func FuzzStore(f *testing.F) {
	index := appendEntry(nil, storeIndex{width: 2, height: 1, sum: 7})
	meta := []byte(`{"files":1}`)
	size := int64(6 + len(index) + len(meta) + storeTail)
	f.Add(bytes.Join([][]byte{make([]byte, 6), index, meta, tail(index, meta, size)}, nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		put(t, filepath.Join(dir, storeFile), data)
		s, err := openStore(dir, 1)
		if err == nil && s.index[0].width > 0 {
			_, _, _ = s.image(0)
		}
	})
}

// A folder without a training split can be divided, and parts of splits are of all classes, though files stand in the order of theirs.
func TestHoldOut(t *testing.T) {
	dir, cache := filepath.Join(photoFolder(t), "val"), t.TempDir()
	set := openPhotosAt(t, "imagefolder:"+dir+",resize=40,crop=32,holdout=2,flip=true", cache)
	if set.Val.Len() != 2 || set.Train.Len() != 3 || set.Val.Name() != "val" || set.Train.Name() != "train" {
		t.Fatalf("%d and %d examples", set.Val.Len(), set.Train.Len())
	}
	whole := openPhotosAt(t, "imagefolder:"+dir+",resize=40,crop=32", cache)
	count := map[string]int{}
	for _, s := range []Split{whole.Val, set.Val, set.Train} {
		b := read(t, s)
		for i := range b.N {
			count[string(b.Arrays[0].Data[i*3072:(i+1)*3072])]++
		}
	}
	for _, n := range count {
		if n != 2 || len(count) != 5 {
			t.Fatalf("%d different images, one of them %d times", len(count), n)
		}
	}
	again := openPhotosAt(t, "imagefolder:"+dir+",resize=40,crop=32,holdout=2", t.TempDir())
	if digest(t, again.Val) != digest(t, set.Val) || digest(t, again.Train) != digest(t, set.Train) {
		t.Error("the second time it is divided otherwise")
	}
	if some := openPhotosAt(t, "imagefolder:"+filepath.Dir(dir)+",resize=40,crop=32,train=3", cache); some.Train.Len() != 3 || digest(t, some.Train) == digest(t, Head(whole.Val, 3)) {
		t.Error("three examples are the first three")
	}
	for text, want := range map[string]string{dir + ",holdout=5": "there are 5 images", filepath.Dir(dir) + ",holdout=2": "there is a training split already", dir + ",train=2": "holdout=N makes one"} {
		if _, err := Open("imagefolder:"+text, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
