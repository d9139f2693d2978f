package dataset

import (
	"errors"
	"fmt"

	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// cifar10 is read from its Python or its binary version, or from images in train/CLASS/*.jpg and test/CLASS/*.jpg, in a
// folder or a .tar.gz of one.
var cifar10 = imageKind(spec.Kind[Source]{
	Name: "cifar10", About: "32×32 pictures in ten classes: the Python or binary version, or JPEG files, in a folder or a .tar.gz",
	Source:   `Krizhevsky, "Learning multiple layers of features from tiny images" (2009)`,
	Examples: []string{"cifar10", "cifar10:norm=cifar,shift=4,flip=true"},
}, []normNamed{
	// By which github.com/akamaster/pytorch_resnet_cifar10 normalises, and CIFAR-10's own.
	{"imagenet", Norm{[]float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}}},
	{"cifar", Norm{[]float32{0.4914, 0.4822, 0.4465}, []float32{0.2470, 0.2435, 0.2616}}},
}, nil, cifar10Files.open)

// The classes of CIFAR-10 in the order of their labels.
var cifar10Classes = []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}

// Checksums as the page of the data set and torchvision give them.
var cifar10Files = cifarFiles{
	name:   "cifar10",
	jpeg:   true,
	labels: []cifarLabels{{"", "labels", 0, 10}},
	forms: []cifarForm{{
		archive: "cifar-10-python.tar.gz", bytes: 170_498_071, md5: "c58f30108f718f92721af3b95e74349a", folder: "cifar-10-batches-py", pickled: true,
		train: []cifarFile{
			{"data_batch_1", "c99cafc152244af753f735de768cd75f"}, {"data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"},
			{"data_batch_3", "54ebc095f3ab1f0389bbae665268c751"}, {"data_batch_4", "634d18415352ddfa80567beed471001a"},
			{"data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"},
		},
		test: cifarFile{"test_batch", "40351d587109b95175f43aff81a1287e"},
	}, {
		archive: "cifar-10-binary.tar.gz", bytes: 170_052_171, md5: "c32a1d4ab5d03f1284b67883e8d87530", folder: "cifar-10-batches-bin", labelBytes: 1,
		train: []cifarFile{{"data_batch_1.bin", ""}, {"data_batch_2.bin", ""}, {"data_batch_3.bin", ""}, {"data_batch_4.bin", ""}, {"data_batch_5.bin", ""}},
		test:  cifarFile{"test_batch.bin", ""},
	}},
}

const (
	cifarSide  = 32
	cifarBytes = 3 * cifarSide * cifarSide
	maxCIFAR   = 100_000 // images in a split
)

var cifarShape = []int64{3, cifarSide, cifarSide}

// open reads the data set.
func (c cifarFiles) open(at imageOpening) (imageSet, error) {
	if at.dir == "" {
		return imageSet{}, hint.With(errors.New("its folder is missing; "+c.wanted()), "data-dir", "names the folder, or the .tar.gz")
	}
	labels := c.labels[0]
	for _, l := range c.labels {
		if l.name == at.labels {
			labels = l
		}
	}
	found, err := c.read(at.dir, labels)
	if err == nil && len(found.splits["test"].labels) == 0 {
		err = errors.New("no test images in it; " + c.wanted())
	}
	if err != nil {
		return imageSet{}, fmt.Errorf("%s: %w", at.dir, err)
	}
	split := func(name string, d decoded) *images {
		s := newImages(name, [3]int{3, cifarSide, cifarSide}, labels.classes, at.norm, d.pixels, d.labels)
		s.file = d.file
		return s
	}
	set := imageSet{val: split("val", found.splits["test"]), notes: found.notes}
	if train := found.splits["train"]; len(train.labels) > 0 {
		set.train = split("train", train)
	}
	return set, nil
}
