package dataset

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset/picture"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// Augment is what random changes training images undergo, in the order of torchvision's reference training: a part that
// is resized or a shift, a flip, colours, an erased rectangle. The zero value is none. What is drawn is drawn one image
// after another; what is computed of that may be computed by any number of workers.
type Augment struct {
	Shift int  // up to so many pixels in each direction, black moving in
	Flip  bool // left to right, every other time

	// Scale is from which to which share of the image's area a part is cut, and resized to the whole (torchvision's
	// RandomResizedCrop); 0, 0: none is. Ratio is from which to which ratio of its width to its height.
	Scale, Ratio [2]float64
	// Jitter are the bounds of torchvision's ColorJitter: brightness, contrast, saturation, hue.
	Jitter [4]float64
	// Erase is the probability of torchvision's RandomErasing, with its usual scale and ratio. What is erased becomes
	// the mean that images are normalised by.
	Erase float64
}

// The areas and ratios of torchvision's RandomResizedCrop and RandomErasing where none are given.
var (
	cropRatio  = [2]float64{3. / 4, 4. / 3}
	eraseScale = [2]float64{0.02, 0.33}
	eraseRatio = [2]float64{0.3, 3.3}
)

// augmentOptions are those that all sets of images take.
var augmentOptions = []spec.Option{
	{Name: "shift", Default: "0", About: "training images are shifted by up to N pixels each way, black moving in"},
	{Name: "flip", Default: "false", About: "training images are mirrored, every other time"},
	{Name: "resized-crop", About: "MIN/MAX: of training images a part of this share of the area is resized to the whole, as in 0.08/1 (RandomResizedCrop)"},
	{Name: "ratio", Default: "0.75/1.3333333333333333", About: "MIN/MAX of that part's width to its height"},
	{Name: "jitter", About: "brightness/contrast/saturation/hue of training images change by up to this, as in 0.4/0.4/0.4/0.1 (ColorJitter)"},
	{Name: "erase", Default: "0", About: "probability that a rectangle of a training image becomes the mean (RandomErasing)"},
}

// parseAugment takes the options.
func parseAugment(s *spec.Spec) Augment {
	a := Augment{Shift: s.Int("shift", 0, 0), Flip: s.Bool("flip", false), Erase: s.Float("erase", 0, 0, 1)}
	if copy(a.Scale[:], numbers(s, "resized-crop", 2, 2, 1)) == 2 {
		if a.Scale[0] <= 0 || a.Scale[0] > a.Scale[1] {
			s.Fail("resized-crop=%g/%g: the least share is above 0, and at most the largest", a.Scale[0], a.Scale[1])
		}
		if a.Shift > 0 {
			s.Fail("shift and resized-crop are not both possible")
		}
		a.Ratio = cropRatio
	}
	if given := numbers(s, "ratio", 2, 2, 1000); given != nil {
		if a.Scale == ([2]float64{}) {
			s.Fail("ratio is that of resized-crop, which is not given")
		}
		if given[0] <= 0 || given[0] > given[1] {
			s.Fail("ratio=%g/%g: the least is above 0, and at most the largest", given[0], given[1])
		}
		copy(a.Ratio[:], given)
	}
	copy(a.Jitter[:], numbers(s, "jitter", 1, 4, 1000))
	if a.Jitter[3] > 0.5 {
		s.Fail("jitter: a hue of %g; at most 0.5, half of the circle", a.Jitter[3])
	}
	return a
}

// numbers takes least to most numbers from 0 to max, with / between them; nil where the key is not given.
func numbers(s *spec.Spec, key string, least, most int, max float64) []float64 {
	given := s.Has(key)
	text := s.Text(key, "")
	if !given {
		return nil
	}
	var out []float64
	for _, part := range strings.Split(text, "/") {
		v, err := strconv.ParseFloat(part, 64)
		if err != nil || !(v >= 0 && v <= max) {
			s.Fail("%s=%s: want numbers from 0 to %g with / between them", key, text, max)
			return nil
		}
		out = append(out, v)
	}
	if len(out) < least || len(out) > most {
		s.Fail("%s=%s: %d numbers; want %d to %d", key, text, len(out), least, most)
		return nil
	}
	return out
}

