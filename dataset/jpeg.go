package dataset

import (
	"fmt"
	"image"
	"image/jpeg"
	"io"
)

// decodeJPEG decodes an image of 32×32 into out, 3×32×32 bytes.
func decodeJPEG(out []uint8, r io.ReadSeeker) error {
	// Its size first: the decoder takes memory for what the header claims, up to gigabytes.
	c, err := jpeg.DecodeConfig(r)
	if err != nil {
		return err
	}
	if c.Width != cifarSide || c.Height != cifarSide {
		return fmt.Errorf("an image of %d×%d, expected %d×%d", c.Width, c.Height, cifarSide, cifarSide)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	m, err := jpeg.Decode(r)
	if err != nil {
		return err
	}
	if b := m.Bounds(); b.Dx() != cifarSide || b.Dy() != cifarSide { // a second header in it
		return fmt.Errorf("an image of %d×%d, expected %d×%d", b.Dx(), b.Dy(), cifarSide, cifarSide)
	}
	const plane = cifarSide * cifarSide
	if y, ok := m.(*image.YCbCr); ok {
		cb, cr := upsample(y.Cb, y), upsample(y.Cr, y)
		for i := range plane {
			luma := y.Y[i/cifarSide*y.YStride+i%cifarSide]
			out[i], out[plane+i], out[2*plane+i] = toRGB(int(luma), int(cb[i])-128, int(cr[i])-128)
		}
		return nil
	}
	for i := range plane {
		r, g, b, _ := m.At(i%cifarSide, i/cifarSide).RGBA()
		out[i], out[plane+i], out[2*plane+i] = uint8(r>>8), uint8(g>>8), uint8(b>>8)
	}
	return nil
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
