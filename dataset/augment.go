package dataset

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset/picture"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// Augment is what random changes training images undergo, in this order. Each is drawn for each image in turn; what is not
// asked for draws nothing.
type Augment struct {
	// Resized, above 0, takes a part of the image of that to all of its area, between 3:4 and 4:3 wide, and resizes it:
	// torchvision's RandomResizedCrop with scale=(Resized, 1).
	Resized float64
	Shift   int    // up to so many pixels in each direction, black moving in
	Flip    bool   // left to right, every other time
	Jitter  Jitter // of colours
	// Erase is how often a part, of 2 to 33 % of the area and 0.3 to 3.3 wide, becomes the colour that normalises to 0, but for
	// rounding: torchvision's RandomErasing.
	Erase float64
}

// Jitter is how far torchvision's ColorJitter changes colours: factors from 1−x to 1+x, and a turn of the hue by up to
// Hue of the circle.
type Jitter struct{ Brightness, Contrast, Saturation, Hue float64 }

// augmentOptions are those of Augment.
var augmentOptions = []spec.Option{
	{Name: "random-resized-crop", About: "training images are a part of the image, of N to 1 of its area, resized; 0.08 is torchvision's"},
	{Name: "shift", Default: "0", About: "training images are shifted by up to N pixels each way, black moving in"},
	{Name: "flip", Default: "false", About: "training images are mirrored, every other time"},
	{Name: "jitter", Default: "0/0/0/0", About: "brightness, contrast, saturation and hue of training images change by up to so much, as torchvision's ColorJitter has it"},
	{Name: "erase", Default: "0", About: "how often a part of a training image is erased, as torchvision's RandomErasing does"},
}

func parseAugment(s *spec.Spec) Augment {
	a := Augment{Resized: s.Float("random-resized-crop", 0, 0, 1), Shift: s.Int("shift", 0, 0), Flip: s.Bool("flip", false), Erase: s.Float("erase", 0, 0, 1)}
	j := numbers(s, "jitter", s.Text("jitter", "0/0/0/0"), "0/0/0/0")
	a.Jitter = Jitter{j[0], j[1], j[2], j[3]}
	if slices.Min(j) < 0 || a.Jitter.Hue > 0.5 {
		s.Fail("jitter=%g/%g/%g/%g: want numbers of at least 0, and at most 0.5 for the hue", j[0], j[1], j[2], j[3])
	}
	return a
}

// spec are the options that are not as usual.
func (a Augment) spec() []string {
	var out []string
	if a.Resized > 0 {
		out = append(out, fmt.Sprintf("random-resized-crop=%g", a.Resized))
	}
	if a.Shift > 0 {
		out = append(out, fmt.Sprintf("shift=%d", a.Shift))
	}
	if a.Flip {
		out = append(out, "flip=true")
	}
	if j := a.Jitter; j != (Jitter{}) {
		out = append(out, fmt.Sprintf("jitter=%g/%g/%g/%g", j.Brightness, j.Contrast, j.Saturation, j.Hue))
	}
	if a.Erase > 0 {
		out = append(out, fmt.Sprintf("erase=%g", a.Erase))
	}
	return out
}

// check says whether the images are such that they can be changed so.
func (a Augment) check(f Field) error {
	c, h, w := f.Shape[0], f.Shape[1], f.Shape[2]
	switch {
	case int64(a.Shift) >= min(h, w):
		return fmt.Errorf("shift=%d on images of %d×%d", a.Shift, h, w)
	case a.Shift > 0 && a.Resized > 0:
		return fmt.Errorf("shift=%d and random-resized-crop=%g: one of them moves the image", a.Shift, a.Resized)
	case c != 3 && (a.Resized > 0 || a.Jitter != (Jitter{})):
		return fmt.Errorf("random-resized-crop and jitter on images of %d channels: they are of colour images", c)
	}
	return nil
}

// change is what was drawn for one image. All are drawn before any is computed, so that several cores may compute them.
type change struct {
	part    image.Rectangle // that is resized; empty: none
	dy, dx  int
	flip    bool
	colours []colour
	erased  image.Rectangle
}

// colour is one change of colours.
type colour struct {
	what int // 0 brightness, 1 contrast, 2 saturation, 3 hue
	by   float64
}

// drawAll draws the changes of images, one after another; nil where there are none. size gives what is stored of the one
// of an index; they become width × height.
func (a Augment) drawAll(rng *rand.Rand, indices []int, size func(i int) (width, height int), width, height int) []change {
	if rng == nil || a == (Augment{}) {
		return nil
	}
	out := make([]change, len(indices))
	for j, i := range indices {
		w, h := size(i)
		out[j] = a.draw(rng, w, h, width, height)
	}
	return out
}

// draw draws the part, rows, columns, mirror, colours, and what is erased, in this order.
func (a Augment) draw(rng *rand.Rand, storedWidth, storedHeight, width, height int) change {
	var c change
	if a.Resized > 0 {
		c.part = a.part(storedWidth, storedHeight, rng)
	}
	if a.Shift > 0 {
		c.dy, c.dx = rng.IntN(2*a.Shift+1)-a.Shift, rng.IntN(2*a.Shift+1)-a.Shift
	}
	if a.Flip {
		c.flip = rng.IntN(2) == 1
	}
	if a.Jitter != (Jitter{}) {
		c.colours = a.Jitter.draw(rng)
	}
	if a.Erase > 0 && rng.Float64() < a.Erase {
		c.erased = drawErased(rng, width, height)
	}
	return c
}

