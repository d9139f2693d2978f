package picture

import (
	"fmt"
	"image"
	"image/color"
)

// fromPalette looks the colours up, without their transparency.
func fromPalette(m *image.Paletted, width, height int) (*Picture, error) {
	var table [256][3]uint8
	for i, c := range m.Palette {
		switch c := c.(type) {
		case color.RGBA:
			table[i] = [3]uint8{c.R, c.G, c.B}
		case color.NRGBA:
			table[i] = [3]uint8{c.R, c.G, c.B}
		default:
			return nil, fmt.Errorf("PNG with a palette of %T", c)
		}
	}
	p := New(width, height)
	r, g, b := p.Plane(0), p.Plane(1), p.Plane(2)
	for y := range height {
		for x, v := range m.Pix[y*m.Stride : y*m.Stride+width] {
			if int(v) >= len(m.Palette) {
				return nil, fmt.Errorf("PNG: colour %d of a palette of %d", v, len(m.Palette))
			}
			at := y*width + x
			r[at], g[at], b[at] = table[v][0], table[v][1], table[v][2]
		}
	}
	return p, nil
}
