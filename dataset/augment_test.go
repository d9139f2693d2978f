package dataset

import (
	"bytes"
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lawa-replay/lawa-replay/dataset/picture"
)

// What is taken of an image has the area and the shape that RandomResizedCrop draws: uniform from the least share to all,
// the logarithm of width by height uniform from 3:4 to 4:3, where the image has room for it.
func TestRandomResizedCrop(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	a := Augment{Resized: 0.08}
	const n = 20000
	area, ratio := 0.0, 0.0
	for range n {
		r := a.part(400, 400, rng)
		if !r.In(image.Rect(0, 0, 400, 400)) || r.Empty() {
			t.Fatalf("part %v", r)
		}
		w, h := float64(r.Dx()), float64(r.Dy())
		area += w * h / 160000 / n
		ratio += math.Log(w/h) / n
		if s := w * h / 160000; s < 0.079 || w/h < 0.73 || w/h > 1.37 {
			t.Fatalf("part %v: %.3f of the area, %.3f wide", r, s, w/h)
		}
	}
	// Large parts that do not fit are drawn again: torchvision's get_params has 0.476 on average (20,000 draws).
	if math.Abs(area-0.476) > 0.01 || math.Abs(ratio) > 0.01 {
		t.Errorf("area %.3f, logarithm of the shape %.3f on average", area, ratio)
	}
	if r := (Augment{Resized: 1}).part(400, 100, rng); r != image.Rect(133, 0, 266, 100) {
		t.Errorf("of a long image %v", r)
	}
}

// Each change is drawn for each image: equal generators give equal images, and what is not asked for changes nothing.
func TestChanges(t *testing.T) {
	p := picture.New(40, 36)
	for i := range p.Pix {
		p.Pix[i] = uint8(i * 7)
	}
	norm := &Norm{Mean: []float32{0.5, 0.25, 1}, Std: []float32{1, 1, 1}}
	at := picture.Centre(40, 36, 32, 32)
	draw := func(a Augment, seed uint64) []uint8 {
		dst := make([]uint8, 3*32*32)
		if err := a.draw(rand.New(rand.NewPCG(seed, 0)), 40, 36, 32, 32).image(dst, p, at, 32, 32, norm); err != nil {
			t.Fatal(err)
		}
		return dst
	}
	plain := p.Crop(at).Pix
	if got := draw(Augment{}, 1); !bytes.Equal(got, plain) {
		t.Error("without changes it is another image")
	}
	for name, a := range map[string]Augment{"resized": {Resized: 0.2}, "jitter": {Jitter: Jitter{0.4, 0.4, 0.4, 0.1}}, "erase": {Erase: 1}, "all": {Resized: 0.5, Flip: true, Jitter: Jitter{Hue: 0.5}, Erase: 0.5}} {
		one, again, other := draw(a, 1), draw(a, 1), draw(a, 2)
		if !bytes.Equal(one, again) || bytes.Equal(one, other) || bytes.Equal(one, plain) {
			t.Errorf("%s: equal generators %v, others %v, as it was %v", name, bytes.Equal(one, again), bytes.Equal(one, other), bytes.Equal(one, plain))
		}
	}
	// What is erased is a part of the mean colour.
	erased := draw(Augment{Erase: 1}, 3)
	size := 0
	for i := range 32 * 32 {
		if erased[i] != plain[i] {
			size++
			if erased[i] != 128 || erased[1024+i] != 64 || erased[2048+i] != 255 {
				t.Fatalf("pixel %d became %d %d %d", i, erased[i], erased[1024+i], erased[2048+i])
			}
		}
	}
	if size < 4 || size > 370 {
		t.Errorf("%d pixels erased", size)
	}
}

func TestAugmentTexts(t *testing.T) {
	text := "cifar10:val=5,random-resized-crop=0.25,flip=true,jitter=0.4/0.4/0.2/0.1,erase=0.5"
	s, err := Parse(text)
	if err != nil || s.Spec != text {
		t.Errorf("%s: %s, %v", text, s.Spec, err)
	}
	for _, bad := range []string{"cifar10:jitter=0.4", "cifar10:jitter=0/0/0/0.6", "cifar10:jitter=-1/0/0/0", "cifar10:erase=2", "cifar10:random-resized-crop=1.5"} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
	for text, dir := range map[string]string{"mnist:jitter=0.1/0/0/0": "", "cifar10:norm=cifar,val=5,shift=2,random-resized-crop=0.5": "../testdata/cifar10"} {
		if _, err := Open(text, dir); err == nil {
			t.Errorf("%s is opened", text)
		}
	}
	pixels := make([]uint8, 4*3*1024)
	for i := range pixels {
		pixels[i] = uint8(i * i / 3)
	}
	split := newImages("train", [3]int{3, 32, 32}, 10, Norm{Mean: []float32{0, 0, 0}, Std: []float32{1, 1, 1}}, pixels, []int64{1, 2, 3, 4})
	split.augment = Augment{Resized: 0.25, Jitter: Jitter{Brightness: 0.4}}
	var a, b, c Batch
	for _, x := range []struct {
		b    *Batch
		draw *rand.Rand
	}{{&a, rand.New(rand.NewPCG(1, 1))}, {&b, rand.New(rand.NewPCG(1, 1))}, {&c, nil}} {
		if err := split.Read(x.b, []int{3, 1, 2}, x.draw); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(a.Arrays[0].Data, b.Arrays[0].Data) || slices.Equal(a.Arrays[0].Data, c.Arrays[0].Data) {
		t.Error("a batch is not drawn by its generator alone")
	}
}
