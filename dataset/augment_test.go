package dataset

import (
	"bytes"
	"image"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/dataset/picture"
)

const testWidth, testHeight = 24, 20

// testPixels are those of testdata/augment.py.
func testPixels() pixels {
	p := pixels{make([]uint8, 3*testHeight*testWidth), testWidth, testHeight}
	for i := range p.pix {
		p.pix[i] = uint8((i*i*31 + i*7) / 5 % 256)
	}
	return p
}

// Colours and parts have the bits that torchvision gives PIL's images: testdata/augment.py.
func TestChangesAreTorchvisions(t *testing.T) {
	want, err := os.ReadFile("testdata/augment.bin")
	if err != nil {
		t.Fatal(err)
	}
	colours := func(b, c, s, h float64, order ...int) change {
		return change{factors: [4]float64{b, c, s, h}, order: [4]int(order)}
	}
	part := func(x, y, w, h int) change { return change{part: image.Rect(x, y, x+w, y+h)} }
	for i, c := range []struct {
		change
		width, height int
	}{
		{colours(1.3, 1, 1, 0, 0, 1, 2, 3), testWidth, testHeight},
		{colours(0.6, 1, 1, 0, 0, 1, 2, 3), testWidth, testHeight},
		{colours(1, 1.4, 1, 0, 0, 1, 2, 3), testWidth, testHeight},
		{colours(1, 0.55, 1, 0, 0, 1, 2, 3), testWidth, testHeight},
		{colours(1, 1, 1.7, 0, 0, 1, 2, 3), testWidth, testHeight},
		{colours(1, 1, 0.2, 0, 0, 1, 2, 3), testWidth, testHeight},
		{colours(1, 1, 1, 0.1, 0, 1, 2, 3), testWidth, testHeight},
		{colours(1, 1, 1, -0.37, 0, 1, 2, 3), testWidth, testHeight},
		{colours(0.9, 1.2, 1.3, -0.05, 3, 1, 0, 2), testWidth, testHeight},
		{part(3, 2, 9, 13), 8, 8},
		{part(0, 0, 24, 20), 16, 16},
		{part(10, 11, 5, 4), 16, 12},
	} {
		out := pixels{make([]uint8, 3*c.width*c.height), c.width, c.height}
		if err := c.apply(out, testPixels(), picture.Filters()[0], nil); err != nil {
			t.Fatal(err)
		}
		if len(want) < len(out.pix) {
			t.Fatal("augment.bin is too short")
		}
		off, worst := 0, 0
		for j, v := range out.pix {
			if d := int(v) - int(want[j]); d != 0 {
				off, worst = off+1, max(worst, d, -d)
			}
		}
		if off > 0 {
			t.Errorf("case %d: %d of %d bytes differ, by up to %d", i, off, len(out.pix), worst)
		}
		want = want[len(out.pix):]
	}
	if len(want) > 0 {
		t.Errorf("%d bytes more in augment.bin", len(want))
	}
}

// What is drawn has the distribution that torchvision draws from: means within five standard errors.
func TestDrawnParameters(t *testing.T) {
	a := Augment{Scale: [2]float64{0.08, 1}, Ratio: cropRatio, Jitter: [4]float64{0.4, 0.3, 1.5, 0.1}, Erase: 0.25, Flip: true}
	rng := rand.New(rand.NewPCG(7, 7))
	const n, side = 20_000, 512
	var areas, flips, erased, first float64
	var factors [4]float64
	for range n {
		c := a.draw(rng, side, side, 224, 224)
		w, h := float64(c.part.Dx()), float64(c.part.Dy())
		if !c.part.In(image.Rect(0, 0, side, side)) || c.part.Empty() || w/h < 0.74 || w/h > 1.35 {
			t.Fatalf("a part %v", c.part)
		}
		areas += w * h / (side * side)
		if c.flip {
			flips++
		}
		if e := c.erased; !e.Empty() {
			erased++
			share := float64(e.Dx()*e.Dy()) / (224 * 224)
			if !e.In(image.Rect(0, 0, 224, 224)) || share < 0.018 || share > 0.34 {
				t.Fatalf("erased %v", e)
			}
		}
		if c.order[0] == 3 {
			first++
		}
		for i, f := range c.factors {
			factors[i] += f
		}
	}
	for name, c := range map[string]struct{ sum, mean, deviation float64 }{
		"flips":      {flips, 0.5, 0.5},
		"erased":     {erased, 0.25, 0.433},
		"hue first":  {first, 0.25, 0.433},
		"brightness": {factors[0], 1, 0.8 / math.Sqrt(12)},
		"contrast":   {factors[1], 1, 0.6 / math.Sqrt(12)},
		"saturation": {factors[2], 1.25, 2.5 / math.Sqrt(12)},
		"hue":        {factors[3], 0, 0.2 / math.Sqrt(12)},
	} {
		if got := c.sum / n; math.Abs(got-c.mean) > 5*c.deviation/math.Sqrt(n) {
			t.Errorf("%s: mean %g, expected %g", name, got, c.mean)
		}
	}
	// The mean of 20,000 draws of torchvision's get_params is 0.4766, their deviation 0.2325.
	const partShare, partDeviation = 0.4766, 0.2325
	if got := areas / n; math.Abs(got-partShare) > 5*partDeviation*math.Sqrt(2./n) {
		t.Errorf("parts of %g of the area on average, expected %g", got, partShare)
	}
	// Nothing fits: the centre.
	narrow := drawPart(rng, 100, 2, [2]float64{0.9, 1}, cropRatio)
	if narrow != image.Rect(48, 0, 51, 2) {
		t.Errorf("of 100×2 %v, expected the centre 3×2", narrow)
	}
}

