package dataset

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/rebuild"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// cifarFiles are the forms in which one of Krizhevsky's data sets is published.
type cifarFiles struct {
	name   string
	jpeg   bool // it is also read from folders of JPEG files
	labels []cifarLabels
	forms  []cifarForm
}

// cifarLabels are labels that can be chosen.
type cifarLabels struct {
	name    string // "" where there is no choice
	key     string // in the pickled dictionary
	at      int    // byte of a binary record
	classes int
}

// cifarForm is one of the forms: an archive, with a folder of files in it.
type cifarForm struct {
	archive    string
	bytes      int64
	md5        string
	folder     string
	pickled    bool // Python's; else records of labelBytes and 3×32×32 bytes
	labelBytes int
	train      []cifarFile
	test       cifarFile
}

type cifarFile struct{ name, md5 string }

func (f cifarForm) files() []cifarFile { return append(slices.Clone(f.train), f.test) }

// wanted says which files are read, where they are to be had, how large they are and what their checksums are.
func (c cifarFiles) wanted() string {
	var forms []string
	for _, f := range c.forms {
		var files []string
		for _, file := range f.files() {
			if file.md5 != "" {
				file.name += " (MD5 " + file.md5 + ")"
			}
			files = append(files, file.name)
		}
		forms = append(forms, fmt.Sprintf("%s of %s bytes, MD5 %s, packed or unpacked to %s with %s", f.archive, humanize.Comma(f.bytes), f.md5, f.folder, strings.Join(files, ", ")))
	}
	if c.jpeg {
		forms = append(forms, "JPEG files in train/CLASS and test/CLASS")
	}
	return "what is read: " + strings.Join(forms, "; or ") + "; to be had from https://www.cs.toronto.edu/~kriz/cifar.html"
}

// read finds the form that a folder or an archive has.
func (c cifarFiles) read(dir string, labels cifarLabels) (decodedSet, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return decodedSet{}, err
	}
	if !info.IsDir() {
		return c.fromArchive(dir, labels)
	}
	for _, f := range c.forms {
		for _, folder := range []string{dir, filepath.Join(dir, f.folder)} {
			if isFile(filepath.Join(folder, f.test.name)) {
				return f.fromFolder(folder, labels)
			}
		}
	}
	if c.jpeg {
		if set, err := fromFolders(dir); err != nil || len(set.splits["test"].labels) > 0 {
			return set, err
		}
	}
	for _, f := range c.forms { // where torchvision downloaded it to
		if path := filepath.Join(dir, f.archive); isFile(path) {
			return c.fromArchive(path, labels)
		}
	}
	return decodedSet{}, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// fromFolder reads the files of a form, into memory.
func (f cifarForm) fromFolder(dir string, labels cifarLabels) (decodedSet, error) {
	found := cifarBatches{}
	for _, file := range f.files() {
		path := filepath.Join(dir, file.name)
		r, size, err := input.Open(path, maxCIFARBatch)
		if errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return decodedSet{}, err
		}
		found[file.name], err = f.batch(r, size, file, labels)
		r.Close()
		if err != nil {
			return decodedSet{}, fmt.Errorf("%s: %w", file.name, err)
		}
	}
	set := decodedSet{splits: map[string]decoded{"train": found.join(f.train), "test": found.join([]cifarFile{f.test})}, notes: f.notes(found)}
	return set, nil
}

// cifarBatches are files that were read, by their names.
type cifarBatches map[string]*cifarBatch

// cifarBatch is what one file holds.
type cifarBatch struct {
	decoded
	altered bool // its MD5 is not the published one
}

// join puts files behind one another, those that are missing left out.
func (b cifarBatches) join(files []cifarFile) decoded {
	var out decoded
	for _, f := range files {
		if got := b[f.name]; got != nil {
			out.labels, out.pixels = append(out.labels, got.labels...), append(out.pixels, got.pixels...)
		}
	}
	return out
}

// notes say what is missing or not as published.
func (f cifarForm) notes(found cifarBatches) []string {
	var missing, altered, out []string
	for _, file := range f.files() {
		switch b := found[file.name]; {
		case b == nil:
			missing = append(missing, file.name)
		case b.altered:
			altered = append(altered, file.name)
		}
	}
	if len(missing) > 0 && len(missing) < len(f.train) {
		out = append(out, fmt.Sprintf("the training split is not whole: %s missing", strings.Join(missing, ", ")))
	}
	if len(altered) > 0 {
		out = append(out, fmt.Sprintf("not the published files, by their MD5: %s", strings.Join(altered, ", ")))
	}
	return out
}

