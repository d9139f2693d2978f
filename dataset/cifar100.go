package dataset

import "github.com/lawa-replay/lawa-replay/internal/spec"

// cifar100 has two labels for each image: of a hundred classes, and of twenty that these belong to.
var cifar100 = imageKind(spec.Kind[Source]{
	Name: "cifar100", About: "32×32 pictures in a hundred classes, or in twenty coarse ones: the Python or binary version, in a folder or a .tar.gz",
	Source:   `Krizhevsky, "Learning multiple layers of features from tiny images" (2009)`,
	Examples: []string{"cifar100", "cifar100:shift=4,flip=true", "cifar100:labels=coarse"},
}, []normNamed{
	// CIFAR-100's own, and ImageNet's.
	{"cifar", Norm{[]float32{0.5071, 0.4865, 0.4409}, []float32{0.2673, 0.2564, 0.2762}}},
	{"imagenet", Norm{[]float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}}},
}, []string{"fine", "coarse"}, cifar100Files.open)

// Checksums as the page of the data set and torchvision give them.
var cifar100Files = cifarFiles{
	name:   "cifar100",
	labels: []cifarLabels{{"fine", "fine_labels", 1, 100}, {"coarse", "coarse_labels", 0, 20}},
	forms: []cifarForm{{
		archive: "cifar-100-python.tar.gz", bytes: 169_001_437, md5: "eb9058c3a382ffc7106e4002c42a8d85", folder: "cifar-100-python", pickled: true,
		train: []cifarFile{{"train", "16019d7e3df5f24257cddd939b257f8d"}},
		test:  cifarFile{"test", "f0ef6b0ae62326f3e7ffdfab6717acfc"},
	}, {
		archive: "cifar-100-binary.tar.gz", bytes: 168_513_733, md5: "03b5dce01913d631647c71ecec9e9cb8", folder: "cifar-100-binary", labelBytes: 2,
		train: []cifarFile{{"train.bin", ""}},
		test:  cifarFile{"test.bin", ""},
	}},
}