// The same bits come with any number of workers, and each image has changes of its own.
func TestWorkersDoNotMatter(t *testing.T) {
	dir := t.TempDir()
	published(t, dir, cifar10Files)
	const changes = "flip=true,resized-crop=0.2/1,jitter=0.4/0.4/0.4/0.1,erase=0.5"
	cifar, err := Open("cifar10:"+changes, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []*Set{cifar, openPhotosAt(t, "imagefolder:"+photoFolder(t)+",resize=40,crop=32,"+changes, t.TempDir())} {
		var out [3][]byte
		for i, workers := range []int{1, 4, 4} {
			before := runtime.GOMAXPROCS(workers)
			var b Batch
			err := set.Train.Read(&b, []int{4, 4, 0, 2, 3, 1}, rand.New(rand.NewPCG(3, uint64(i/2))))
			runtime.GOMAXPROCS(before)
			if err != nil {
				t.Fatal(err)
			}
			out[i] = b.Arrays[0].Data
		}
		if !bytes.Equal(out[0], out[1]) || bytes.Equal(out[1], out[2]) || bytes.Equal(out[0][:cifarBytes], out[0][cifarBytes:2*cifarBytes]) {
			t.Errorf("%s: the bits follow from something else than the generator", set.Spec)
		}
	}
}

// Of parts that are resized, those of the whole image are wanted: it is kept unless said otherwise.
func TestPartsOfTheWholeImage(t *testing.T) {
	for text, whole := range map[string]bool{"": false, ",resized-crop=0.08/1": true, ",store=crop,resized-crop=0.08/1": false} {
		text = "imagefolder:" + photoFolder(t) + ",resize=40,crop=32" + text
		set := openPhotosAt(t, text, t.TempDir())
		if set.Spec != text || set.Train.(*photos).how.whole != whole {
			t.Errorf("%s: %s, whole %v", text, set.Spec, set.Train.(*photos).how.whole)
		}
	}
}

func TestAugmentOptions(t *testing.T) {
	dir := folder(t, 12, nil)
	for text, want := range map[string]string{
		"mnist:resized-crop=0.080/1,ratio=0.5/2": "mnist:resized-crop=0.08/1,ratio=0.5/2",
		"mnist:jitter=0.4":                       "mnist:jitter=0.4/0/0/0",
		"mnist:erase=0.1,flip=true":              "mnist:flip=true,erase=0.1",
		"mnist:erase=0":                          "mnist",
	} {
		set, err := Open(text, dir)
		if err != nil || set.Spec != want {
			t.Errorf("%s: %v, expected %s", text, err, want)
			continue
		}
		var b Batch
		if err := set.Train.Read(&b, []int{1, 2}, rand.New(rand.NewPCG(1, 1))); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, want := range map[string]string{
		"mnist:resized-crop=1/0.1":         "at most the largest",
		"mnist:resized-crop=0.5":           "1 numbers",
		"mnist:resized-crop=a/b":           "want numbers",
		"mnist:resized-crop=0.1/1,shift=1": "not both",
		"mnist:ratio=0.5/2":                "not given",
		"mnist:jitter=0/0/0/0.6":           "at most 0.5",
		"mnist:jitter=0/0/0/0.1":           "grey images",
		"mnist:erase=2":                    "from 0 to 1",
	} {
		if _, err := Open(text, dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, expected %q", text, err, want)
		}
	}
}
