// Package picture decodes, resizes and crops photographs as PIL and torchvision do.
//
// It believes that a network sees other pictures than it was trained on if they come out of another decoder or another
// resize: libjpeg's upsampling of chroma, libwebp's conversion and Pillow's antialiased resize are followed to the
// rounding. A file may claim anything: its size is limited before memory is taken, and what is no picture is an error.
package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/webp"
)

// Version is raised when the same file would give other pixels.
const Version = 1

// MaxPixels is how many a file may claim: the number at which Pillow warns of a decompression bomb.
const MaxPixels = 1 << 30 / 4 / 3

// Picture is an RGB picture of three planes, red, green, blue, each Height rows of Width bytes.
type Picture struct {
	Width, Height int
	Pix           []uint8
}

// New makes a black picture.
func New(width, height int) *Picture {
	return &Picture{width, height, make([]uint8, 3*width*height)}
}

// Plane is that of a channel, 0 for red.
func (p *Picture) Plane(c int) []uint8 {
	n := p.Width * p.Height
	return p.Pix[c*n : (c+1)*n]
}

// Decode decodes a JPEG, PNG or WebP file, told apart by what is in it, as Image.open(f).convert("RGB") of PIL does:
// transparency is dropped. turn turns a JPEG as its EXIF says (ImageOps.exif_transpose), which PIL does not by itself.
func Decode(data []byte, turn bool) (*Picture, error) {
	format, err := formatOf(data)
	if err != nil {
		return nil, err
	}
	c, err := format.config(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", format.name, err)
	}
	if err := checkSize(c.Width, c.Height); err != nil {
		return nil, fmt.Errorf("%s: %w", format.name, err)
	}
	m, err := format.decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", format.name, err)
	}
	if b := m.Bounds(); b.Dx() != c.Width || b.Dy() != c.Height {
		return nil, fmt.Errorf("%s: %d×%d pixels, and its header says %d×%d", format.name, b.Dx(), b.Dy(), c.Width, c.Height)
	}
	p, err := format.rgb(m)
	if err == nil && turn && format.name == "JPEG" {
		p = p.turned(orientation(data))
	}
	return p, err
}

// Size is the width and height that a file claims, without decoding it, after turning it as its EXIF says if turn.
func Size(data []byte, turn bool) (width, height int, err error) {
	format, err := formatOf(data)
	if err != nil {
		return 0, 0, err
	}
	c, err := format.config(data)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", format.name, err)
	}
	if turn && format.name == "JPEG" && orientation(data) > 4 {
		c.Width, c.Height = c.Height, c.Width
	}
	return c.Width, c.Height, checkSize(c.Width, c.Height)
}

func checkSize(width, height int) error {
	switch {
	case width < 1 || height < 1:
		return fmt.Errorf("%d×%d pixels", width, height)
	case width > MaxPixels/height:
		return fmt.Errorf("%d×%d pixels, at most %d are read", width, height, MaxPixels)
	}
	return nil
}

// format is a kind of file.
type format struct {
	name   string
	config func([]byte) (image.Config, error)
	decode func([]byte) (image.Image, error)
	rgb    func(image.Image) (*Picture, error)
}

func formatOf(data []byte) (format, error) {
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xd8}):
		return format{"JPEG", func(d []byte) (image.Config, error) { return jpeg.DecodeConfig(bytes.NewReader(d)) },
			func(d []byte) (image.Image, error) { return jpeg.Decode(bytes.NewReader(d)) }, fromJPEG}, nil
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		return format{"PNG", func(d []byte) (image.Config, error) { return png.DecodeConfig(bytes.NewReader(d)) },
			func(d []byte) (image.Image, error) { return png.Decode(bytes.NewReader(d)) }, fromPNG}, nil
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		return format{"WebP", configWebP,
			func(d []byte) (image.Image, error) { return webp.Decode(bytes.NewReader(d)) }, fromWebP}, nil
	case len(data) == 0:
		return format{}, errors.New("an empty file")
	}
	return format{}, fmt.Errorf("neither JPEG nor PNG nor WebP: it begins with %q", data[:min(8, len(data))])
}

// gather makes a picture of pixels that lie step bytes apart, red, green, blue behind each other.
func gather(pix []uint8, stride, step, width, height int) *Picture {
	p := New(width, height)
	r, g, b := p.Plane(0), p.Plane(1), p.Plane(2)
	for y := range height {
		row := pix[y*stride:]
		for x := range width {
			at := y*width + x
			r[at], g[at], b[at] = row[x*step], row[x*step+1], row[x*step+2]
		}
	}
	return p
}

// grey makes a picture of one plane.
func grey(pix []uint8, stride, width, height int) *Picture {
	p := New(width, height)
	r := p.Plane(0)
	for y := range height {
		copy(r[y*width:][:width], pix[y*stride:])
	}
	copy(p.Plane(1), r)
	copy(p.Plane(2), r)
	return p
}

// fromPNG takes the stored values; of 16 bits of colour, the upper eight.
func fromPNG(m image.Image) (*Picture, error) {
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	switch m := m.(type) {
	case *image.Gray:
		return grey(m.Pix, m.Stride, w, h), nil
	case *image.Gray16: // Pillow makes white of all but the lowest 255 of 65,536 greys
		return nil, errors.New("PNG: grey of 16 bits, which Pillow cuts off at 255: convert it to 8 bits")
	case *image.RGBA: // opaque
		return gather(m.Pix, m.Stride, 4, w, h), nil
	case *image.NRGBA:
		return gather(m.Pix, m.Stride, 4, w, h), nil
	case *image.RGBA64:
		return upper(m.Pix, m.Stride, w, h), nil
	case *image.NRGBA64:
		return upper(m.Pix, m.Stride, w, h), nil
	case *image.Paletted:
		return fromPalette(m, w, h)
	}
	return nil, fmt.Errorf("PNG of the kind %T", m)
}

// upper takes the upper halves of 16-bit red, green, blue, alpha.
func upper(pix []uint8, stride, width, height int) *Picture {
	p := New(width, height)
	for c := range 3 {
		plane := p.Plane(c)
		for y := range height {
			for x := range width {
				plane[y*width+x] = pix[y*stride+8*x+2*c]
			}
		}
	}
	return p
}

// Crop copies a part, which must lie within the picture.
func (p *Picture) Crop(part image.Rectangle) *Picture {
	out := New(part.Dx(), part.Dy())
	for c := range 3 {
		from, to := p.Plane(c), out.Plane(c)
		for y := range out.Height {
			copy(to[y*out.Width:][:out.Width], from[(part.Min.Y+y)*p.Width+part.Min.X:])
		}
	}
	return out
}
