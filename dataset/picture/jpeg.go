package picture

import (
	"fmt"
	"image"
)

// fromJPEG converts as libjpeg and PIL do.
func fromJPEG(m image.Image) (*Picture, error) {
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	switch m := m.(type) {
	case *image.YCbCr:
		return fromYCbCr(m), nil
	case *image.Gray:
		return grey(m.Pix, m.Stride, w, h), nil
	case *image.RGBA: // stored as RGB
		return gather(m.Pix, m.Stride, 4, w, h), nil
	case *image.CMYK:
		return fromCMYK(m, w, h), nil
	}
	return nil, fmt.Errorf("JPEG of the kind %T", m)
}

// fromCMYK converts as PIL does (Convert.c, cmyk2rgb); Adobe's inverted values have been put right by image/jpeg.
func fromCMYK(m *image.CMYK, width, height int) *Picture {
	p := New(width, height)
	for y := range height {
		row := m.Pix[y*m.Stride:]
		for x := range width {
			rest := 255 - int(row[4*x+3])
			for c := range 3 {
				v := int(row[4*x+c])*rest + 128
				p.Pix[(c*height+y)*width+x] = uint8(rest - (v+v>>8)>>8)
			}
		}
	}
	return p
}

// The parts of a colour that follow from one chroma value (jdcolor.c): 16 bits of fraction, rounded where there is one
// part alone. Green has two: theirs are summed before the shift, and the rounding is in that of Cr.
var (
	redOfCr, blueOfCb    [256]int32
	greenOfCb, greenOfCr [256]int32
)

func init() {
	const half = 1 << 15
	for i := range int32(256) {
		v := i - 128
		redOfCr[i], blueOfCb[i] = (91881*v+half)>>16, (116130*v+half)>>16
		greenOfCb[i], greenOfCr[i] = -22554*v, -46802*v+half
	}
}

func clamp(v int32) uint8 {
	if uint32(v) > 255 {
		if v < 0 {
			return 0
		}
		return 255
	}
	return uint8(v)
}

func fromYCbCr(m *image.YCbCr) *Picture {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	p := New(w, h)
	up := newUpsampler(m)
	for y := range h {
		cb, cr := up.rows(y)
		luma := m.Y[y*m.YStride:][:w]
		r, g, b := p.Plane(0)[y*w:][:w], p.Plane(1)[y*w:][:w], p.Plane(2)[y*w:][:w]
		cb, cr = cb[:w], cr[:w]
		for x, l := range luma {
			l := int32(l)
			r[x] = clamp(l + redOfCr[cr[x]])
			g[x] = clamp(l + (greenOfCb[cb[x]]+greenOfCr[cr[x]])>>16)
			b[x] = clamp(l + blueOfCb[cb[x]])
		}
	}
	return p
}

// upsampler brings rows of chroma to the width of the picture as libjpeg does by default ("fancy upsampling",
// jdsample.c): halved ones by a triangle filter, 3/4 of the nearer sample and 1/4 of the farther. Planes of less than
// three columns, and quartered ones, are repeated.
type upsampler struct {
	m             *image.YCbCr
	width, height int // of a chroma plane
	cb, cr        []uint8
	sums          []int32
	across, down  int // how often a sample stands in each direction
	fancy         bool
}

func newUpsampler(m *image.YCbCr) *upsampler {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	u := &upsampler{m: m, across: 1, down: 1}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		u.across = 2
	case image.YCbCrSubsampleRatio420:
		u.across, u.down = 2, 2
	case image.YCbCrSubsampleRatio440:
		u.down = 2
	case image.YCbCrSubsampleRatio411:
		u.across = 4
	case image.YCbCrSubsampleRatio410:
		u.across, u.down = 4, 2
	}
	u.width, u.height = (w+u.across-1)/u.across, (h+u.down-1)/u.down
	u.fancy = u.across <= 2 && (u.across == 1 || u.width > 2)
	u.cb, u.cr, u.sums = make([]uint8, u.across*u.width), make([]uint8, u.across*u.width), make([]int32, u.width)
	return u
}

// rows are those of Cb and Cr for a row of the picture, good until the next call.
func (u *upsampler) rows(y int) (cb, cr []uint8) {
	if u.across == 1 && u.down == 1 {
		return u.m.Cb[y*u.m.CStride:], u.m.Cr[y*u.m.CStride:]
	}
	u.row(u.cb, u.m.Cb, y)
	u.row(u.cr, u.m.Cr, y)
	return u.cb, u.cr
}

func (u *upsampler) row(out, plane []uint8, y int) {
	near := y / u.down
	far := near
	if u.down == 2 {
		far = max(0, min(u.height-1, near-1+y%2*2))
	}
	a, b := plane[near*u.m.CStride:][:u.width], plane[far*u.m.CStride:][:u.width]
	switch {
	case !u.fancy:
		for x := range out {
			out[x] = a[x/u.across]
		}
	case u.across == 1:
		bias := int32(1 + y%2)
		for x := range a {
			out[x] = uint8((3*int32(a[x]) + int32(b[x]) + bias) >> 2)
		}
	case u.down == 1:
		for x, v := range a {
			u.sums[x] = int32(v)
		}
		spread(out, u.sums, 1, 2, 2)
	default:
		for x, v := range a {
			u.sums[x] = 3*int32(v) + int32(b[x])
		}
		spread(out, u.sums, 8, 7, 4)
	}
}

// spread doubles a row by the triangle filter: rounding left, right, and the shift.
func spread(out []uint8, in []int32, left, right int32, shift uint) {
	before := in[0]
	for x, v := range in {
		after := in[min(x+1, len(in)-1)]
		out[2*x], out[2*x+1] = uint8((3*v+before+left)>>shift), uint8((3*v+after+right)>>shift)
		before = v
	}
}