// texts are the options as key=value; what is as usual is left out.
func (a Augment) texts() []string {
	var out []string
	add := func(given bool, key string, values ...float64) {
		if !given {
			return
		}
		var parts []string
		for _, v := range values {
			parts = append(parts, strconv.FormatFloat(v, 'g', -1, 64))
		}
		out = append(out, key+"="+strings.Join(parts, "/"))
	}
	add(a.Shift > 0, "shift", float64(a.Shift))
	if a.Flip {
		out = append(out, "flip=true")
	}
	add(a.Scale != [2]float64{}, "resized-crop", a.Scale[:]...)
	add(a.Scale != [2]float64{} && a.Ratio != cropRatio, "ratio", a.Ratio[:]...)
	add(a.Jitter != [4]float64{}, "jitter", a.Jitter[:]...)
	add(a.Erase > 0, "erase", a.Erase)
	return out
}

// check says whether images of a field can be changed so.
func (a Augment) check(f Field) error {
	if h, w := f.Shape[1], f.Shape[2]; int64(a.Shift) >= min(h, w) {
		return fmt.Errorf("shift=%d on images of %d×%d", a.Shift, h, w)
	}
	if f.Shape[0] == 1 && a.Jitter[2]+a.Jitter[3] > 0 {
		return fmt.Errorf("jitter: saturation and hue of grey images; brightness/contrast are possible")
	}
	return nil
}

// costly says that applying it is worth several workers.
func (a Augment) costly() bool { return a.Scale != [2]float64{} || a.Jitter != [4]float64{} }

// change is what was drawn for one image.
type change struct {
	dy, dx  int
	flip    bool
	part    image.Rectangle // of the stored image; empty: all of it
	order   [4]int          // of the jitters
	factors [4]float64
	erased  image.Rectangle
}

// draw draws the changes of an image, of which width × height is stored, that becomes outWidth × outHeight: rows,
// columns, mirror, in this order, then the part, colours, and what is erased.
func (a Augment) draw(rng *rand.Rand, width, height, outWidth, outHeight int) change {
	var c change
	if a.Shift > 0 {
		c.dy, c.dx = rng.IntN(2*a.Shift+1)-a.Shift, rng.IntN(2*a.Shift+1)-a.Shift
	}
	if a.Flip {
		c.flip = rng.IntN(2) == 1
	}
	if a.Scale != [2]float64{} {
		c.part = drawPart(rng, width, height, a.Scale, a.Ratio)
	}
	if a.Jitter != [4]float64{} {
		copy(c.order[:], rng.Perm(4))
		for i, by := range a.Jitter[:3] {
			c.factors[i] = uniform(rng, max(0, 1-by), 1+by)
		}
		c.factors[3] = uniform(rng, -a.Jitter[3], a.Jitter[3])
	}
	if a.Erase > 0 && rng.Float64() < a.Erase {
		c.erased = drawErased(rng, outWidth, outHeight)
	}
	return c
}

// drawAll draws the changes of images, one after another; nil where there are none. size gives what is stored of one.
func (a Augment) drawAll(rng *rand.Rand, indices []int, size func(i int) (width, height int), outWidth, outHeight int) []change {
	if rng == nil || a == (Augment{}) {
		return nil
	}
	out := make([]change, len(indices))
	for j, i := range indices {
		width, height := size(i)
		out[j] = a.draw(rng, width, height, outWidth, outHeight)
	}
	return out
}

// spread calls do for 0 to below n, on all cores if it is worth that. Faults of the mapped file are errors.
func spread(n int, costly bool, file string, do func(j int) error) error {
	each := func(from, step int) error {
		for j := from; j < n; j += step {
			if err := do(j); err != nil {
				return err
			}
		}
		return nil
	}
	workers := min(n, runtime.GOMAXPROCS(0))
	if !costly || workers < 2 {
		return guarded(file, func() error { return each(0, 1) })
	}
	var g errgroup.Group
	for w := range workers {
		g.Go(func() error { return guarded(file, func() error { return each(w, workers) }) })
	}
	return g.Wait()
}

func guarded(file string, do func() error) error {
	if file == "" {
		return do()
	}
	return checkpoint.Guard(file, do)
}

func uniform(rng *rand.Rand, from, to float64) float64 { return from + (to-from)*rng.Float64() }

