package device

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/torch"
)

// Feed is a split, or some fields of it, for one device. Goroutines may share it; each reads through a Walk of its own.
type Feed struct {
	dataset.Split
	Device torch.Device

	fields []dataset.Field // that are wanted
	whole  []*torch.Tensor // of each; nil where the split does not lie on the device
}

// NoLimit lets every split lie on the device whole.
const NoLimit = -1

// Open prepares the named fields of a split, or all if none is named. The split lies on the device whole if it takes at
// most limit bytes there.
func Open(s dataset.Split, d torch.Device, limit int64, names ...string) (*Feed, error) {
	f := &Feed{Split: s, Device: d}
	if len(names) == 0 {
		f.fields = s.Fields()
	}
	for _, name := range names {
		field, ok := dataset.Find(s.Fields(), name)
		if !ok {
			return nil, fmt.Errorf("split %s has no field %s", s.Name(), name)
		}
		f.fields = append(f.fields, field)
	}
	if limit != NoLimit && f.size() > limit {
		return f, nil
	}
	if err := f.load(); err != nil {
		f.Free()
		return nil, fmt.Errorf("split %s: %w", s.Name(), err)
	}
	return f, nil
}

// Room is a limit for Open: half of what is free of a device's memory, NoLimit where that is not known.
func Room(d torch.Device) (int64, error) {
	free, err := d.FreeMemory()
	if err != nil || free < 0 {
		return NoLimit, err
	}
	return free / 2, nil
}

// size is the bytes of all examples on the device.
func (f *Feed) size() int64 {
	n := int64(0)
	for _, field := range f.fields {
		each := field.Bytes()
		if field.DType.Float() {
			each = field.Elements() * int64(checkpoint.F32.Size())
		}
		n += each * int64(f.Len())
	}
	return n
}

// Bytes is what of the split lies on the device.
func (f *Feed) Bytes() int64 {
	if f.whole == nil {
		return 0
	}
	return f.size()
}

// loadedAtOnce is how many bytes of a split are on their way to a device at a time.
const loadedAtOnce = 16 << 20

// load brings all examples to the device, some at a time.
func (f *Feed) load() error {
	each := int64(1)
	for _, field := range f.Fields() {
		each += field.Bytes()
	}
	for _, field := range f.fields {
		t, err := empty(f.Device, field, f.Len())
		if err != nil {
			return err
		}
		f.whole = append(f.whole, t)
	}
	some := int(max(1, loadedAtOnce/each))
	var b dataset.Batch
	for from := 0; from < f.Len(); from += some {
		to := min(from+some, f.Len())
		if err := f.Read(&b, span(from, to), nil); err != nil {
			return err
		}
		for i, field := range f.fields {
			a, err := array(&b, field.Name, to-from)
			if err == nil {
				err = write(f.whole[i], from, a, to-from)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Free releases the device's memory.
func (f *Feed) Free() {
	for _, t := range f.whole {
		t.Free()
	}
	f.whole = nil
}

// span are the indices from, …, to−1.
func span(from, to int) []int {
	out := make([]int, to-from)
	for i := range out {
		out[i] = from + i
	}
	return out
}
