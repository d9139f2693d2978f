package dataset

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const cifarFixtures = "../testdata/cifar10"

// The pixels are libjpeg's, but for the rounding of its inverse cosine transform: testdata/cifar10/libjpeg.bin is
// what Pillow decodes.
func TestPixelsAreLibjpegs(t *testing.T) {
	set, err := Open("cifar10", cifarFixtures)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(cifarFixtures, "libjpeg.bin"))
	if err != nil {
		t.Fatal(err)
	}
	all := read(t, set.Val)
	have := all.Arrays[0].Data
	if labels, err := all.Arrays[1].Integers(); err != nil || set.Train != nil || all.N != 30 || len(have) != len(want) || labels[4] != 1 {
		t.Fatalf("%d images, %d bytes, expected 30 of the test split; %v", all.N, len(have), err)
	}
	exact, worst := 0, 0
	for i := range have {
		d := int(have[i]) - int(want[i])
		if d == 0 {
			exact++
		}
		worst = max(worst, d, -d)
	}
	if worst > 3 || exact < len(have)*95/100 {
		t.Errorf("the pixels differ by up to %d; %d of %d are equal", worst, exact, len(have))
	}
}

// A .tar.gz and the binary version hold the same as a folder of images.
func TestCIFAR10Archives(t *testing.T) {
	folder, err := Open("cifar10", cifarFixtures)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	if err := w.AddFS(os.DirFS(cifarFixtures)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	z.Close()
	if err := os.WriteFile(filepath.Join(dir, "c.tar.gz"), out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	tarred, err := Open("cifar10", filepath.Join(dir, "c.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	var records []byte
	all := read(t, folder.Val)
	for i := range all.N {
		records = append(append(records, all.Arrays[1].Data[8*i]), all.Arrays[0].Data[i*cifarBytes:(i+1)*cifarBytes]...)
	}
	for _, name := range []string{"test_batch.bin", "data_batch_1.bin"} {
		if err := os.WriteFile(filepath.Join(dir, name), records, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := Open("cifar10", dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := digest(t, folder.Val); digest(t, tarred.Val) != d || digest(t, binary.Val) != d || digest(t, binary.Train) != d {
		t.Error("the same images have different digests")
	}
	if err := os.WriteFile(filepath.Join(dir, "test_batch.bin"), records[:100], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("cifar10", dir); err == nil || !strings.Contains(err.Error(), "no whole records") {
		t.Errorf("a short record: %v", err)
	}
}

// The first images of folders are of the first classes, which is said.
func TestFirstImagesOfFolders(t *testing.T) {
	for text, want := range map[string]string{"cifar10:val=12": "val=12: the first images are of 4 of 10 classes", "cifar10": ""} {
		set, err := Open(text, cifarFixtures)
		if err != nil || strings.Join(set.Notes, "") != want {
			t.Errorf("%s: %q, %v, expected %q", text, set.Notes, err, want)
		}
	}
}

func TestNormalisation(t *testing.T) {
	usual, err := Open("cifar10:norm=imagenet,val=5", cifarFixtures)
	if err != nil {
		t.Fatal(err)
	}
	own, err := Open("cifar10:norm=cifar,val=5", cifarFixtures)
	if err != nil {
		t.Fatal(err)
	}
	norm := own.Val.Fields()[0].Normalize
	if usual.Spec != "cifar10:val=5" || own.Spec != "cifar10:norm=cifar,val=5" || norm.Mean[0] != 0.4914 || digest(t, own.Val) == digest(t, usual.Val) {
		t.Errorf("%s, %s: %v", usual.Spec, own.Spec, norm)
	}
	if _, err := Open("mnist:norm=cifar", ""); err == nil {
		t.Error("MNIST has a choice of normalisations")
	}
}

func FuzzJPEG(f *testing.F) {
	data, err := os.ReadFile(filepath.Join(cifarFixtures, "test", "cat", "0000.jpg"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = decodeJPEG(make([]byte, cifarBytes), data)
	})
}

// Images are decoded once: into a file that other processes share, that is not believed when it is damaged, and that
// need not be.
func TestDecodedOnce(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	open := func() *Set {
		t.Helper()
		set, err := Open("cifar10", cifarFixtures)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	first := open()
	found, err := filepath.Glob(filepath.Join(cache, "lawa-replay", "data", "cifar10-v1-*.safetensors"))
	if err != nil || len(found) != 1 || len(first.Notes) > 0 {
		t.Fatalf("%v, %v, %q", found, err, first.Notes)
	}
	written, err := os.Stat(found[0])
	if err != nil {
		t.Fatal(err)
	}
	want := digest(t, first.Val)
	again := open()
	if after, err := os.Stat(found[0]); err != nil || !os.SameFile(written, after) || digest(t, again.Val) != want || len(again.Notes) > 0 {
		t.Errorf("the second opening does not use what the first wrote: %v, %q", err, again.Notes)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, harmed := range map[string][]byte{"a bit": flipped(data), "the end": data[:len(data)-1]} {
		if err := os.Remove(found[0]); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(found[0], harmed, 0o644); err != nil {
			t.Fatal(err)
		}
		mended := open()
		if digest(t, mended.Val) != want || len(mended.Notes) != 1 || !strings.Contains(mended.Notes[0], found[0]) {
			t.Errorf("%s: %q", name, mended.Notes)
		}
	}
	t.Setenv("XDG_CACHE_HOME", filepath.Join(cifarFixtures, "libjpeg.bin")) // a file
	if without := open(); digest(t, without.Val) != want || len(without.Notes) != 1 || !strings.Contains(without.Notes[0], "anew at each start") {
		t.Errorf("without a cache folder: %q", without.Notes)
	}
}

func flipped(data []byte) []byte {
	out := bytes.Clone(data)
	out[len(out)-100] ^= 4
	return out
}

// An image that is none is named, and leaves no file.
func TestBadJPEG(t *testing.T) {
	cache, dir := t.TempDir(), t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	if err := os.CopyFS(dir, os.DirFS(cifarFixtures)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "test", "cat", "0000.jpg"), []byte("no image"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("cifar10", dir); err == nil || !strings.Contains(err.Error(), "test/cat/0000.jpg") {
		t.Errorf("%v", err)
	}
	if found, _ := filepath.Glob(filepath.Join(cache, "lawa-replay", "data", "*.safetensors")); len(found) > 0 {
		t.Errorf("it left %v", found)
	}
}

// A folder may be called as a pattern is.
func TestFolderNamedLikeAPattern(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cifar[1]")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "test_batch.bin"), make([]byte, 2*(1+cifarBytes)), 0o644); err != nil {
		t.Fatal(err)
	}
	set, err := Open("cifar10", dir)
	if err != nil {
		t.Fatal(err)
	}
	if set.Val.Len() != 2 {
		t.Errorf("%d images", set.Val.Len())
	}
}
