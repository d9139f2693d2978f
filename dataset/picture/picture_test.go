package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// pil are the pixels that Pillow stored, read without what is tested.
func pil(t testing.TB, name string) *Picture {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(file(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	p := New(m.Bounds().Dx(), m.Bounds().Dy())
	for y := range p.Height {
		for x := range p.Width {
			r, g, b, _ := m.At(x, y).RGBA()
			for c, v := range []uint32{r, g, b} {
				p.Plane(c)[y*p.Width+x] = uint8(v >> 8)
			}
		}
	}
	return p
}

// compare gives the largest and the mean difference.
func compare(t testing.TB, a, b *Picture) (worst int, mean float64) {
	t.Helper()
	if a.Width != b.Width || a.Height != b.Height {
		t.Fatalf("%d×%d, expected %d×%d", a.Width, a.Height, b.Width, b.Height)
	}
	sum := 0
	for i := range a.Pix {
		d := int(a.Pix[i]) - int(b.Pix[i])
		d = max(d, -d)
		worst, sum = max(worst, d), sum+d
	}
	return worst, float64(sum) / float64(len(a.Pix))
}

// Files are decoded as Pillow does: the lossless ones and VP8 to the bit, JPEG but for the rounding of the inverse
// cosine transform.
func TestDecodedAsPillow(t *testing.T) {
	for _, name := range []string{"444.jpg", "422.jpg", "420.jpg", "progressive.jpg", "narrow.jpg", "grey.jpg", "cmyk.jpg", "rgb.jpg", "turned.jpg",
		"rgb.png", "alpha.png", "grey.png", "palette.png", "bit.png", "greyalpha.png", "lossy.webp", "lossy-even.webp", "alpha.webp", "lossless.webp"} {
		p, err := Decode(file(t, name), false)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		worst, mean := compare(t, p, pil(t, name+".png"))
		t.Logf("%s: at most %d, %.3f on average", name, worst, mean)
		if strings.HasSuffix(name, ".jpg") && (worst > 3 || mean > 0.2) || !strings.HasSuffix(name, ".jpg") && worst > 0 {
			t.Errorf("%s: differs by up to %d, %.3f on average", name, worst, mean)
		}
	}
}

// A picture is turned as its EXIF says only when asked.
func TestTurned(t *testing.T) {
	p, err := Decode(file(t, "turned.jpg"), true)
	if err != nil {
		t.Fatal(err)
	}
	if worst, _ := compare(t, p, pil(t, "turned.jpg.upright.png")); worst > 3 {
		t.Errorf("differs by up to %d", worst)
	}
	if w, h, err := Size(file(t, "turned.jpg"), true); err != nil || w != p.Width || h != p.Height {
		t.Errorf("%d×%d, %v", w, h, err)
	}
}

// Resizing is Pillow's to the bit, whole and in parts.
func TestResizedAsPillow(t *testing.T) {
	photo, err := Decode(file(t, "rgb.png"), false)
	if err != nil {
		t.Fatal(err)
	}
	all := image.Rect(0, 0, photo.Width, photo.Height)
	for _, f := range Filters() {
		names, _ := filepath.Glob("testdata/resize-*-" + f.Name + ".png")
		if len(names) != 6 {
			t.Fatalf("%d fixtures of %s", len(names), f.Name)
		}
		for _, name := range names {
			name = filepath.Base(name)
			var w, h int
			if _, err := fmt.Sscanf(name, "resize-%d-%d-", &w, &h); err != nil {
				t.Fatal(err)
			}
			want := pil(t, name)
			whole, err := photo.Resize(all, w, h, image.Rect(0, 0, w, h), f)
			if err != nil {
				t.Fatal(err)
			}
			if worst, _ := compare(t, whole, want); worst > 0 {
				t.Errorf("%s differs by up to %d", name, worst)
			}
			part, err := photo.Resize(all, w, h, image.Rect(3, 2, w-4, h-5), f)
			if err != nil {
				t.Fatal(err)
			}
			cut, err := want.Resize(image.Rect(3, 2, w-4, h-5), w-7, h-7, image.Rect(0, 0, w-7, h-7), f)
			if err != nil {
				t.Fatal(err)
			}
			if worst, _ := compare(t, part, cut); worst > 0 {
				t.Errorf("the part of %s differs by up to %d", name, worst)
			}
		}
		corner, err := photo.Crop(image.Rect(5, 7, 42, 40)).Resize(image.Rect(0, 0, 37, 33), 22, 29, image.Rect(0, 0, 22, 29), f)
		if err != nil {
			t.Fatal(err)
		}
		if worst, _ := compare(t, corner, pil(t, "corner-22-29-"+f.Name+".png")); worst > 0 {
			t.Errorf("the corner by %s differs by up to %d", f.Name, worst)
		}
	}
}

// torchvision's sizes: the longer side is rounded down, the centre to even halves.
func TestTorchvisionsSizes(t *testing.T) {
	if w, h := Shorter(500, 375, 256); w != 341 || h != 256 {
		t.Errorf("%d×%d", w, h)
	}
	if w, h := Shorter(375, 500, 256); w != 256 || h != 341 {
		t.Errorf("%d×%d", w, h)
	}
	if r := Centre(341, 227, 224, 224); r.Min != image.Pt(58, 2) {
		t.Errorf("%v", r)
	}
}

// A header that claims gigabytes is an error before the memory is taken.
func TestClaims(t *testing.T) {
	huge := file(t, "420.jpg")
	at := bytes.Index(huge, []byte{0xff, 0xc0})
	copy(huge[at+5:], []byte{0xf0, 0, 0xf0, 0})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Decode(huge, false)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "61440×61440 pixels, at most") || after.TotalAlloc-before.TotalAlloc > 1<<20 {
		t.Errorf("%d bytes, %v", after.TotalAlloc-before.TotalAlloc, err)
	}
	for _, bad := range []string{"", "x", "\xff\xd8", "RIFF0000WEBP", "\x89PNG\r\n\x1a\n"} {
		if _, err := Decode([]byte(bad), true); err == nil {
			t.Errorf("%q is a picture", bad)
		}
	}
	whole := file(t, "progressive.jpg")
	if _, err := Decode(whole[:len(whole)-200], false); err == nil {
		t.Error("a truncated file is a picture")
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"420.jpg", "progressive.jpg", "cmyk.jpg", "turned.jpg", "palette.png", "lossy.webp", "alpha.webp"} {
		f.Add(file(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if w, h, err := Size(data, true); err != nil || w > 1<<16/h {
			return // a claim within the limit may take long
		}
		_, _ = Decode(data, true)
	})
}

// BenchmarkPhoto decodes, resizes and crops a photograph of 500×375 as ImageNet's are: bench/decode.py does the same
// with Pillow, and makes the file.
func BenchmarkPhoto(b *testing.B) {
	data, err := os.ReadFile(os.Getenv("PHOTO"))
	if err != nil {
		b.Skip("PHOTO names no file: see bench/decode.py")
	}
	for b.Loop() {
		p, err := Decode(data, false)
		if err != nil {
			b.Fatal(err)
		}
		w, h := Shorter(p.Width, p.Height, 256)
		if _, err := p.Resize(image.Rect(0, 0, p.Width, p.Height), w, h, Centre(w, h, 224, 224), Filters()[0]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
}
