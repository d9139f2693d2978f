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
	have := set.Val.Images
	if set.Train != nil || set.Val.N != 30 || len(have) != len(want) || set.Val.Labels[4] != 1 {
		t.Fatalf("%d images, %d bytes, expected 30 of the test split", set.Val.N, len(have))
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
	for i := range folder.Val.N {
		records = append(append(records, byte(folder.Val.Labels[i])), folder.Val.Images[i*cifarBytes:(i+1)*cifarBytes]...)
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
	if d := folder.Val.Digest(); tarred.Val.Digest() != d || binary.Val.Digest() != d || binary.Train.Digest() != d {
		t.Error("the same images have different digests")
	}
	if err := os.WriteFile(filepath.Join(dir, "test_batch.bin"), records[:100], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("cifar10", dir); err == nil || !strings.Contains(err.Error(), "no whole records") {
		t.Errorf("a short record: %v", err)
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
	if usual.Spec != "cifar10:val=5" || own.Spec != "cifar10:norm=cifar,val=5" || own.Val.Mean[0] != 0.4914 || own.Val.Digest() == usual.Val.Digest() {
		t.Errorf("%s, %s: means %v and %v", usual.Spec, own.Spec, usual.Val.Mean, own.Val.Mean)
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
		if pixels, err := decodeJPEG(bytes.NewReader(data)); err == nil && len(pixels) != cifarBytes {
			t.Fatalf("%d bytes of pixels", len(pixels))
		}
	})
}
