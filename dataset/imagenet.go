package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

const imageNetName = "imagenet"

// imageNet is ILSVRC 2012, with its validation images in folders of classes or flat.
var imageNet = photoKind(spec.Kind[Source]{
	Name: imageNetName, About: "ILSVRC 2012: train/WNID and val/WNID of a folder, or a flat val with a file of labels",
	Source:   "Russakovsky et al. (arXiv 1409.0575)",
	Examples: []string{"imagenet", "imagenet:/data/imagenet,labels=val.txt,flip=true"},
	Options:  []spec.Option{{Name: "labels", About: "the file of labels of a flat val, below the folder or elsewhere; by itself one of the usual names"}},
}, openImageNet)

// The usual names of files of labels, in the order in which they are looked for.
var labelFiles = []string{"val.txt", "val_labels.txt", "imagenet_2012_validation_synset_labels.txt", "LOC_val_solution.csv"}

const groundTruth = "ILSVRC2012_validation_ground_truth.txt"

// imageNetFiles says where the files are to be had; sizes and checksums as image-net.org and torchvision give them.
const imageNetFiles = "the files are to be had, after signing in, from image-net.org: " +
	"ILSVRC2012_img_train.tar (147,897,477,120 bytes, MD5 1d675b47d978889d74fa0da5fadfb00e), one .tar for each class in it, unpacked to train/WNID/*.JPEG; " +
	"ILSVRC2012_img_val.tar (6,744,924,160 bytes, MD5 29b22e2961454d5413ddabcf34fc5622), unpacked to val/*.JPEG with a file of labels beside it, or to val/WNID/*.JPEG"

func openImageNet(p photoSpec, o Opening) (*Set, error) {
	if p.dir == "" {
		return nil, hint.With(errors.New("its folder is missing; "+imageNetFiles), "data-dir", "names the folder with train and val")
	}
	if !isFolder(p.dir) || !isFolder(filepath.Join(p.dir, "val")) {
		return nil, fmt.Errorf("%s holds no folder val; %s", p.dir, imageNetFiles)
	}
	valDir := filepath.Join(p.dir, "val")
	inVal, err := classesIn(valDir)
	if err != nil {
		return nil, err
	}
	if len(inVal) > 0 {
		if p.labels != "" {
			return nil, fmt.Errorf("labels=%s, but %s has folders of classes", p.labels, valDir)
		}
		return openImageFolder(p, o)
	}
	var classes []string
	hasTrain := isFolder(filepath.Join(p.dir, "train"))
	if hasTrain {
		if classes, err = classesIn(filepath.Join(p.dir, "train")); err != nil {
			return nil, err
		}
	}
	val, classes, note, err := p.flat(valDir, classes)
	if err != nil {
		return nil, err
	}
	train, err := p.trainList(hasTrain, classes, "val")
	if err != nil {
		return nil, err
	}
	return p.set(train, val, len(classes), []string{note}, o)
}

// flat lists a folder of images, labelled by a file. The classes are those of the training split; nil: those that the
// file names.
func (p photoSpec) flat(dir string, classes []string) (imageList, []string, string, error) {
	files, err := listImages(dir, ".", 0)
	list := imageList{dir, files}
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s holds no images; %s", dir, imageNetFiles)
	}
	if err != nil {
		return list, nil, "", err
	}
	path, err := p.labelFile()
	if err != nil {
		return list, nil, "", err
	}
	data, err := input.ReadFile(path, input.Text)
	if err != nil {
		return list, nil, "", err
	}
	labels, err := readLabels(data, files)
	if err == nil {
		classes, err = labels.put(files, classes)
	}
	if err != nil {
		return list, nil, "", fmt.Errorf("%s: %w", path, err)
	}
	return list, classes, fmt.Sprintf("the labels of val, of %d classes, are those of %s", len(classes), path), nil
}

