package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// imageFile is one file of a split.
type imageFile struct {
	path       string // below the list's folder
	label      int64
	size, time int64 // bytes; modification time in nanoseconds
}

// imageList is the files of a split, in its order.
type imageList struct {
	dir   string
	files []imageFile
}

// Files of other images, which torchvision would read too, are refused rather than left out.
var (
	imageExtensions = []string{".jpg", ".jpeg", ".png", ".webp"}
	unreadImages    = []string{".ppm", ".bmp", ".pgm", ".tif", ".tiff"}
)

// maxDepth is how deep a class's folders may lie in each other: they may be links that lead in a circle.
const maxDepth = 16

// classesIn are the names of the folders in a folder, sorted as torchvision's ImageFolder does; links are followed.
func classesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(dir, e.Name()))
		if err == nil && info.IsDir() {
			out = append(out, e.Name())
		}
	}
	slices.Sort(out)
	return out, nil
}

// listClasses lists the files in the folders of the classes, in the order of ImageFolder: by class, then by folder, then
// by name.
func listClasses(dir string, classes []string) (imageList, error) {
	found := make([][]imageFile, len(classes))
	var g errgroup.Group
	g.SetLimit(16) // a file system across a network answers many at once
	for i, class := range classes {
		g.Go(func() (err error) {
			found[i], err = listImages(dir, class, int64(i))
			if err == nil && len(found[i]) == 0 {
				err = fmt.Errorf("class %s: no image (%s) in %s", class, strings.Join(imageExtensions, ", "), filepath.Join(dir, class))
			}
			return err
		})
	}
	err := g.Wait()
	return imageList{dir, slices.Concat(found...)}, err
}

// listImages lists the images below a folder of dir, whose names end as images do.
func listImages(dir, folder string, label int64) ([]imageFile, error) {
	var folders []string
	var walk func(name string, depth int) error
	perFolder := map[string][]imageFile{}
	walk = func(name string, depth int) error {
		if depth > maxDepth {
			return fmt.Errorf("%s: folders more than %d deep: a link that leads back?", filepath.Join(dir, name), maxDepth)
		}
		folders = append(folders, name)
		entries, err := os.ReadDir(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		for _, e := range entries {
			path := filepath.Join(name, e.Name())
			ext := strings.ToLower(filepath.Ext(path))
			if !e.IsDir() && e.Type()&fs.ModeSymlink == 0 && !slices.Contains(imageExtensions, ext) && !slices.Contains(unreadImages, ext) {
				continue
			}
			info, err := os.Stat(filepath.Join(dir, path))
			switch {
			case err != nil:
				return err
			case info.IsDir():
				if err := walk(path, depth+1); err != nil {
					return err
				}
			case slices.Contains(unreadImages, ext):
				return fmt.Errorf("%s: images of this kind are not read; %s are", filepath.Join(dir, path), strings.Join(imageExtensions, ", "))
			case slices.Contains(imageExtensions, ext):
				perFolder[name] = append(perFolder[name], imageFile{path, label, info.Size(), info.ModTime().UnixNano()})
			}
		}
		return nil
	}
	if err := walk(folder, 0); err != nil {
		return nil, err
	}
	slices.Sort(folders)
	var out []imageFile
	for _, f := range folders {
		slices.SortFunc(perFolder[f], func(a, b imageFile) int { return strings.Compare(a.path, b.path) })
		out = append(out, perFolder[f]...)
	}
	return out, nil
}

// digest is that of where the files are, their names, sizes, times and labels: what tells whether they were decoded
// already. What is in them is not read.
func (l imageList) digest(how string) (string, error) {
	dir, err := filepath.Abs(l.dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%q\n", how, dir)
	for _, f := range l.files {
		fmt.Fprintf(h, "%q %d %d %d\n", f.path, f.label, f.size, f.time)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// labels are those of the files.
func (l imageList) labels() []int64 {
	out := make([]int64, len(l.files))
	for i, f := range l.files {
		out[i] = f.label
	}
	return out
}

// sameClasses says how the classes of two splits differ.
func sameClasses(train, val []string, valName string) error {
	missing := func(a, b []string) (out []string) {
		for _, c := range a {
			if _, ok := slices.BinarySearch(b, c); !ok {
				out = append(out, c)
			}
		}
		return out
	}
	var errs []error
	for _, m := range []struct {
		have, lack string
		names      []string
	}{{"train", valName, missing(train, val)}, {valName, "train", missing(val, train)}} {
		if len(m.names) > 0 {
			errs = append(errs, fmt.Errorf("%d classes of %s are not in %s: %s", len(m.names), m.have, m.lack, someOf(m.names)))
		}
	}
	return errors.Join(errs...)
}

// someOf are the first few names.
func someOf(names []string) string {
	if len(names) > 5 {
		return strings.Join(names[:5], ", ") + " …"
	}
	return strings.Join(names, ", ")
}
