package torch

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// within runs f as a worker of one thread.
func within(t *testing.T, f func() error) {
	t.Helper()
	if err := Worker(1, false, f); err != nil {
		t.Fatal(err)
	}
}

func TestParseDevice(t *testing.T) {
	for text, want := range map[string]Device{"cpu": CPU, "cuda": 0, "cuda:0": 0, "cuda:3": 3} {
		if d, err := ParseDevice(text); err != nil || d != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
	for _, text := range []string{"", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"} {
		if d, err := ParseDevice(text); err == nil {
			t.Errorf("%q: device %v", text, d)
		}
	}
}

func TestErrorsAreReturned(t *testing.T) {
	within(t, func() error {
		x, err := From(CPU, []float32{1, 2, 3, 4, 5, 6}, 2, 3)
		if err != nil {
			return err
		}
		defer x.Free()
		var s Scope
		defer s.Close()
		// Through the shim, then through gotch: both must bring libtorch's own words and no stack trace.
		s.Conv2d(x, x, nil, 1, 0, 1)
		first := s.Err()
		if first == nil || strings.Contains(first.Error(), "frame #") {
			t.Errorf("a convolution of matrices: %v", first)
		}
		if s.Linear(x, x, nil) != nil || s.Err() != first {
			t.Error("the first error does not stick")
		}
		s.Close()
		s.Embedding(x, x)
		if err := s.Err(); err == nil || !strings.HasPrefix(err.Error(), "libtorch: ") || strings.Contains(err.Error(), "frame #") {
			t.Errorf("indices that float: %v", err)
		}
		if err := Write(x, 4, []float32{1, 2, 3}); err == nil {
			t.Error("writing past the end is no error")
		}
		if err := Read(make([]float64, 6), x, 0); err == nil {
			t.Error("float32 read as float64 is no error")
		}
		x.Free()
		if _, err := x.Shape(); err == nil {
			t.Error("a freed tensor has a shape")
		}
		return nil
	})
}

func TestNewRefusesTooMuch(t *testing.T) {
	within(t, func() error {
		if x, err := New[float32](CPU, 1<<40, 1<<10); err == nil {
			x.Free()
			t.Error("four petabytes were allocated")
		}
		return nil
	})
}

// TestRemovedOperationsThrow: five of gotch's functions mean something else after libtorch 2.1, and
// compat.h makes them throw. Nothing here may call them.
func TestRemovedOperationsThrow(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{"Atg_CsltSparseMm", "Atg_ScaledMm", "Atg_EfficientAttentionBackward", "Atg_FlashAttentionBackward"} {
			if strings.Contains(string(text), f) {
				t.Errorf("%s calls %s", name, f)
			}
		}
	}
	if strings.HasPrefix(Version(), "2.1.") {
		t.Skip("libtorch 2.1 has them")
	}
	within(t, func() error {
		for name, err := range callRemoved() {
			if err == nil || !strings.Contains(err.Error(), "is gone from libtorch") {
				t.Errorf("%s: %v", name, err)
			}
		}
		return nil
	})
}

func TestWorkerReturnsItsError(t *testing.T) {
	want := errors.New("mine")
	if err := Worker(1, false, func() error { return want }); err != want {
		t.Error(err)
	}
}

// Values are the elements in their order, whatever the dtype, and however they lie in memory.
func TestValues(t *testing.T) {
	within(t, func() error {
		whole, err := From(CPU, []int64{-100, 7}, 2)
		if err != nil {
			return err
		}
		defer whole.Free()
		pixels, err := From(CPU, []uint8{0, 51, 102, 153, 204, 255, 0, 255}, 1, 2, 2, 2)
		if err != nil {
			return err
		}
		defer pixels.Free()
		var s Scope
		defer s.Close()
		images := s.Normalize(pixels, 0, 1, []float32{0, 0}, []float32{1, 1}) // channels last in memory
		if err := s.Err(); err != nil {
			return err
		}
		for _, c := range []struct {
			of   *Tensor
			want []float64
		}{{whole, []float64{-100, 7}}, {pixels, []float64{0, 51, 102, 153, 204, 255, 0, 255}}, {images, []float64{0, float64(float32(51) / 255), float64(float32(102) / 255), float64(float32(153) / 255), float64(float32(204) / 255), 1, 0, 1}}} {
			if have, err := c.of.Values(); err != nil || !slices.Equal(have, c.want) {
				t.Errorf("%v, %v, expected %v", have, err, c.want)
			}
		}
		whole.Free()
		if _, err := whole.Values(); err == nil {
			t.Error("values of a freed tensor")
		}
		return nil
	})
}

func TestBlends(t *testing.T) {
	within(t, func() error {
		var s Scope
		defer s.Close()
		x, err := From(CPU, []float32{1, 2, 3, 4, 5, 6}, 3, 2)
		if err != nil {
			return err
		}
		defer x.Free()
		order, err := From(CPU, []int64{2, 0, 1}, 3)
		if err != nil {
			return err
		}
		defer order.Free()
		for what, c := range map[string]struct {
			have *Tensor
			want []float32
		}{
			"mix":   {s.Mix(x, order, 0.75), []float32{2, 3, 2.5, 3.5, 4.5, 5.5}},
			"take":  {s.Take(x, order), []float32{5, 6, 1, 2, 3, 4}},
			"times": {s.Times(x, 0.5), []float32{0.5, 1, 1.5, 2, 2.5, 3}},
		} {
			if s.Err() != nil {
				return s.Err()
			}
			got := make([]float32, 6)
			if err := Read(got, c.have, 0); err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%s: %v, %v", what, got, err)
			}
		}
		s.Mix(x, x, 0.5)
		if s.Err() == nil {
			t.Error("an order of floats is no error")
		}
		return nil
	})
}