// drawSides are the sides of a rectangle of a share of an area, a being to b as the ratio drawn evenly in its logarithm.
func drawSides(rng *rand.Rand, area float64, scale, ratio [2]float64) (a, b int) {
	area *= uniform(rng, scale[0], scale[1])
	r := math.Exp(uniform(rng, math.Log(ratio[0]), math.Log(ratio[1])))
	return int(math.RoundToEven(math.Sqrt(area * r))), int(math.RoundToEven(math.Sqrt(area / r)))
}

// drawPart is RandomResizedCrop.get_params of torchvision: ten tries, then the centre.
func drawPart(rng *rand.Rand, width, height int, scale, ratio [2]float64) image.Rectangle {
	for range 10 {
		w, h := drawSides(rng, float64(width*height), scale, ratio)
		if 0 < w && w <= width && 0 < h && h <= height {
			y, x := rng.IntN(height-h+1), rng.IntN(width-w+1)
			return image.Rect(x, y, x+w, y+h)
		}
	}
	w, h := width, height
	switch r := float64(width) / float64(height); {
	case r < ratio[0]:
		h = int(math.RoundToEven(float64(w) / ratio[0]))
	case r > ratio[1]:
		w = int(math.RoundToEven(float64(h) * ratio[1]))
	}
	w, h = max(1, min(w, width)), max(1, min(h, height))
	x, y := (width-w)/2, (height-h)/2
	return image.Rect(x, y, x+w, y+h)
}

// drawErased is RandomErasing.get_params of torchvision: ten tries, then nothing.
func drawErased(rng *rand.Rand, width, height int) image.Rectangle {
	for range 10 {
		h, w := drawSides(rng, float64(width*height), eraseScale, eraseRatio)
		if h < height && w < width {
			y, x := rng.IntN(height-h+1), rng.IntN(width-w+1)
			return image.Rect(x, y, x+w, y+h)
		}
	}
	return image.Rectangle{}
}

// pixels are an image: planes of height × width, one behind the other.
type pixels struct {
	pix           []uint8
	width, height int
}

// apply makes dst of src: of the same size, unless a part is cut out and resized with a filter. fill is what erased
// pixels become, by the channel.
func (c change) apply(dst, src pixels, filter picture.Filter, fill []uint8) error {
	if c.part.Empty() {
		c.shift(dst.pix, src.pix, dst.height, dst.width)
	} else {
		if err := resizePart(dst, src, c.part, filter); err != nil {
			return err
		}
		if c.flip {
			for row := range slices.Chunk(dst.pix, dst.width) {
				slices.Reverse(row)
			}
		}
	}
	if c.order != [4]int{} {
		c.jitter(dst)
	}
	for i, v := range fill {
		plane := dst.pix[i*dst.width*dst.height:]
		for y := c.erased.Min.Y; y < c.erased.Max.Y; y++ {
			row := plane[y*dst.width:][c.erased.Min.X:c.erased.Max.X]
			for x := range row {
				row[x] = v
			}
		}
	}
	return nil
}

// shift moves and mirrors.
func (c change) shift(dst, src []uint8, height, width int) {
	clear(dst)
	for at := 0; at < len(src); at += height * width {
		for y := max(0, c.dy); y < min(height, height+c.dy); y++ {
			to := dst[at+y*width : at+(y+1)*width]
			from := src[at+(y-c.dy)*width : at+(y-c.dy+1)*width]
			copy(to[max(0, c.dx):], from[max(0, -c.dx):width-max(0, c.dx)])
			if c.flip {
				slices.Reverse(to)
			}
		}
	}
}

// resizePart cuts out and resizes, in this order as resized_crop of torchvision does: what is outside the part has no
// share in its edges.
func resizePart(dst, src pixels, part image.Rectangle, filter picture.Filter) error {
	p := &picture.Picture{Width: src.width, Height: src.height, Pix: src.pix}
	if len(src.pix) == src.width*src.height { // grey
		p.Pix = slices.Repeat(src.pix, 3)
	}
	p = p.Crop(part)
	out, err := p.Resize(image.Rect(0, 0, p.Width, p.Height), dst.width, dst.height, image.Rect(0, 0, dst.width, dst.height), filter)
	if err != nil {
		return err
	}
	copy(dst.pix, out.Pix)
	return nil
}
