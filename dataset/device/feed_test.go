package device

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// split has 10 examples of images, float64 values and tokens.
func split(t *testing.T) dataset.Split {
	t.Helper()
	images := dataset.Array{Field: dataset.Field{Name: "inputs", DType: "U8", Shape: []int64{2, 3, 3}, Normalize: &dataset.Norm{Mean: []float32{0.5, 0.1}, Std: []float32{0.2, 3}}}}
	wide := dataset.Array{Field: dataset.Field{Name: "wide", DType: "F64", Shape: []int64{2}}}
	tokens := dataset.Array{Field: dataset.Field{Name: "targets", DType: "I32"}}
	for i := range 10 {
		for j := range 18 {
			images.Data = append(images.Data, byte(20*i+j))
		}
		for j := range 2 {
			wide.Data = binary.LittleEndian.AppendUint64(wide.Data, math.Float64bits(float64(i)+0.1*float64(j)))
		}
		tokens.Data = binary.LittleEndian.AppendUint32(tokens.Data, uint32(i))
	}
	s, err := dataset.NewTensors("val", 10, images, wide, tokens)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func floats(t *testing.T, x *torch.Tensor) []float32 {
	t.Helper()
	var s torch.Scope
	defer s.Close()
	x = s.Float(x)
	shape, err := x.Shape()
	if err != nil {
		t.Fatal(err)
	}
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	out := make([]float32, n)
	if err := torch.Read(out, x, 0); err != nil {
		t.Fatal(err)
	}
	return out
}

// Batches have the same bits whether the split lies on the device or is read on the way, in order or not.
func TestFeedsAreAlike(t *testing.T) {
	s := split(t)
	whole, err := Open(s, torch.CPU, NoLimit, "inputs", "wide")
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Free()
	read, err := Open(dataset.Head(s, 10), torch.CPU, 100, "inputs", "wide")
	if err != nil {
		t.Fatal(err)
	}
	defer read.Free()
	if whole.Bytes() != 10*(18+2*4) || read.Bytes() != 0 {
		t.Errorf("%d and %d bytes", whole.Bytes(), read.Bytes())
	}
	a, b := whole.Walk(), read.Walk()
	defer a.Close()
	defer b.Close()
	for _, r := range [][2]int{{0, 4}, {4, 8}, {8, 10}, {0, 3}, {3, 6}, {2, 3}, {9, 10}} {
		var scope torch.Scope
		x, y := a.Batch(&scope, r[0], r[1]), b.Batch(&scope, r[0], r[1])
		if err := scope.Err(); err != nil {
			t.Fatal(err)
		}
		if x.N != r[1]-r[0] || x.Tensor("targets") != nil {
			t.Errorf("%+v", x)
		}
		for i := range x.Tensors {
			if !slices.Equal(floats(t, x.Tensors[i]), floats(t, y.Tensors[i])) {
				t.Errorf("examples %v: %s differ", r, x.Fields[i].Name)
			}
		}
		if v := floats(t, x.Tensor("wide")); v[1] != float32(float64(r[0])+0.1) {
			t.Errorf("examples %v: %v", r, v)
		}
		// Pixel 0 of channel 1.
		if v := floats(t, x.Tensor("inputs")); v[9] != (float32(20*r[0]+9)/255-0.1)/3 {
			t.Errorf("examples %v: %v", r, v[9])
		}
		scope.Close()
	}
	if _, err := Open(s, torch.CPU, NoLimit, "inputs", "mask"); err == nil {
		t.Error("a field that is not there was opened")
	}
}

// failing cannot be read.
type failing struct{ dataset.Split }

func (failing) Read(*dataset.Batch, []int, *rand.Rand) error { return errors.New("the disk is gone") }

// short gives half of what it is asked for, and forgets the targets.
type short struct{ dataset.Split }

func (s short) Read(b *dataset.Batch, indices []int, _ *rand.Rand) error {
	b.Reset(len(indices), s.Fields()[:2]...)
	b.Arrays[0].Data = b.Arrays[0].Data[:len(b.Arrays[0].Data)/2]
	return nil
}

// A split of one's own that gives less than it says is an error, not a look into other memory.
func TestReadingTooLittle(t *testing.T) {
	for _, field := range []string{"inputs", "targets"} {
		if _, err := Open(short{split(t)}, torch.CPU, NoLimit, field); err == nil {
			t.Errorf("%s was loaded", field)
		}
		f, err := Open(short{split(t)}, torch.CPU, 0, field)
		if err != nil {
			t.Fatal(err)
		}
		w := f.Walk()
		var s torch.Scope
		if w.Batch(&s, 0, 3); s.Err() == nil {
			t.Errorf("%s: no error", field)
		}
		s.Close()
		w.Close()
	}
}

// What goes wrong while a split is read comes to whoever computes.
func TestReadingFails(t *testing.T) {
	if _, err := Open(failing{split(t)}, torch.CPU, NoLimit); err == nil {
		t.Error("it was loaded")
	}
	f, err := Open(failing{split(t)}, torch.CPU, 0)
	if err != nil {
		t.Fatal(err)
	}
	w := f.Walk()
	defer w.Close()
	var s torch.Scope
	defer s.Close()
	w.Batch(&s, 0, 3)
	if s.Err() == nil {
		t.Error("no error")
	}
}
