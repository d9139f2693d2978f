package dataset

import "math"

// Colours change as torchvision's ColorJitter changes PIL's images: ImageEnhance's Brightness, Contrast and Color, and
// the hue by way of HSV, in Pillow's arithmetic.

// jitter changes colours in the drawn order.
func (c change) jitter(p pixels) {
	for _, what := range c.order {
		switch f := c.factors[what]; what {
		case 0:
			blend(p.pix, func(int) uint8 { return 0 }, f)
		case 1:
			mean := p.meanLuma()
			blend(p.pix, func(int) uint8 { return mean }, f)
		case 2:
			if f != 1 {
				p.saturate(f)
			}
		case 3:
			if f != 0 {
				p.turnHue(f)
			}
		}
	}
}

// blend is Image.blend of a degenerate image and this one.
func blend(pix []uint8, degenerate func(i int) uint8, factor float64) {
	if factor == 1 {
		return
	}
	f := float32(factor)
	for i, v := range pix {
		from := degenerate(i)
		pix[i] = uint8(max(0, min(255, float32(from)+f*float32(int(v)-int(from)))))
	}
}

// luma is Pillow's conversion to L.
func luma(r, g, b uint8) uint8 {
	return uint8((uint32(r)*19595 + uint32(g)*38470 + uint32(b)*7471 + 1<<15) >> 16)
}

// grey says that there is one plane.
func (p pixels) grey() bool { return len(p.pix) == p.width*p.height }

// planes are those of red, green and blue.
func (p pixels) planes() (r, g, b []uint8) {
	n := p.width * p.height
	return p.pix[:n], p.pix[n : 2*n], p.pix[2*n : 3*n]
}

// meanLuma is the rounded mean that contrast is about.
func (p pixels) meanLuma() uint8 {
	sum := 0
	if p.grey() {
		for _, v := range p.pix {
			sum += int(v)
		}
	} else {
		r, g, b := p.planes()
		for i := range r {
			sum += int(luma(r[i], g[i], b[i]))
		}
	}
	return uint8(float64(sum)/float64(p.width*p.height) + 0.5)
}

// saturate blends with the image's own grey.
func (p pixels) saturate(factor float64) {
	r, g, b := p.planes()
	grey := make([]uint8, len(r))
	for i := range grey {
		grey[i] = luma(r[i], g[i], b[i])
	}
	for _, plane := range [][]uint8{r, g, b} {
		blend(plane, func(i int) uint8 { return grey[i] }, factor)
	}
}

// turnHue turns the hue by a share of the circle.
func (p pixels) turnHue(by float64) {
	add := uint8(int32(by * 255))
	r, g, b := p.planes()
	for i := range r {
		h, s, v := toHSV(r[i], g[i], b[i])
		r[i], g[i], b[i] = fromHSV(h+add, s, v)
	}
}

// toHSV is rgb2hsv_row of Pillow's Convert.c.
func toHSV(r, g, b uint8) (h, s, v uint8) {
	most, least := max(r, g, b), min(r, g, b)
	if most == least {
		return 0, 0, most
	}
	span := float32(most - least)
	part := func(x uint8) float32 { return float32(most-x) / span }
	var hue float32
	switch most {
	case r:
		hue = part(b) - part(g)
	case g:
		hue = float32(2 + float64(part(r)) - float64(part(b)))
	default:
		hue = float32(4 + float64(part(g)) - float64(part(r)))
	}
	hue = float32(math.Mod(float64(hue)/6+1, 1))
	return uint8(float64(hue) * 255), uint8(float64(span/float32(most)) * 255), most
}

// fromHSV is hsv2rgb_row.
func fromHSV(h, s, v uint8) (r, g, b uint8) {
	if s == 0 {
		return v, v, v
	}
	sector := math.Floor(float64(h) * 6 / 255)
	f := float64(float32(float64(h)*6/255 - sector))
	share := float64(float32(float64(s) / 255))
	of := func(x float64) uint8 { return uint8(max(0, min(255, math.Round(float64(v)*x)))) }
	p, q, t := of(1-share), of(1-share*f), of(1-share*(1-f))
	switch int(sector) % 6 {
	case 0:
		return v, t, p
	case 1:
		return q, v, p
	case 2:
		return p, v, t
	case 3:
		return p, q, v
	case 4:
		return t, p, v
	}
	return v, p, q
}
