package dataset

import (
	"bytes"
	"image"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"

	"github.com/lawa-replay/lawa-replay/dataset/picture"
)

// Colours and parts have the bits that torchvision gives PIL's images: testdata/augment.py.
func TestChangesAreTorchvisions(t *testing.T) {
	want, err := os.ReadFile("testdata/augment.bin")
	if err != nil {
		t.Fatal(err)
	}
	p := picture.New(24, 20)
	for i := range p.Pix {
		p.Pix[i] = uint8((i*i*31 + i*7) / 5 % 256)
	}
	colours := func(c ...colour) change { return change{colours: c} }
	part := func(x, y, w, h int) change { return change{part: image.Rect(x, y, x+w, y+h)} }
	const brightness, contrast, saturation, hue = 0, 1, 2, 3
	for i, c := range []struct {
		change
		width, height int
	}{
		{colours(colour{brightness, 1.3}), 24, 20},
		{colours(colour{brightness, 0.6}), 24, 20},
		{colours(colour{contrast, 1.4}), 24, 20},
		{colours(colour{contrast, 0.55}), 24, 20},
		{colours(colour{saturation, 1.7}), 24, 20},
		{colours(colour{saturation, 0.2}), 24, 20},
		{colours(colour{hue, 0.1}), 24, 20},
		{colours(colour{hue, -0.37}), 24, 20},
		{colours(colour{hue, -0.05}, colour{contrast, 1.2}, colour{brightness, 0.9}, colour{saturation, 1.3}), 24, 20},
		{part(3, 2, 9, 13), 8, 8},
		{part(0, 0, 24, 20), 16, 16},
		{part(10, 11, 5, 4), 16, 12},
	} {
		out := make([]uint8, 3*c.width*c.height)
		if err := c.image(out, p, image.Rect(0, 0, 24, 20), c.height, c.width, nil); err != nil {
			t.Fatal(err)
		}
		if len(want) < len(out) {
			t.Fatal("augment.bin is too short")
		}
		if !bytes.Equal(out, want[:len(out)]) {
			off, worst := 0, 0
			for j, v := range out {
				if d := int(v) - int(want[j]); d != 0 {
					off, worst = off+1, max(worst, d, -d)
				}
			}
			t.Errorf("case %d: %d of %d bytes differ, by up to %d", i, off, len(out), worst)
		}
		want = want[len(out):]
	}
	if len(want) > 0 {
		t.Errorf("%d bytes more in augment.bin", len(want))
	}
}

// The same bits come with any number of workers, and each image has changes of its own.
func TestWorkersDoNotMatter(t *testing.T) {
	dir := t.TempDir()
	published(t, dir, cifar10Files)
	const changes = "flip=true,random-resized-crop=0.2,jitter=0.4/0.4/0.4/0.1,erase=0.5"
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
	for text, whole := range map[string]bool{"": false, ",random-resized-crop=0.08": true, ",store=crop,random-resized-crop=0.08": false} {
		text = "imagefolder:" + photoFolder(t) + ",resize=40,crop=32" + text
		set := openPhotosAt(t, text, t.TempDir())
		if set.Spec != text || set.Train.(*photos).how.whole != whole {
			t.Errorf("%s: %s, whole %v", text, set.Spec, set.Train.(*photos).how.whole)
		}
	}
}