// costly says that computing it is worth several cores.
func (a Augment) costly() bool { return a.Resized > 0 || a.Jitter != (Jitter{}) }

// spread calls do for 0 to below n, on all cores if that is worth it. Faults of the mapped file are errors.
func spread(n int, costly bool, file string, do func(j int) error) error {
	each := func(from, step int) error {
		if file == "" {
			return strided(from, step, n, do)
		}
		return checkpoint.Guard(file, func() error { return strided(from, step, n, do) })
	}
	workers := min(n, runtime.GOMAXPROCS(0))
	if !costly || workers < 2 {
		return each(0, 1)
	}
	var g errgroup.Group
	for w := range workers {
		g.Go(func() error { return each(w, workers) })
	}
	return g.Wait()
}

func strided(from, step, n int, do func(j int) error) error {
	for j := from; j < n; j += step {
		if err := do(j); err != nil {
			return err
		}
	}
	return nil
}

// image changes a picture into dst, height × width, of which at is the part that is seen without changes.
func (c change) image(dst []uint8, p *picture.Picture, at image.Rectangle, height, width int, norm *Norm) error {
	if !c.part.Empty() {
		part := p.Crop(c.part)
		resized, err := part.Resize(image.Rect(0, 0, part.Width, part.Height), width, height, image.Rect(0, 0, width, height), picture.Filters()[0])
		if err != nil {
			return err
		}
		p, at = resized, image.Rect(0, 0, width, height)
	}
	if at.Dx() != p.Width || at.Dy() != p.Height {
		p = p.Crop(at)
	}
	c.apply(dst, p.Pix, height, width, norm)
	return nil
}

// part draws what RandomResizedCrop takes of an image.
func (a Augment) part(width, height int, rng *rand.Rand) image.Rectangle {
	area := float64(width * height)
	for range 10 {
		target := area * (a.Resized + (1-a.Resized)*rng.Float64())
		least, most := math.Log(3.0/4), math.Log(4.0/3)
		ratio := math.Exp(least + (most-least)*rng.Float64())
		w, h := int(math.RoundToEven(math.Sqrt(target*ratio))), int(math.RoundToEven(math.Sqrt(target/ratio)))
		if w > 0 && w <= width && h > 0 && h <= height {
			y, x := rng.IntN(height-h+1), rng.IntN(width-w+1)
			return image.Rect(x, y, x+w, y+h)
		}
	}
	w, h := width, height
	switch ratio := float64(width) / float64(height); {
	case ratio < 3.0/4:
		h = int(math.RoundToEven(float64(w) * 4 / 3))
	case ratio > 4.0/3:
		w = int(math.RoundToEven(float64(h) * 4 / 3))
	}
	w, h = max(1, min(w, width)), max(1, min(h, height))
	y, x := (height-h)/2, (width-w)/2
	return image.Rect(x, y, x+w, y+h)
}

// apply changes an image of its own size: it is shifted, mirrored, coloured, erased.
func (c change) apply(dst, src []uint8, height, width int, norm *Norm) {
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
	p := &picture.Picture{Width: width, Height: height, Pix: dst}
	for _, j := range c.colours {
		[]func(float64){p.Brighten, p.Contrast, p.Saturate, p.TurnHue}[j.what](j.by)
	}
	if !c.erased.Empty() {
		c.erase(dst, height, width, norm)
	}
}

// draw draws changes of colours, in an order that is drawn, too.
func (j Jitter) draw(rng *rand.Rand) []colour {
	var out []colour
	about := func(x float64) float64 { return max(0, 1-x) + (1+x-max(0, 1-x))*rng.Float64() }
	for _, what := range rng.Perm(4) {
		switch x := [4]float64{j.Brightness, j.Contrast, j.Saturation, j.Hue}[what]; {
		case x == 0:
		case what == 3:
			out = append(out, colour{what, x * (2*rng.Float64() - 1)})
		default:
			out = append(out, colour{what, about(x)})
		}
	}
	return out
}

// drawErased draws a part; empty where none fits.
func drawErased(rng *rand.Rand, width, height int) image.Rectangle {
	area := float64(height * width)
	for range 10 {
		target := area * (0.02 + (0.33-0.02)*rng.Float64())
		least, most := math.Log(0.3), math.Log(3.3)
		ratio := math.Exp(least + (most-least)*rng.Float64())
		h, w := int(math.RoundToEven(math.Sqrt(target*ratio))), int(math.RoundToEven(math.Sqrt(target/ratio)))
		if h >= height || w >= width || h == 0 || w == 0 {
			continue
		}
		y, x := rng.IntN(height-h+1), rng.IntN(width-w+1)
		return image.Rect(x, y, x+w, y+h)
	}
	return image.Rectangle{}
}

// erase gives a part the mean colour.
func (c change) erase(dst []uint8, height, width int, norm *Norm) {
	for channel := 0; channel*height*width < len(dst); channel++ {
		level := uint8(0)
		if norm != nil {
			level = uint8(math.Round(255 * min(1, max(0, float64(norm.Mean[channel])))))
		}
		for y := c.erased.Min.Y; y < c.erased.Max.Y; y++ {
			row := dst[(channel*height+y)*width:]
			for x := c.erased.Min.X; x < c.erased.Max.X; x++ {
				row[x] = level
			}
		}
	}
}
