package picture

import "math"

// blend is a + share·(b − a) of two levels, as Pillow's ImageEnhance rounds it: down, within 0 to 255.
func blend(a, b uint8, share float64) uint8 {
	return uint8(min(255, max(0, float32(a)+float32(share)*(float32(b)-float32(a)))))
}

// level is what Pillow's convert("L") makes of a colour.
func level(r, g, b uint8) uint8 {
	return uint8((19595*uint32(r) + 38470*uint32(g) + 7471*uint32(b) + 1<<15) >> 16)
}

// Brighten multiplies all levels by a factor of at least 0, as ImageEnhance.Brightness of Pillow does.
func (p *Picture) Brighten(factor float64) {
	for i, v := range p.Pix {
		p.Pix[i] = blend(0, v, factor)
	}
}

// Contrast moves all levels away from the mean of the picture in grey, or towards it, as ImageEnhance.Contrast of Pillow.
func (p *Picture) Contrast(factor float64) {
	r, g, b := p.Plane(0), p.Plane(1), p.Plane(2)
	sum := 0
	for i := range r {
		sum += int(level(r[i], g[i], b[i]))
	}
	mean := uint8(float64(sum)/float64(len(r)) + 0.5)
	for i, v := range p.Pix {
		p.Pix[i] = blend(mean, v, factor)
	}
}

// Saturate moves all colours away from their greys, or towards them, as ImageEnhance.Color of Pillow.
func (p *Picture) Saturate(factor float64) {
	r, g, b := p.Plane(0), p.Plane(1), p.Plane(2)
	for i := range r {
		l := level(r[i], g[i], b[i])
		r[i], g[i], b[i] = blend(l, r[i], factor), blend(l, g[i], factor), blend(l, b[i], factor)
	}
}

// TurnHue turns all hues by a part of the circle, -0.5 to 0.5, as torchvision's adjust_hue does: in Pillow's HSV of bytes.
func (p *Picture) TurnHue(part float64) {
	r, g, b := p.Plane(0), p.Plane(1), p.Plane(2)
	turn := uint8(int(part * 255))
	for i := range r {
		h, s, v := toHSV(r[i], g[i], b[i])
		r[i], g[i], b[i] = fromHSV(h+turn, s, v)
	}
}

func toHSV(r, g, b uint8) (h, s, v uint8) {
	most, least := max(r, g, b), min(r, g, b)
	if most == least {
		return 0, 0, most
	}
	span := float32(most) - float32(least)
	from := func(c uint8) float64 { return float64((float32(most) - float32(c)) / span) }
	var hue float64
	switch most {
	case r:
		hue = float64(float32(from(b)) - float32(from(g)))
	case g:
		hue = 2 + from(r) - from(b)
	default:
		hue = 4 + from(g) - from(r)
	}
	turn := float32(math.Mod(float64(float32(hue))/6+1, 1))
	return uint8(int(float64(turn) * 255)), uint8(int(float64(span/float32(most)) * 255)), most
}

func fromHSV(h, s, v uint8) (r, g, b uint8) {
	if s == 0 {
		return v, v, v
	}
	at := float64(h) * 6 / 255
	sector := int(at)
	f, fs := float32(at-float64(sector)), float32(float64(s)/255)
	part := func(x float64) uint8 { return uint8(min(255, max(0, math.Round(float64(v)*(1-x))))) }
	low, falling, rising := part(float64(fs)), part(float64(fs*f)), part(float64(fs)*(1-float64(f)))
	switch sector % 6 {
	case 0:
		return v, rising, low
	case 1:
		return falling, v, low
	case 2:
		return low, v, rising
	case 3:
		return low, falling, v
	case 4:
		return rising, low, v
	}
	return v, low, falling
}