const maxCIFARBatch = maxCIFAR * (2 + cifarBytes)

// batch reads one file of a form.
func (f cifarForm) batch(r io.Reader, size int64, file cifarFile, labels cifarLabels) (*cifarBatch, error) {
	h := md5.New()
	r = io.TeeReader(r, h)
	var d decoded
	var err error
	if f.pickled {
		d, err = pickledBatch(r, size, labels)
	} else {
		d, err = f.records(r, labels)
	}
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, err
	}
	for i, l := range d.labels {
		if l < 0 || l >= int64(labels.classes) {
			return nil, fmt.Errorf("image %d has label %d, expected 0 to %d", i, l, labels.classes-1)
		}
	}
	return &cifarBatch{d, file.md5 != "" && hex.EncodeToString(h.Sum(nil)) != file.md5}, nil
}

// records reads the binary version.
func (f cifarForm) records(r io.Reader, labels cifarLabels) (decoded, error) {
	var all bytes.Buffer
	n, err := io.Copy(&all, io.LimitReader(r, maxCIFARBatch+1))
	width := f.labelBytes + cifarBytes
	switch {
	case err != nil:
		return decoded{}, err
	case n > maxCIFARBatch:
		return decoded{}, fmt.Errorf("more than %d bytes", maxCIFARBatch)
	case n%int64(width) != 0:
		return decoded{}, fmt.Errorf("%d bytes, which are no whole records of %d", n, width)
	}
	d := decoded{pixels: make([]byte, 0, int(n)/width*cifarBytes)}
	for record := range slices.Chunk(all.Bytes(), width) {
		d.labels, d.pixels = append(d.labels, int64(record[labels.at])), append(d.pixels, record[f.labelBytes:]...)
	}
	return d, nil
}

// pickledBatch reads the Python version: a dictionary of an array data, uint8 of images × 3072, and lists of labels.
func pickledBatch(r io.Reader, size int64, labels cifarLabels) (decoded, error) {
	v, err := pickle.NewReader(r, size, maxCIFARBatch).Next(pickle.Options{Call: rebuild.Call})
	if err != nil {
		return decoded{}, err
	}
	dict, ok := v.(*pickle.Dict)
	if !ok {
		return decoded{}, errors.New("a pickle of something else than a dictionary")
	}
	o, ok := entry(dict, "data").(*pickle.Object)
	if !ok || !rebuild.IsArray(o) {
		return decoded{}, errors.New("its dictionary has no array data")
	}
	a := rebuild.Array(o)
	if a.Fault != "" {
		return decoded{}, fmt.Errorf("data: %s", a.Fault)
	}
	if a.DType != "U8" || len(a.Shape) != 2 || a.Shape[1] != cifarBytes || a.Parts[0].Strides != nil {
		return decoded{}, fmt.Errorf("data is %s%v, expected U8[images %d], row behind row", a.DType, a.Shape, cifarBytes)
	}
	list, ok := entry(dict, labels.key).(*pickle.List)
	if !ok || int64(len(list.Items)) != a.Shape[0] {
		return decoded{}, fmt.Errorf("%s is no list of a label for each of the %d images", labels.key, a.Shape[0])
	}
	d := decoded{pixels: make([]byte, a.Shape[0]*cifarBytes)}
	for i, item := range list.Items {
		l, ok := item.(int64)
		if !ok {
			return decoded{}, fmt.Errorf("%s of image %d is no whole number", labels.key, i)
		}
		d.labels = append(d.labels, l)
	}
	_, err = io.ReadFull(a.Parts[0].Record.Reader(), d.pixels)
	return d, err
}

// entry is a dictionary's value of a key, which is a text or, written by Python 3 of Python 2's, bytes.
func entry(d *pickle.Dict, key string) any {
	if v, ok := d.Get(key); ok {
		return v
	}
	for i, k := range d.Keys {
		if b, ok := rebuild.Content(k); ok && string(b) == key {
			return d.Values[i]
		}
	}
	return nil
}
