package dataset

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/lawa-replay/lawa-replay/internal/input"
)

// The classes of CIFAR-10 in the order of their labels.
var cifar10Classes = []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}

// cifar10Norms: ImageNet's statistics, by which github.com/akamaster/pytorch_resnet_cifar10 normalises, and
// CIFAR-10's own.
var cifar10Norms = []norm{
	{"imagenet", []float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}},
	{"cifar", []float32{0.4914, 0.4822, 0.4465}, []float32{0.2470, 0.2435, 0.2616}},
}

const (
	cifarSide    = 32
	cifarBytes   = 3 * cifarSide * cifarSide
	maxCIFAR     = 100_000 // images in a split
	maxCIFARJPEG = 1 << 16 // bytes of one JPEG
	maxCIFARFile = 1 << 30 // bytes of an archive
)

// openCIFAR10 reads CIFAR-10 (Krizhevsky 2009, "Learning multiple layers of features from tiny images"): its
// binary version (data_batch_1.bin … test_batch.bin), or images in train/CLASS/*.jpg and test/CLASS/*.jpg, in a
// folder or a .tar.gz of one.
func openCIFAR10(dir string) (*Set, error) {
	if dir == "" {
		return nil, errors.New("--data-dir must name the folder with data_batch_1.bin …, or with train/CLASS and test/CLASS of JPEG files, or a .tar.gz of one")
	}
	set, err := readCIFAR10(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if set.Val == nil {
		return nil, fmt.Errorf("%s: no test images in it", dir)
	}
	return set, nil
}

func readCIFAR10(dir string) (*Set, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		f, _, err := input.Open(dir, maxCIFARFile)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, err
		}
		return fromTar(tar.NewReader(z))
	}
	if _, err := os.Stat(filepath.Join(dir, "test_batch.bin")); err == nil {
		return fromBinary(dir)
	}
	return fromFolders(dir)
}

// picture is one image with its place in the data set.
type picture struct {
	path  string
	label int64
	file  []byte // JPEG
}

// pictures collects those of the two splits.
type pictures map[string][]picture

