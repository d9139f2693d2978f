package dataset

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// cifar10 is read from its binary version (data_batch_1.bin … test_batch.bin), or from images in train/CLASS/*.jpg and
// test/CLASS/*.jpg, in a folder or a .tar.gz of one.
var cifar10 = imageKind(spec.Kind[Source]{
	Name: "cifar10", About: "32×32 pictures in ten classes: the binary version, or JPEG files in a folder or a .tar.gz",
	Source:   `Krizhevsky, "Learning multiple layers of features from tiny images" (2009)`,
	Examples: []string{"cifar10", "cifar10:norm=cifar,shift=4,flip=true"},
}, []normNamed{
	// By which github.com/akamaster/pytorch_resnet_cifar10 normalises, and CIFAR-10's own.
	{"imagenet", Norm{[]float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}}},
	{"cifar", Norm{[]float32{0.4914, 0.4822, 0.4465}, []float32{0.2470, 0.2435, 0.2616}}},
}, openCIFAR10)

// The classes of CIFAR-10 in the order of their labels.
var cifar10Classes = []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}

const (
	cifarSide  = 32
	cifarBytes = 3 * cifarSide * cifarSide
	maxCIFAR   = 100_000 // images in a split
)

var cifarShape = []int64{3, cifarSide, cifarSide}

func openCIFAR10(dir string, norm Norm) (imageSet, error) {
	if dir == "" {
		return imageSet{}, hint.With(errors.New("its folder is missing"), "data-dir", "names the folder with data_batch_1.bin …, or with train/CLASS and test/CLASS of JPEG files, or a .tar.gz of one")
	}
	found, err := readCIFAR10(dir)
	if err == nil && len(found.splits["test"].labels) == 0 {
		err = errors.New("no test images in it")
	}
	if err != nil {
		return imageSet{}, fmt.Errorf("%s: %w", dir, err)
	}
	split := func(name string, d decoded) *images {
		s := newImages(name, [3]int{3, cifarSide, cifarSide}, len(cifar10Classes), norm, d.pixels, d.labels)
		s.file = d.file
		return s
	}
	set := imageSet{val: split("val", found.splits["test"]), notes: found.notes}
	if train := found.splits["train"]; len(train.labels) > 0 {
		set.train = split("train", train)
	}
	return set, nil
}

func readCIFAR10(dir string) (decodedSet, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return decodedSet{}, err
	}
	if !info.IsDir() {
		return fromArchive(dir)
	}
	if _, err := os.Stat(filepath.Join(dir, "test_batch.bin")); err == nil {
		return fromBinary(dir)
	}
	return fromFolders(dir)
}

// fromBinary reads the binary version: records of one byte label and 3×32×32 bytes.
func fromBinary(dir string) (decodedSet, error) {
	set := decodedSet{splits: map[string]decoded{}}
	for split, files := range map[string]string{"train": "data_batch_*.bin", "test": "test_batch.bin"} {
		names, err := input.List(dir, files)
		if err != nil {
			return set, err
		}
		var d decoded
		for _, name := range names {
			data, err := input.ReadFile(name, maxCIFAR*(1+cifarBytes))
			if err != nil {
				return set, err
			}
			if n := len(data); n%(1+cifarBytes) != 0 {
				return set, fmt.Errorf("%s: %d bytes, which are no whole records of %d", filepath.Base(name), n, 1+cifarBytes)
			}
			for record := range slices.Chunk(data, 1+cifarBytes) {
				if int(record[0]) >= len(cifar10Classes) {
					return set, fmt.Errorf("%s: image %d has label %d", filepath.Base(name), len(d.labels), record[0])
				}
				d.labels, d.pixels = append(d.labels, int64(record[0])), append(d.pixels, record[1:]...)
			}
		}
		set.splits[split] = d
	}
	return set, nil
}