// labelFile finds the file of labels.
func (p photoSpec) labelFile() (string, error) {
	if p.labels != "" {
		below := filepath.Join(p.dir, p.labels)
		if _, err := os.Stat(below); err == nil && !filepath.IsAbs(p.labels) {
			return below, nil
		}
		return p.labels, nil
	}
	for _, dir := range []string{p.dir, filepath.Join(p.dir, "val")} {
		for _, name := range labelFiles {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				return filepath.Join(dir, name), nil
			}
		}
	}
	return "", fmt.Errorf("%s is flat, and no file of labels is in %s: one line for each image, NAME.JPEG WNID or NAME.JPEG INDEX (looked for: %s); write another as in imagenet:labels=FILE. %s of the devkit has numbers of its own order, not that of the sorted WNIDs, and is not read",
		filepath.Join(p.dir, "val"), p.dir, strings.Join(labelFiles, ", "), groundTruth)
}

// imageLabels are what a file of labels says, by the names of the images.
type imageLabels map[string]string

// readLabels reads lines of NAME LABEL, of Kaggle's table (ImageId,PredictionString), or of WNIDs alone, one for each
// image in the order of their names.
func readLabels(data []byte, files []imageFile) (imageLabels, error) {
	out := imageLabels{}
	var alone []string
	for i, line := range strings.Split(string(bytes.TrimRight(data, "\r\n")), "\n") {
		fields := strings.FieldsFunc(strings.TrimSpace(line), func(r rune) bool { return r == ' ' || r == '\t' || r == ',' })
		switch {
		case len(fields) == 0 || i == 0 && fields[0] == "ImageId":
			continue
		case len(fields) == 1:
			alone = append(alone, fields[0])
			continue
		}
		name := stem(fields[0])
		if have, twice := out[name]; twice && have != fields[1] {
			return nil, fmt.Errorf("line %d: %s has the labels %s and %s", i+1, name, have, fields[1])
		}
		out[name] = fields[1]
	}
	if len(alone) == 0 {
		return out, nil
	}
	if len(out) > 0 || len(alone) != len(files) {
		return nil, fmt.Errorf("%d lines of one word, %d of two; %d images", len(alone), len(out), len(files))
	}
	if _, err := strconv.Atoi(alone[0]); err == nil {
		return nil, fmt.Errorf("numbers alone: those of the devkit (%s) follow its own order, not that of the sorted WNIDs that networks are trained with; a file with NAME.JPEG WNID is wanted", groundTruth)
	}
	for i, f := range files {
		out[stem(f.path)] = alone[i]
	}
	return out, nil
}

// stem is a file's name without folders and extension.
func stem(name string) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	return strings.TrimSuffix(name, filepath.Ext(name))
}

// put labels the files, and gives the classes.
func (l imageLabels) put(files []imageFile, classes []string) ([]string, error) {
	numbers := true
	var names []string
	for i := range files {
		label, ok := l[stem(files[i].path)]
		if !ok {
			return nil, fmt.Errorf("no label for %s", files[i].path)
		}
		_, err := strconv.Atoi(label)
		numbers = numbers && err == nil
		names = append(names, label)
	}
	if numbers {
		return l.numbers(files, names, classes)
	}
	if classes == nil {
		classes = slices.Compact(slices.Sorted(slices.Values(names)))
	}
	for i, name := range names {
		at, ok := slices.BinarySearch(classes, name)
		if !ok {
			return nil, fmt.Errorf("%s is of class %s, which train does not have", files[i].path, name)
		}
		files[i].label = int64(at)
	}
	return classes, nil
}

// numbers takes labels that are places among the sorted classes, from 0.
func (l imageLabels) numbers(files []imageFile, names, classes []string) ([]string, error) {
	const most = 1_000_000
	smallest, largest := int64(most), int64(0)
	for i, name := range names {
		v, err := strconv.ParseInt(name, 10, 64)
		if err != nil || v < 0 || v >= most {
			return nil, fmt.Errorf("%s has the label %s", files[i].path, name)
		}
		files[i].label, smallest, largest = v, min(smallest, v), max(largest, v)
	}
	if classes == nil && smallest > 0 {
		return nil, fmt.Errorf("labels from %d to %d, and no train to compare with: whether they count from 0 cannot be told", smallest, largest)
	}
	if classes == nil {
		classes = make([]string, largest+1)
	}
	if largest >= int64(len(classes)) {
		return nil, fmt.Errorf("a label of %d, and train has %d classes: labels are their places from 0", largest, len(classes))
	}
	return classes, nil
}
