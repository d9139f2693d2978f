package averaging

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
)

// TestComplex: complex tensors are averaged as the pairs of floats that they are, summed in float64 and rounded once;
// their dtype stays when that of floating ones is changed.
func TestComplex(t *testing.T) {
	f := &files{maps: map[int]int{}}
	const n = 5
	at := func(i, j int) float32 { return float32(math.Sin(float64(7*i+j))) * float32(math.Pow(10, float64(j%4))) }
	for i := range 3 {
		tensors := checkpoint.Arrange([]checkpoint.Tensor{{Name: "z", DType: checkpoint.C64, Shape: []int64{n}}, {Name: "w", DType: checkpoint.F32, Shape: []int64{2}}})
		data := make([]byte, tensors[1].End)
		for j := range 2*n + 2 {
			binary.LittleEndian.PutUint32(data[4*j:], math.Float32bits(at(i, j)))
		}
		path := filepath.Join(t.TempDir(), fmt.Sprint(i))
		out, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		if err := safetensors.Write(out, tensors, nil, data); err != nil {
			t.Fatal(err)
		}
		f.paths = append(f.paths, path)
	}
	plan := &Plan{Averages: []Coefficients{{Indices: []int{0, 1, 2}, Weights: []float64{1, 2, 1}, Norm: 4}}}
	for _, d := range []checkpoint.DType{"", checkpoint.BF16} {
		err := Stream(context.Background(), f, plan, nil, Options{DType: d}, func(o *Output) error {
			defer o.Release()
			z := o.Tensors[0]
			if z.Name != "z" || z.DType != checkpoint.C64 {
				t.Fatalf("%q: the output's first tensor is %s %v", d, z.Name, z)
			}
			for j := range 2 * n {
				want := float32((float64(at(0, j)) + 2*float64(at(1, j)) + float64(at(2, j))) / 4)
				if got := math.Float32frombits(binary.LittleEndian.Uint32(o.Data[z.Begin+int64(4*j):])); got != want {
					t.Errorf("%q: number %d of z is %v, expected %v", d, j, got, want)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
