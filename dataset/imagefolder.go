package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/dataset/picture"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// imageFolder is torchvision's ImageFolder, in the layout of its examples: train/CLASS/*, val/CLASS/*.
var imageFolder = photoKind(spec.Kind[Source]{
	Name: "imagefolder", About: "JPEG, PNG and WebP files in train/CLASS and val/CLASS of a folder, decoded once",
	Source:   "torchvision's ImageFolder",
	Examples: []string{"imagefolder:photos", "imagefolder:photos,resize=32,crop=32,flip=true", "imagefolder:val=1000"},
}, openImageFolder)

// photoOptions are those of sets of image files, beside those of all images.
var photoOptions = []spec.Option{
	{Name: "resize", Default: "256", About: "the shorter side becomes N; 0: as it is"},
	{Name: "crop", Default: "224", About: "of the resized image, the centre of N×N"},
	{Name: "interpolation", Default: "bilinear", About: "bilinear, bicubic or nearest, as Pillow resizes"},
	{Name: "exif", Default: "ignore", About: "turn: a JPEG is turned as its EXIF says, which Pillow does not by itself"},
	{Name: "mean", Default: "0.485/0.456/0.406", About: "of red, green and blue, by which images are normalised"},
	{Name: "std", Default: "0.229/0.224/0.225", About: "their standard deviations"},
	{Name: "store", Default: "crop", About: "what is kept of decoded training images: crop, the centre alone; whole, the resized image, which is usual with resized-crop"},
	{Name: "skip-broken", Default: "false", About: "images that cannot be decoded are left out and counted"},
	{Name: "holdout", About: "of a folder with one split alone, N images drawn once and for all are the validation split, and the others are trained on"},
	{Name: "train", About: "N training images alone, drawn once and for all"},
	{Name: "val", About: "N validation images alone, drawn once and for all"},
}

// photoSpec is what the text of a set of image files says.
type photoSpec struct {
	options
	dir, labels, store string
	how                decoding
	skip               bool
	holdout            int      // 0: none
	given              []string // canonical key=value of the options of photos
}

// photoKind completes a data set of image files.
func photoKind(k spec.Kind[Source], open func(photoSpec, Opening) (*Set, error)) spec.Kind[Source] {
	k.Options = slices.Concat(photoOptions, k.Options, augmentOptions)
	k.Parse = func(s *spec.Spec) Source {
		p := photoSpec{dir: s.OptionalWord(), options: options{train: s.Int("train", 0, 1), val: s.Int("val", 0, 1), augment: parseAugment(s)}}
		p.parse(s)
		if k.Name == imageNetName {
			p.labels = p.text(s, "labels", "")
		}
		return Source{Spec: p.spec(k.Name), skips: true, open: func(o Opening) (*Set, error) {
			asked := p
			if o.SkipBroken && !p.skip {
				asked.skip = true
				asked.given = append(slices.Clone(p.given), "skip-broken=true")
			}
			text := asked.spec(k.Name)
			if p.dir != "" && o.Dir != "" && filepath.Clean(p.dir) != filepath.Clean(o.Dir) {
				return nil, fmt.Errorf("the folder is named twice: %s, %s", p.dir, o.Dir)
			}
			asked.dir = cmp.Or(p.dir, o.Dir)
			set, err := open(asked, o)
			if err == nil {
				set.Spec = text
			}
			return set, err
		}}
	}
	return k
}

// text takes an option and notes it for the canonical text unless it is as usual.
func (p *photoSpec) text(s *spec.Spec, key, usual string) string {
	v := s.Text(key, usual)
	p.note(key, v, usual)
	return v
}

func (p *photoSpec) note(key, v, usual string) {
	if v != usual {
		p.given = append(p.given, key+"="+v)
	}
}

func (p *photoSpec) parse(s *spec.Spec) {
	p.how.resize, p.how.crop = s.Int("resize", 256, 0), s.Int("crop", 224, 1)
	p.note("resize", strconv.Itoa(p.how.resize), "256")
	p.note("crop", strconv.Itoa(p.how.crop), "224")
	if p.how.resize > 0 && p.how.crop > p.how.resize {
		s.Fail("crop=%d is larger than resize=%d", p.how.crop, p.how.resize)
	}
	const largest = 8192
	if p.how.resize > largest || p.how.crop > largest {
		s.Fail("resize and crop are at most %d", largest)
	}
	var names []string
	for _, f := range picture.Filters() {
		names = append(names, f.Name)
	}
	name := s.Choice("interpolation", names[0], names...)
	p.how.filter = picture.Filters()[max(0, slices.Index(names, name))]
	p.note("interpolation", name, names[0])
	exif := s.Choice("exif", "ignore", "ignore", "turn")
	p.how.turn = exif == "turn"
	p.note("exif", exif, "ignore")
	p.norm.Mean = p.three(s, "mean", "0.485/0.456/0.406")
	p.norm.Std = p.three(s, "std", "0.229/0.224/0.225")
	if slices.ContainsFunc(p.norm.Std, func(v float32) bool { return v <= 0 }) {
		s.Fail("std is above 0")
	}
	store := "crop"
	if p.augment.Scale != [2]float64{} { // parts of the whole image are wanted
		store = "whole"
	}
	p.store = s.Choice("store", store, "crop", "whole")
	p.note("store", p.store, store)
	p.skip = s.Bool("skip-broken", false)
	p.note("skip-broken", strconv.FormatBool(p.skip), "false")
	p.holdout = s.Int("holdout", 0, 1)
	p.note("holdout", strconv.Itoa(p.holdout), "0")
}

