package dataset

import (
	"math/rand/v2"
	"testing"
)

// What a kind shows as an example can be read, and is written as it is read.
func TestExamples(t *testing.T) {
	for _, k := range Kinds() {
		if len(k.Examples) == 0 {
			t.Errorf("%s has no example", k.Name)
		}
		for _, text := range k.Examples {
			s, err := Parse(text)
			if err != nil || s.Spec != text {
				t.Errorf("%s: %q, %v", text, s.Spec, err)
			}
		}
	}
}

// Files with other names than inputs and targets are fields by their names.
func TestNamedFields(t *testing.T) {
	s, err := fieldsOf(map[string]*array{
		"targets":        {"I64", []int64{2}, make([]byte, 16)},
		"input_ids":      {"I32", []int64{2, 3}, make([]byte, 24)},
		"attention_mask": {"U8", []int64{2, 3}, []byte{1, 1, 0, 1, 0, 0}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := Names(s.Fields()); len(n) != 3 || n[0] != "attention_mask" || n[1] != "input_ids" || n[2] != "targets" {
		t.Errorf("%v", n)
	}
	if b := read(t, Shuffled(s, 1, 1)); b.N != 1 || len(b.Arrays[1].Data) != 12 {
		t.Errorf("%+v", b)
	}
	if digest(t, s) == digest(t, Head(s, 1)) {
		t.Error("the head has the same digest")
	}
}

// Views of views read what one would read by hand, and training's changes follow from the generator alone.
func TestViews(t *testing.T) {
	set, err := Open("mnist:shift=2,flip=true", folder(t, 12, nil))
	if err != nil {
		t.Fatal(err)
	}
	all := labels(t, set.Train)
	drawn := labels(t, Shuffled(set.Train, 5, 12))
	second := labels(t, Head(Shuffled(Head(set.Train, 12), 5, 10), 4))
	for i := range second {
		if second[i] != drawn[i] {
			t.Errorf("%v, expected the first of %v", second, drawn)
		}
	}
	_, b := Halves(Head(set.Train, 7))
	for _, l := range labels(t, b) {
		if l >= 7 || all[l] != l {
			t.Errorf("%v are not of the first 7", labels(t, b))
		}
	}
	var x, y, plain Batch
	for at, s := range map[*Batch]Split{&x: set.Train, &y: Head(set.Train, 9)} {
		if err := s.Read(at, []int{3, 1, 8}, rand.New(rand.NewPCG(1, 2))); err != nil {
			t.Fatal(err)
		}
	}
	if err := set.Train.Read(&plain, []int{3, 1, 8}, nil); err != nil {
		t.Fatal(err)
	}
	if string(x.Arrays[0].Data) != string(y.Arrays[0].Data) || string(x.Arrays[0].Data) == string(plain.Arrays[0].Data) {
		t.Error("augmentation does not follow the generator")
	}
}
