package dataset

import (
	"fmt"
	"image"
	"path/filepath"

	"github.com/lawa-replay/lawa-replay/dataset/picture"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// decoding is how the images of a list are made.
type decoding struct {
	list         imageList
	resize, crop int // resize 0: as large as they are
	filter       picture.Filter
	turn         bool
	whole        bool // the resized image is kept, not its centre alone
}

// how says it, for the name of what is made.
func (d decoding) how() string {
	return fmt.Sprintf("%sdecoder %d, resize %d, crop %d, %s, turn %v, whole %v", storeVersion, picture.Version, d.resize, d.crop, d.filter.Name, d.turn, d.whole)
}

const maxImageFile = 256 << 20 // bytes of one file

// sizes are those of the resized image, and the part of it that is kept.
func (d decoding) sizes(width, height int) (w, h int, part image.Rectangle, err error) {
	w, h = width, height
	if d.resize > 0 {
		w, h = picture.Shorter(width, height, d.resize)
	}
	if w < d.crop || h < d.crop {
		return 0, 0, part, fmt.Errorf("%d×%d pixels, from which none of %d×%d can be cut", w, h, d.crop, d.crop)
	}
	part = image.Rect(0, 0, w, h)
	if !d.whole {
		part = picture.Centre(w, h, d.crop, d.crop)
	}
	if part.Dx() > maxImageSide || part.Dy() > maxImageSide {
		err = fmt.Errorf("%d×%d pixels become %d×%d, which is too long", width, height, w, h)
	}
	return w, h, part, err
}

// decode reads one file.
func (d decoding) decode(i int) (*picture.Picture, error) {
	data, err := input.ReadFile(filepath.Join(d.list.dir, d.list.files[i].path), maxImageFile)
	if err != nil {
		return nil, err
	}
	p, err := picture.Decode(data, d.turn)
	if err != nil {
		return nil, err
	}
	w, h, part, err := d.sizes(p.Width, p.Height)
	if err != nil {
		return nil, err
	}
	if w == p.Width && h == p.Height {
		return p.Crop(part), nil
	}
	return p.Resize(image.Rect(0, 0, p.Width, p.Height), w, h, part, d.filter)
}

// need is how many bytes the images take: where they are kept whole, by the headers of some of them.
func (d decoding) need() int64 {
	n := int64(len(d.list.files))
	if !d.whole {
		return n * (3*int64(d.crop)*int64(d.crop) + storeEntry)
	}
	const sample = 64
	sum, known := int64(0), int64(0)
	for i := range min(sample, n) {
		data, err := input.ReadFile(filepath.Join(d.list.dir, d.list.files[i*n/min(sample, n)].path), maxImageFile)
		if err != nil {
			continue
		}
		if width, height, err := picture.Size(data, d.turn); err == nil {
			if w, h, _, err := d.sizes(width, height); err == nil {
				sum, known = sum+3*int64(w)*int64(h), known+1
			}
		}
	}
	return n * (sum/max(1, known) + storeEntry)
}
