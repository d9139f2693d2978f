package dataset

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/input"
)

const (
	maxCIFARJPEG = 1 << 16 // bytes of one JPEG
	maxCIFARFile = 1 << 30 // bytes of an archive
)

// jpegFile is one image with its place in the data set.
type jpegFile struct {
	path  string
	label int64
	data  []byte
}

// jpegFiles are those of the folders train and test.
type jpegFiles map[string][]jpegFile

// add takes the file at a path such as test/cat/0001.jpg; others are passed over.
func (p jpegFiles) add(name string, open func() (io.Reader, error)) error {
	parts := strings.Split(path.Clean(name), "/")
	if len(parts) < 3 {
		return nil
	}
	parts = parts[len(parts)-3:]
	label := slices.Index(cifar10Classes, parts[1])
	ext := strings.ToLower(path.Ext(name))
	if label < 0 || parts[0] != "train" && parts[0] != "test" || ext != ".jpg" && ext != ".jpeg" {
		return nil
	}
	if len(p[parts[0]]) >= maxCIFAR {
		return fmt.Errorf("more than %d images in %s", maxCIFAR, parts[0])
	}
	r, err := open()
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(r, maxCIFARJPEG+1))
	if err == nil && len(data) > maxCIFARJPEG {
		err = fmt.Errorf("more than %d bytes, which is no image of %d×%d", maxCIFARJPEG, cifarSide, cifarSide)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p[parts[0]] = append(p[parts[0]], jpegFile{strings.Join(parts, "/"), int64(label), data})
	return nil
}

// sort puts the files into the order of their paths, which is the splits' own.
func (p jpegFiles) sort() {
	for _, files := range p {
		slices.SortFunc(files, func(a, b jpegFile) int { return strings.Compare(a.path, b.path) })
	}
}

// digest is that of all files and their names.
func (p jpegFiles) digest() string {
	h := sha256.New()
	for _, folder := range []string{"train", "test"} {
		for _, f := range p[folder] {
			fmt.Fprintf(h, "%q %d\n", f.path, len(f.data))
			h.Write(f.data)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// undecoded are the splits of the files.
func (p jpegFiles) undecoded() []undecoded {
	var out []undecoded
	for _, name := range []string{"train", "test"} {
		files := p[name]
		u := undecoded{name: name, decode: func(i int, pixels []byte) error {
			if err := decodeJPEG(pixels, files[i].data); err != nil {
				return fmt.Errorf("%s: %w", files[i].path, err)
			}
			return nil
		}}
		for _, f := range files {
			u.labels = append(u.labels, f.label)
		}
		out = append(out, u)
	}
	return out
}

// fromArchive reads a .tar.gz, which is not unpacked again once its images are in the cache.
func (c cifarFiles) fromArchive(name string, labels cifarLabels) (decodedSet, error) {
	f, _, err := input.Open(name, maxCIFARFile)
	if err != nil {
		return decodedSet{}, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return decodedSet{}, err
	}
	kind := c.name
	if labels.name != "" {
		kind += "-" + labels.name
	}
	var notes []string
	set, err := decodedOnce(kind, hex.EncodeToString(h.Sum(nil)), cifarShape, func() ([]undecoded, error) {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		u := unpacking{cifarFiles: c, chosen: labels, jpegs: jpegFiles{}, batches: cifarBatches{}}
		err := u.unpack(f)
		if err != nil {
			return nil, err
		}
		splits, said, err := u.splits()
		notes = said
		return splits, err
	})
	set.notes = append(set.notes, notes...)
	return set, err
}

// unpacking is what was found in an archive.
type unpacking struct {
	cifarFiles
	chosen  cifarLabels
	jpegs   jpegFiles
	batches cifarBatches
}

// unpack reads a .tar.gz from its beginning to its end.
func (u *unpacking) unpack(r io.Reader) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	t := tar.NewReader(z)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil && h.Typeflag == tar.TypeReg {
			err = u.take(h, t)
		}
		if err != nil {
			return err
		}
	}
}

// take reads one of the published files, or a JPEG; others are passed over.
func (u *unpacking) take(h *tar.Header, r io.Reader) error {
	name := path.Base(path.Clean(h.Name))
	for _, f := range u.forms {
		for _, file := range f.files() {
			if file.name != name {
				continue
			}
			if u.batches[name] != nil {
				return fmt.Errorf("%s: a second file of this name", h.Name)
			}
			if h.Size > maxCIFARBatch {
				return fmt.Errorf("%s: %d bytes, at most %d are read", h.Name, h.Size, maxCIFARBatch)
			}
			b, err := f.batch(r, h.Size, file, u.chosen)
			if err != nil {
				return fmt.Errorf("%s: %w", h.Name, err)
			}
			u.batches[name] = b
			return nil
		}
	}
	if !u.jpeg {
		return nil
	}
	return u.jpegs.add(h.Name, func() (io.Reader, error) { return r, nil })
}

// splits are those of the first form of which the archive has the test images.
func (u *unpacking) splits() ([]undecoded, []string, error) {
	for _, f := range u.forms {
		if u.batches[f.test.name] == nil {
			continue
		}
		var out []undecoded
		for _, s := range []struct {
			name  string
			files []cifarFile
		}{{"train", f.train}, {"test", []cifarFile{f.test}}} {
			d := u.batches.join(s.files)
			out = append(out, undecoded{name: s.name, labels: d.labels, decode: func(i int, pixels []byte) error {
				copy(pixels, d.pixels[i*cifarBytes:])
				return nil
			}})
		}
		return out, f.notes(u.batches), nil
	}
	u.jpegs.sort()
	if len(u.jpegs["test"]) == 0 { // before an empty cache is written
		return nil, nil, errors.New("no test images in it; " + u.wanted())
	}
	return u.jpegs.undecoded(), nil, nil
}

// fromFolders reads train/CLASS and test/CLASS.
func fromFolders(dir string) (decodedSet, error) {
	p := jpegFiles{}
	for _, split := range []string{"train", "test"} {
		for _, class := range cifar10Classes {
			names, err := input.List(filepath.Join(dir, split, class), "*")
			if err != nil {
				return decodedSet{}, err
			}
			for _, name := range names {
				f, _, err := input.Open(name, maxCIFARJPEG)
				if err != nil {
					return decodedSet{}, err
				}
				err = p.add(strings.Join([]string{split, class, filepath.Base(name)}, "/"), func() (io.Reader, error) { return f, nil })
				f.Close()
				if err != nil {
					return decodedSet{}, err
				}
			}
		}
	}
	p.sort()
	return decodedOnce("cifar10", p.digest(), cifarShape, func() ([]undecoded, error) { return p.undecoded(), nil })
}
