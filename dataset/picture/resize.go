package picture

import (
	"fmt"
	"image"
	"math"
)

// Filter is how a picture is resized, by PIL's names.
type Filter struct {
	Name    string
	support float64 // 0: nearest
	weight  func(float64) float64
}

// Filters are those that there are; the first is torchvision's usual one.
func Filters() []Filter {
	return []Filter{
		{"bilinear", 1, func(x float64) float64 { return max(0, 1-math.Abs(x)) }},
		{"bicubic", 2, bicubic},
		{Name: "nearest"},
	}
}

// bicubic is Keys' kernel with a = −0.5.
func bicubic(x float64) float64 {
	const a = -0.5
	switch x = math.Abs(x); {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

// Shorter is the size that torchvision's Resize(n) gives: the shorter side n, the longer one rounded down.
func Shorter(width, height, n int) (int, int) {
	if width <= height {
		return n, int(float64(n) * float64(height) / float64(width))
	}
	return int(float64(n) * float64(width) / float64(height)), n
}

// Centre is the part that torchvision's CenterCrop takes of a picture that is at least as large: halves to even.
func Centre(width, height, w, h int) image.Rectangle {
	x, y := int(math.RoundToEven(float64(width-w)/2)), int(math.RoundToEven(float64(height-h)/2))
	return image.Rect(x, y, x+w, y+h)
}

// Resize gives a part of what Image.resize((width, height), filter, box) of Pillow 13.0 makes of the picture's box, to the bit:
// triangle or cubic weights stretched with the scale, rounded to 22 bits, and 8 bits between the two passes. What lies
// outside of the part is not computed.
func (p *Picture) Resize(box image.Rectangle, width, height int, part image.Rectangle, f Filter) (*Picture, error) {
	if !box.In(image.Rect(0, 0, p.Width, p.Height)) || box.Empty() || !part.In(image.Rect(0, 0, width, height)) || part.Empty() {
		return nil, fmt.Errorf("a part %v of %d×%d, made of %v of %d×%d", part, width, height, box, p.Width, p.Height)
	}
	if part.Dx() > MaxPixels/part.Dy() {
		return nil, fmt.Errorf("%d×%d pixels, at most %d", part.Dx(), part.Dy(), MaxPixels)
	}
	if f.support == 0 {
		return p.nearest(box, width, height, part), nil
	}
	across := taps(box.Min.X, box.Dx(), p.Width, width, part.Min.X, part.Max.X, f)
	down := taps(box.Min.Y, box.Dy(), p.Height, height, part.Min.Y, part.Max.Y, f)
	out := New(part.Dx(), part.Dy())
	// Pillow 13 begins with the direction in which more is gained.
	downFirst := height < box.Dy() && box.Dy()-height > 2*(box.Dx()-width)
	for c := range 3 {
		in := plane{p.Plane(c), p.Width}
		to := plane{out.Plane(c), out.Width}
		if downFirst {
			between := plane{make([]uint8, p.Width*len(down)), p.Width}
			between.fromRows(in, down)
			to.fromColumns(between, across)
			continue
		}
		last := down[len(down)-1]
		first, end := down[0].from, last.from+len(last.weights)
		between := plane{make([]uint8, out.Width*end), out.Width} // rows above first stay empty
		plane{between.pix[first*out.Width:], out.Width}.fromColumns(plane{in.pix[first*p.Width : end*p.Width], p.Width}, across)
		to.fromRows(between, down)
	}
	return out, nil
}

// plane is rows of one channel.
type plane struct {
	pix   []uint8
	width int
}

// fromColumns makes each row of the same row of in.
func (p plane) fromColumns(in plane, across []tap) {
	for y := range len(in.pix) / in.width {
		horizontal(p.pix[y*p.width:][:p.width], in.pix[y*in.width:][:in.width], across)
	}
}

// fromRows makes each row of several rows of in.
func (p plane) fromRows(in plane, down []tap) {
	sums := make([]int32, p.width)
	for y, t := range down {
		vertical(p.pix[y*p.width:][:p.width], in.pix[t.from*in.width:], t.weights, sums)
	}
}

// tap is how one value is made: of the source's from on.
type tap struct {
	from    int
	weights []int32
}

const fraction = 22 // bits of a weight

// taps are those of the values begin to end of n that are made of size, beginning at offset, of limit (Resample.c,
// precompute_coeffs).
func taps(offset, size, limit, n, begin, end int, f Filter) []tap {
	scale := float64(size) / float64(n)
	stretch := max(scale, 1)
	support := f.support * stretch
	out := make([]tap, end-begin)
	for i := range out {
		centre := float64(offset) + (float64(begin+i)+0.5)*scale
		from, to := max(0, int(centre-support+0.5)), min(limit, int(centre+support+0.5))
		weights, sum := make([]float64, to-from), 0.0
		for k := range weights {
			weights[k] = f.weight((float64(k+from) - centre + 0.5) * (1 / stretch))
			sum += weights[k]
		}
		out[i] = tap{from, make([]int32, to-from)}
		for k, w := range weights {
			if sum != 0 {
				w /= sum
			}
			out[i].weights[k] = int32(w*(1<<fraction) + math.Copysign(0.5, w))
		}
	}
	return out
}

func horizontal(out, in []uint8, across []tap) {
	for x, t := range across {
		sum := int32(1 << (fraction - 1))
		from := in[t.from:][:len(t.weights)]
		for k, w := range t.weights {
			sum += int32(from[k]) * w
		}
		out[x] = clamp(sum >> fraction)
	}
}

func vertical(out, rows []uint8, weights, sums []int32) {
	for x := range sums {
		sums[x] = 1 << (fraction - 1)
	}
	for k, w := range weights {
		for x, v := range rows[k*len(out):][:len(out)] {
			sums[x] += int32(v) * w
		}
	}
	for x, s := range sums {
		out[x] = clamp(s >> fraction)
	}
}

// nearest takes the source's pixel under the centre of each.
func (p *Picture) nearest(box image.Rectangle, width, height int, part image.Rectangle) *Picture {
	out := New(part.Dx(), part.Dy())
	at := func(i, offset, size, n int) int {
		scale := float64(size) / float64(n)
		return min(offset+size-1, int(float64(offset)+scale*0.5+float64(i)*scale))
	}
	for y := range out.Height {
		from := at(part.Min.Y+y, box.Min.Y, box.Dy(), height) * p.Width
		for x := range out.Width {
			sx := at(part.Min.X+x, box.Min.X, box.Dx(), width)
			for c := range 3 {
				out.Pix[(c*out.Height+y)*out.Width+x] = p.Pix[c*p.Width*p.Height+from+sx]
			}
		}
	}
	return out
}
