package dataset

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

// rgb reads a picture that Pillow stored.
func rgb(t *testing.T, name string) pixels {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(pictures, name))
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	p := pixels{make([]uint8, 3*w*h), w, h}
	for i := range w * h {
		r, g, b, _ := m.At(i%w, i/w).RGBA()
		p.pix[i], p.pix[w*h+i], p.pix[2*w*h+i] = uint8(r>>8), uint8(g>>8), uint8(b>>8)
	}
	return p
}

// Colours change to the bit as Pillow's ImageEnhance and torchvision's adjust_hue change them.
func TestColoursAsPillow(t *testing.T) {
	for name, c := range map[string]struct {
		what   int
		factor float64
	}{
		"brightness-0.35": {0, 0.35}, "brightness-1.6": {0, 1.6}, "contrast-0.35": {1, 0.35}, "contrast-1.6": {1, 1.6},
		"saturation-0.35": {2, 0.35}, "saturation-1.6": {2, 1.6}, "hue--0.3": {3, -0.3}, "hue-0.12": {3, 0.12},
	} {
		p := rgb(t, "rgb.png.png")
		only := change{order: [4]int{0, 1, 2, 3}, factors: [4]float64{1, 1, 1, 0}}
		only.factors[c.what] = c.factor
		only.jitter(p)
		if want := rgb(t, name+".png"); !bytes.Equal(p.pix, want.pix) {
			t.Errorf("%s: other pixels than Pillow's", name)
		}
	}
}