// three reads a number for each channel.
func (p *photoSpec) three(s *spec.Spec, key, usual string) []float32 {
	text := p.text(s, key, usual)
	var out []float32
	for _, part := range strings.Split(text, "/") {
		v, err := strconv.ParseFloat(part, 32)
		if err != nil || v != v || v > 1e6 || v < -1e6 {
			s.Fail("%s=%s: three numbers are wanted, as in %s", key, text, usual)
			return []float32{1, 1, 1}
		}
		out = append(out, float32(v))
	}
	if len(out) != 3 {
		s.Fail("%s=%s: three numbers are wanted, as in %s", key, text, usual)
		return []float32{1, 1, 1}
	}
	return out
}

// spec is the canonical text.
func (p photoSpec) spec(name string) string {
	parts := p.given
	if p.dir != "" {
		parts = slices.Concat([]string{p.dir}, parts)
	}
	_, rest, has := strings.Cut(p.options.spec(name, p.norm.name), ":")
	if has {
		parts = append(slices.Clone(parts), rest)
	}
	if len(parts) == 0 {
		return name
	}
	return name + ":" + strings.Join(parts, ",")
}

// openImageFolder finds train, val or test, or classes alone.
func openImageFolder(p photoSpec, o Opening) (*Set, error) {
	if p.dir == "" {
		return nil, hint.With(errors.New("its folder is missing: write it as in imagefolder:photos"), "data-dir", "names it too")
	}
	found, err := classesIn(p.dir)
	if err != nil {
		return nil, err
	}
	has := func(name string) bool { return slices.Contains(found, name) }
	val, notes := "val", []string(nil)
	switch {
	case has("val") && has("test"):
		notes = append(notes, fmt.Sprintf("%s: val is the validation split; test is not used", p.dir))
	case has("val"):
	case has("test"):
		val = "test"
		notes = append(notes, fmt.Sprintf("%s has no val: its test is the validation split", p.dir))
	case has("train"):
		return nil, fmt.Errorf("%s holds train, and neither val nor test to evaluate on", p.dir)
	case len(found) == 0:
		return nil, fmt.Errorf("%s holds no folders: train/CLASS and val/CLASS, or CLASS, are expected", p.dir)
	default:
		val = "."
		notes = append(notes, fmt.Sprintf("%s has neither train nor val: its %d folders are the classes of the validation split", p.dir, len(found)))
	}
	classes, err := classesIn(filepath.Join(p.dir, val))
	if err != nil {
		return nil, err
	}
	if len(classes) == 0 {
		return nil, fmt.Errorf("%s: no folders of classes (a flat folder with a file of labels is read by the data set imagenet)", filepath.Join(p.dir, val))
	}
	valList, err := listClasses(filepath.Join(p.dir, val), classes)
	if err != nil {
		return nil, err
	}
	train, err := p.trainList(has("train") && val != ".", classes, val)
	if err != nil {
		return nil, err
	}
	return p.set(train, valList, len(classes), notes, o)
}

// trainList lists the training split, whose classes are those of val.
func (p photoSpec) trainList(there bool, classes []string, val string) (*imageList, error) {
	if !there {
		return nil, nil
	}
	dir := filepath.Join(p.dir, "train")
	have, err := classesIn(dir)
	if err != nil {
		return nil, err
	}
	if err := sameClasses(have, classes, val); err != nil {
		return nil, fmt.Errorf("%s: %w", p.dir, err)
	}
	list, err := listClasses(dir, classes)
	return &list, err
}

// set makes the data set of the lists; train may be nil.
func (p photoSpec) set(train *imageList, val imageList, classes int, notes []string, o Opening) (*Set, error) {
	set := &Set{Notes: notes}
	split := func(name string, list imageList, whole bool, augment Augment) (Split, error) {
		how := p.how
		how.list, how.whole = list, whole
		s, notes, err := newPhotos(name, how, classes, p.norm.Norm, p.skip, o)
		if err != nil {
			return nil, err
		}
		if err := augment.check(s.fields[0]); err != nil {
			return nil, err
		}
		s.augment = augment
		set.Notes = append(set.Notes, notes...)
		return s, nil
	}
	var err error
	switch {
	case p.holdout > 0 && train != nil:
		return nil, fmt.Errorf("holdout=%d, but there is a training split already", p.holdout)
	case p.holdout > 0:
		all, err := split("val", val, p.store == "whole", p.augment)
		if err != nil {
			return nil, err
		}
		if n := all.Len(); p.holdout >= n {
			return nil, fmt.Errorf("holdout=%d, there are %d images", p.holdout, n)
		}
		set.Val, set.Train = holdOut(all, p.holdout)
	default:
		if set.Val, err = split("val", val, false, Augment{}); err == nil && train != nil {
			set.Train, err = split("train", *train, p.store == "whole", p.augment)
		}
	}
	if err == nil {
		set.Val, err = some(set.Val, p.val)
	}
	switch {
	case err != nil:
	case set.Train != nil:
		set.Train, err = some(set.Train, p.train)
	case p.train > 0:
		err = fmt.Errorf("train=%d, but there is no training split (holdout=N makes one)", p.train)
	}
	return set, err
}

// holdOut draws n examples of a split for validation; the others are those to train on.
func holdOut(s Split, n int) (val, train Split) {
	order := rand.New(rand.NewPCG(1, 0)).Perm(s.Len())
	return newView(s, "val", order[:n], n), newView(s, "train", order[n:], len(order)-n)
}

// some draws n examples of a split whose own order is that of its classes; 0 is all of them.
func some(s Split, n int) (Split, error) {
	switch {
	case n > s.Len():
		return nil, fmt.Errorf("%s=%d, the split holds %d examples", s.Name(), n, s.Len())
	case n == 0 || n == s.Len():
		return s, nil
	}
	return Shuffled(s, 1, n), nil
}

// isFolder says whether there is a folder.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
