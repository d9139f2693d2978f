package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"

	"golang.org/x/image/webp"
)

// configWebP reads the size of the canvas, and that of the frame in it, by which the decoder takes memory.
func configWebP(data []byte) (image.Config, error) {
	c, err := webp.DecodeConfig(bytes.NewReader(data))
	for at := 12; err == nil && at+18 <= len(data); {
		size := int(binary.LittleEndian.Uint32(data[at+4:]))
		w, h := c.Width, c.Height
		switch string(data[at : at+4]) {
		case "VP8 ":
			w, h = int(binary.LittleEndian.Uint16(data[at+14:])&0x3fff), int(binary.LittleEndian.Uint16(data[at+16:])&0x3fff)
		case "VP8L":
			bits := int(binary.LittleEndian.Uint32(data[at+9:]))
			w, h = bits&0x3fff+1, bits>>14&0x3fff+1
		}
		if w != c.Width || h != c.Height {
			return c, fmt.Errorf("a frame of %d×%d on a canvas of %d×%d", w, h, c.Width, c.Height)
		}
		at += 8 + size + size%2
	}
	return c, err
}

// fromWebP converts as libwebp does.
func fromWebP(m image.Image) (*Picture, error) {
	switch m := m.(type) {
	case *image.YCbCr:
		return fromVP8(m), nil
	case *image.NYCbCrA:
		return fromVP8(&m.YCbCr), nil
	case *image.NRGBA:
		return gather(m.Pix, m.Stride, 4, m.Rect.Dx(), m.Rect.Dy()), nil
	}
	return nil, fmt.Errorf("WebP of the kind %T", m)
}

// fromVP8 upsamples by libwebp's "fancy" filter of 9, 3, 3, 1 sixteenths in its order of roundings (upsampling.c), and
// converts from the range of video (yuv.h).
func fromVP8(m *image.YCbCr) *Picture {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	p := New(w, h)
	u, v := make([]int32, w), make([]int32, w)
	for y := range h {
		near := y / 2
		far := max(0, min((h+1)/2-1, near-1+y%2*2))
		spreadVP8(u, m.Cb[near*m.CStride:], m.Cb[far*m.CStride:])
		spreadVP8(v, m.Cr[near*m.CStride:], m.Cr[far*m.CStride:])
		r, g, b := p.Plane(0)[y*w:][:w], p.Plane(1)[y*w:][:w], p.Plane(2)[y*w:][:w]
		for x, luma := range m.Y[y*m.YStride:][:w] {
			l := int32(luma) * 19077 >> 8
			r[x] = clamp((l + v[x]*26149>>8 - 14234) >> 6)
			g[x] = clamp((l - u[x]*6419>>8 - v[x]*13320>>8 + 8708) >> 6)
			b[x] = clamp((l + u[x]*33050>>8 - 17685) >> 6)
		}
	}
	return p
}

// spreadVP8 doubles a row of chroma, of which near is the nearer and far the farther.
func spreadVP8(out []int32, near, far []uint8) {
	n, width := (len(out)+1)/2, len(out)
	edge := func(x int) int32 { return (3*int32(near[x]) + int32(far[x]) + 2) >> 2 }
	out[0] = edge(0)
	for x := 1; x < n; x++ {
		farLeft, farHere, left, here := int32(far[x-1]), int32(far[x]), int32(near[x-1]), int32(near[x])
		sum := farLeft + farHere + left + here + 8
		out[2*x-1] = ((sum+2*(farLeft+here))>>3 + left) >> 1
		if 2*x < width {
			out[2*x] = ((sum+2*(farHere+left))>>3 + here) >> 1
		}
	}
	if width%2 == 0 {
		out[width-1] = edge(n - 1)
	}
}