// add decodes the JPEG file at a path such as test/cat/0001.jpg; others are passed over.
func (p pictures) add(name string, open func() (io.Reader, error)) error {
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
	file, err := io.ReadAll(io.LimitReader(r, maxCIFARJPEG+1))
	if err == nil && len(file) > maxCIFARJPEG {
		err = fmt.Errorf("more than %d bytes, which is no image of %d×%d", maxCIFARJPEG, cifarSide, cifarSide)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	p[parts[0]] = append(p[parts[0]], picture{strings.Join(parts, "/"), int64(label), file})
	return nil
}

// set decodes the pictures, on all cores.
func (p pictures) set() (*Set, error) {
	set := &Set{}
	for _, s := range []struct {
		folder, name string
		split        **Split
	}{{"train", "train", &set.Train}, {"test", "val", &set.Val}} {
		list := p[s.folder]
		if len(list) == 0 {
			continue
		}
		slices.SortFunc(list, func(a, b picture) int { return strings.Compare(a.path, b.path) })
		split := newCIFAR10(s.name)
		split.N = len(list)
		split.Images, split.Labels = make([]uint8, len(list)*cifarBytes), make([]int64, len(list))
		var g errgroup.Group
		g.SetLimit(runtime.GOMAXPROCS(0))
		const some = 1000
		for from := 0; from < len(list); from += some {
			g.Go(func() error {
				for i := from; i < min(from+some, len(list)); i++ {
					pixels, err := decodeJPEG(bytes.NewReader(list[i].file))
					if err != nil {
						return fmt.Errorf("%s: %w", list[i].path, err)
					}
					copy(split.Images[i*cifarBytes:], pixels)
					split.Labels[i] = list[i].label
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return nil, err
		}
		*s.split = split.seal()
	}
	return set, nil
}

func newCIFAR10(name string) *Split {
	return &Split{Name: name, Channels: 3, Height: cifarSide, Width: cifarSide, Classes: 10, Mean: cifar10Norms[0].mean, Std: cifar10Norms[0].std}
}

func fromTar(t *tar.Reader) (*Set, error) {
	p := pictures{}
	for {
		h, err := t.Next()
		if err == io.EOF {
			return p.set()
		}
		if err == nil && h.Typeflag == tar.TypeReg {
			err = p.add(h.Name, func() (io.Reader, error) { return t, nil })
		}
		if err != nil {
			return nil, err
		}
	}
}

func fromFolders(dir string) (*Set, error) {
	p := pictures{}
	for _, split := range []string{"train", "test"} {
		for _, class := range cifar10Classes {
			names, err := filepath.Glob(filepath.Join(dir, split, class, "*"))
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				f, _, err := input.Open(name, maxCIFARJPEG)
				if err != nil {
					return nil, err
				}
				err = p.add(strings.Join([]string{split, class, filepath.Base(name)}, "/"), func() (io.Reader, error) { return f, nil })
				f.Close()
				if err != nil {
					return nil, err
				}
			}
		}
	}
	return p.set()
}

// fromBinary reads the binary version: records of one byte label and 3×32×32 bytes.
func fromBinary(dir string) (*Set, error) {
	set := &Set{}
	for _, s := range []struct {
		name, files string
		split       **Split
	}{{"train", "data_batch_*.bin", &set.Train}, {"val", "test_batch.bin", &set.Val}} {
		names, err := filepath.Glob(filepath.Join(dir, s.files))
		if err != nil || len(names) == 0 {
			continue
		}
		slices.Sort(names)
		split := newCIFAR10(s.name)
		for _, name := range names {
			data, err := input.ReadFile(name, maxCIFAR*(1+cifarBytes))
			if err != nil {
				return nil, err
			}
			if n := len(data); n%(1+cifarBytes) != 0 {
				return nil, fmt.Errorf("%s: %d bytes, which are no whole records of %d", filepath.Base(name), n, 1+cifarBytes)
			}
			for record := range slices.Chunk(data, 1+cifarBytes) {
				if record[0] > 9 {
					return nil, fmt.Errorf("%s: image %d has label %d", filepath.Base(name), split.N, record[0])
				}
				split.Labels, split.Images = append(split.Labels, int64(record[0])), append(split.Images, record[1:]...)
				split.N++
			}
		}
		*s.split = split.seal()
	}
	return set, nil
}

// decodeJPEG decodes an image of 32×32 to 3×32×32 bytes.
func decodeJPEG(r io.ReadSeeker) ([]uint8, error) {
	// Its size first: the decoder takes memory for what the header claims, up to gigabytes.
	c, err := jpeg.DecodeConfig(r)
	if err != nil {
		return nil, err
	}
	if c.Width != cifarSide || c.Height != cifarSide {
		return nil, fmt.Errorf("an image of %d×%d, expected %d×%d", c.Width, c.Height, cifarSide, cifarSide)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	m, err := jpeg.Decode(r)
	if err != nil {
		return nil, err
	}
	if b := m.Bounds(); b.Dx() != cifarSide || b.Dy() != cifarSide { // a second header in it
		return nil, fmt.Errorf("an image of %d×%d, expected %d×%d", b.Dx(), b.Dy(), cifarSide, cifarSide)
	}
	out := make([]uint8, cifarBytes)
	const plane = cifarSide * cifarSide
	if y, ok := m.(*image.YCbCr); ok {
		cb, cr := upsample(y.Cb, y), upsample(y.Cr, y)
		for i := range plane {
			luma := y.Y[i/cifarSide*y.YStride+i%cifarSide]
			out[i], out[plane+i], out[2*plane+i] = toRGB(int(luma), int(cb[i])-128, int(cr[i])-128)
		}
		return out, nil
	}
	for i := range plane {
		r, g, b, _ := m.At(i%cifarSide, i/cifarSide).RGBA()
		out[i], out[plane+i], out[2*plane+i] = uint8(r>>8), uint8(g>>8), uint8(b>>8)
	}
	return out, nil
}

// toRGB converts as libjpeg does (jdcolor.c): 16 bits of fraction, rounded.
func toRGB(y, cb, cr int) (r, g, b uint8) {
	clamp := func(v int) uint8 { return uint8(max(0, min(255, v))) }
	const half = 1 << 15
	return clamp(y + (91881*cr+half)>>16), clamp(y + (-22554*cb-46802*cr+half)>>16), clamp(y + (116130*cb+half)>>16)
}

// upsample brings a chroma plane to the size of the image as libjpeg does by default ("fancy upsampling",
// jdsample.c): halved ones by a triangle filter, 3/4 of the nearer sample and 1/4 of the farther.
func upsample(c []uint8, m *image.YCbCr) []uint8 {
	const n = cifarSide
	out := make([]uint8, n*n)
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		const half = n / 2
		at := func(x, y int) int { return int(c[y*m.CStride+x]) }
		for y := range n {
			near := y / 2
			far := near - 1
			if y%2 == 1 {
				far = near + 1
			}
			far = max(0, min(half-1, far))
			column := func(x int) int { return 3*at(x, near) + at(x, far) }
			for x := range half {
				here := column(x)
				left, right := column(max(0, x-1)), column(min(half-1, x+1))
				out[y*n+2*x], out[y*n+2*x+1] = uint8((3*here+left+8)>>4), uint8((3*here+right+7)>>4)
			}
		}
	case image.YCbCrSubsampleRatio422:
		const half = n / 2
		for y := range n {
			at := func(x int) int { return int(c[y*m.CStride+max(0, min(half-1, x))]) }
			for x := range half {
				out[y*n+2*x], out[y*n+2*x+1] = uint8((3*at(x)+at(x-1)+1)>>2), uint8((3*at(x)+at(x+1)+2)>>2)
			}
		}
	default:
		for i := range out {
			out[i] = c[m.COffset(i%n, i/n)]
		}
	}
	return out
}
