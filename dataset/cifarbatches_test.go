package dataset

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// python2 pickles what the published files hold, with the opcodes that Python 2 wrote them with.
func python2(pixels []byte, labels map[string][]byte) []byte {
	var b bytes.Buffer
	le := binary.LittleEndian
	text := func(s string) { b.WriteString("U" + string([]byte{byte(len(s))}) + s) }
	n := len(pixels) / cifarBytes
	b.WriteString("\x80\x02}(")
	text("batch_label")
	text("training batch 1 of 5")
	for key, values := range labels {
		text(key)
		b.WriteString("](")
		for _, v := range values {
			b.WriteString("K" + string([]byte{v}))
		}
		b.WriteString("e")
	}
	text("data")
	b.WriteString("cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85")
	text("b")
	b.WriteString("\x87R(K\x01")
	b.Write(append(le.AppendUint32([]byte("J"), uint32(n)), "M\x00\x0c\x86cnumpy\ndtype\n"...))
	text("u1")
	b.WriteString("K\x00K\x01\x87R(K\x03")
	text("|")
	b.WriteString("NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89")
	b.Write(le.AppendUint32([]byte("T"), uint32(len(pixels))))
	b.Write(pixels)
	b.WriteString("tbu.")
	return b.Bytes()
}

// cifarPixels are n images, each other than the rest.
func cifarPixels(n, seed int) []byte {
	out := make([]byte, n*cifarBytes)
	for i := range out {
		out[i] = byte(i*7 + i/cifarBytes + seed)
	}
	return out
}

// published writes a data set in the Python and in the binary version, with two images in each file.
func published(t *testing.T, dir string, c cifarFiles) {
	t.Helper()
	for _, f := range c.forms {
		if err := os.Mkdir(filepath.Join(dir, f.folder), 0o755); err != nil {
			t.Fatal(err)
		}
		for i, file := range f.files() {
			pixels := cifarPixels(2, i)
			coarse, fine := []byte{byte(i), 7}, []byte{byte(i + 1), 9}
			data := python2(pixels, map[string][]byte{"labels": fine, "fine_labels": fine, "coarse_labels": coarse})
			if !f.pickled {
				data = nil
				for j := range 2 {
					data = append(data, [][]byte{{fine[j]}, {coarse[j], fine[j]}}[f.labelBytes-1]...)
					data = append(data, pixels[j*cifarBytes:(j+1)*cifarBytes]...)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, f.folder, file.name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func tarred(t *testing.T, dir, folder, to string) {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	names, err := os.ReadDir(filepath.Join(dir, folder))
	if err != nil {
		t.Fatal(err)
	}
	for i := range names { // in another order than theirs, as in the published ones
		name := names[len(names)-1-i].Name()
		data, err := os.ReadFile(filepath.Join(dir, folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteHeader(&tar.Header{Name: folder + "/" + name, Typeflag: tar.TypeReg, Size: int64(len(data)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	z.Close()
	if err := os.WriteFile(to, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A split is the same whichever form it was read from: Python's pickles, binary records, a folder or an archive.
func TestPublishedForms(t *testing.T) {
	for _, text := range []string{"cifar10", "cifar100", "cifar100:labels=coarse"} {
		c := map[bool]cifarFiles{true: cifar10Files, false: cifar100Files}[text == "cifar10"]
		dir := t.TempDir()
		published(t, dir, c)
		var places []string
		for _, f := range c.forms {
			alone := t.TempDir()
			tarred(t, dir, f.folder, filepath.Join(alone, f.archive))
			places = append(places, filepath.Join(dir, f.folder), filepath.Join(alone, f.archive), alone)
		}
		var first *Set
		for _, place := range append(places, dir) {
			set, err := Open(text, place)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if first == nil {
				first = set
				l := labels(t, set.Val)
				want := map[string]int64{"cifar10": 6, "cifar100": 2, "cifar100:labels=coarse": 1}[text]
				if set.Spec != text || set.Train.Len() != 2*len(c.forms[0].train) || l[0] != want || !strings.Contains(strings.Join(set.Notes, " "), "not the published files") {
					t.Errorf("%s: %s, %d images, labels %v, %q", text, set.Spec, set.Train.Len(), l, set.Notes)
				}
			}
			if digest(t, set.Val) != digest(t, first.Val) || digest(t, set.Train) != digest(t, first.Train) {
				t.Errorf("%s: %s holds something else than %s", text, place, places[0])
			}
		}
	}
}

// What is missing or wrong is named, with where the files are to be had.
func TestPublishedFormsMissing(t *testing.T) {
	for _, text := range []string{"cifar10", "cifar100"} {
		for _, dir := range []string{"", t.TempDir()} {
			_, err := Open(text, dir)
			for _, want := range []string{"https://www.cs.toronto.edu/~kriz/cifar.html", "python.tar.gz of 1", "MD5 "} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, expected %q in it", text, err, want)
				}
			}
		}
	}
	dir := t.TempDir()
	published(t, dir, cifar10Files)
	if err := os.Remove(filepath.Join(dir, "cifar-10-batches-py", "data_batch_3")); err != nil {
		t.Fatal(err)
	}
	set, err := Open("cifar10", dir)
	if err != nil || !strings.Contains(strings.Join(set.Notes, "\n"), "data_batch_3 missing") {
		t.Errorf("%v", err)
	}
	whole := python2(cifarPixels(2, 0), map[string][]byte{"labels": {1, 2}})
	for want, data := range map[string][]byte{
		"cut short":                     whole[:len(whole)-100],
		"labels is no list of a label":  python2(cifarPixels(2, 0), map[string][]byte{"labels": {1}}),
		"image 1 has label 10":          python2(cifarPixels(2, 0), map[string][]byte{"labels": {1, 10}}),
		"something else than a diction": []byte("K\x01."),
		"no array data":                 []byte("}."),
	} {
		if err := os.WriteFile(filepath.Join(dir, "cifar-10-batches-py", "test_batch"), data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open("cifar10", dir); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "test_batch") {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}
