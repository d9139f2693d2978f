package averaging

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"lawa-replay/trajectory"
	"lawa-replay/trajectory/safetensors"
)

func points(n int) []Point {
	out := make([]Point, n)
	for i := range out {
		out[i] = Point{Epoch: float64(i + 1), Step: int64(i+1) * 10}
	}
	return out
}

func schemes(t *testing.T, texts ...string) []Scheme {
	t.Helper()
	var out []Scheme
	for _, text := range texts {
		s, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{"last": "last", "lawa:k=6": "lawa:k=6", " lawa: k=12": "lawa:k=12"} {
		if s, err := Parse(text); err != nil || s.Spec() != want {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
	for text, want := range map[string]string{"lawa": "k is missing", "lawa:k=0": "at least 1", "lawa:k=-2": "at least 1", "lava:k=6": "did you mean lawa?", "last:k=1": "takes no parameters", "lawa:n=6": "k is missing", "lawa:k=6,s=2": "unknown parameter s", "": "want name"} {
		if s, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v, expected … %s …", text, s, err, want)
		}
	}
}

// What holds for every scheme: coefficients sum to 1, and none is beyond the endpoint.
func TestCoefficients(t *testing.T) {
	p := points(20)
	for _, s := range schemes(t, "last", "lawa:k=1", "lawa:k=6", "lawa:k=20") {
		for endpoint := range p {
			c, err := s.Coefficients(p, endpoint)
			if err != nil {
				t.Fatal(err)
			}
			if c.None() {
				continue
			}
			sum := 0.0
			for _, v := range c.Values() {
				sum += v
			}
			if math.Abs(sum-1) > 1e-12 || c.Newest() > endpoint || !slices.IsSorted(c.Indices) {
				t.Errorf("%s at %d: %+v", s.Spec(), endpoint, c)
			}
		}
	}
	// LAWA at E takes E−k+1 … E: k checkpoints, and none before the k-th.
	c, _ := LAWA{6}.Coefficients(p, 9)
	if !slices.Equal(c.Indices, []int{4, 5, 6, 7, 8, 9}) {
		t.Errorf("lawa:k=6 at epoch 10 takes %v", c.Indices)
	}
	if c, err := (LAWA{6}).Coefficients(p, 4); err != nil || !c.None() {
		t.Errorf("lawa:k=6 at epoch 5: %+v, %v", c, err)
	}
	if _, err := (LAWA{21}).Coefficients(p, 19); err == nil {
		t.Error("lawa:k=21 of 20 checkpoints is no error")
	}
}

func TestPlanMergesEqualAverages(t *testing.T) {
	plan, err := NewPlan(points(5), schemes(t, "last", "lawa:k=1", "lawa:k=2"), []int{4, 0, 1}, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Averages) != 5 || len(plan.Requests) != 8 {
		t.Errorf("%d averages for %d requests", len(plan.Averages), len(plan.Requests))
	}
	for i := 1; i < len(plan.Averages); i++ {
		if plan.Averages[i].Newest() < plan.Averages[i-1].Newest() {
			t.Error("the averages are not in the order of their newest checkpoints")
		}
	}
}

func TestGapsAreNamed(t *testing.T) {
	p := slices.Delete(points(10), 6, 7) // without epoch 7
	_, err := NewPlan(p, schemes(t, "lawa:k=3"), []int{7}, false)
	if err == nil || !strings.Contains(err.Error(), "no checkpoint between epochs 6 and 8") {
		t.Errorf("error %v", err)
	}
	if _, err := NewPlan(p, schemes(t, "lawa:k=3"), []int{7}, true); err != nil {
		t.Error(err)
	}
	if _, err := NewPlan(p, schemes(t, "lawa:k=3"), []int{5}, false); err != nil {
		t.Errorf("a window beside the gap: %v", err)
	}
}

// files writes checkpoints with random values of all magnitudes in every floating type, and integers.
type files struct {
	t     *testing.T
	paths []string
}

func (f *files) Map(i int) (*trajectory.Weights, error) { return trajectory.MapFile(f.paths[i]) }

var kinds = []safetensors.DType{safetensors.F64, safetensors.F32, safetensors.F16, safetensors.BF16}

func write(t *testing.T, checkpoints int, sizes ...int64) *files {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 5))
	f := &files{t: t}
	for i := range checkpoints {
		var tensors []safetensors.Tensor
		for _, d := range kinds {
			for _, n := range sizes {
				tensors = append(tensors, safetensors.Tensor{Name: fmt.Sprintf("%s.%d", d, n), DType: d, Shape: []int64{n}})
			}
		}
		tensors = append(tensors, safetensors.Tensor{Name: "count", DType: safetensors.I64, Shape: []int64{2}}, safetensors.Tensor{Name: "mask", DType: "BOOL", Shape: []int64{3}})
		if i%2 == 1 { // another order in the file must not matter
			slices.Reverse(tensors)
		}
		tensors = safetensors.Arrange(tensors)
		data := make([]byte, tensors[len(tensors)-1].End)
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
		for _, x := range tensors {
			size := x.DType.Size()
			for at := int(x.Begin); x.DType.Float() && at < int(x.End); at += size {
				// Random bits make random magnitudes; those that are not finite become subnormal.
				if v := decoders[x.DType](data[at:]); math.IsNaN(v) || math.IsInf(v, 0) {
					clear(data[at+size-2+size/8 : at+size])
					data[at+size-1] = 0
					if size == 2 {
						data[at+1] = 0
					}
				}
			}
		}
		path := filepath.Join(t.TempDir(), fmt.Sprintf("%d.safetensors", i))
		out, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := safetensors.Write(out, tensors, nil, data); err != nil {
			t.Fatal(err)
		}
		out.Close()
		f.paths = append(f.paths, path)
	}
	return f
}

// naive is the average by the definition: Σ wᵢθᵢ from the newest to the oldest in float64, divided, rounded once.
func naive(t *testing.T, f *files, c Coefficients, like safetensors.Tensor) []byte {
	t.Helper()
	size := like.DType.Size()
	sums := make([]float64, like.Elements())
	for j := len(c.Indices) - 1; j >= 0; j-- {
		w, err := f.Map(c.Indices[j])
		if err != nil {
			t.Fatal(err)
		}
		x, _ := w.Tensor(like.Name)
		if !like.DType.Float() {
			out := bytes.Clone(w.Data[x.Begin:x.End])
			w.Close()
			return out
		}
		for i := range sums {
			product := c.Weights[j] * decoders[x.DType](w.Data[int(x.Begin)+i*size:])
			sums[i] += product
		}
		w.Close()
	}
	out := make([]byte, len(sums)*size)
	for i, s := range sums {
		encoders[like.DType](out[i*size:], s/c.Norm)
	}
	return out
}

func TestStreamIsExact(t *testing.T) {
	f := write(t, 6, 1, 7, blockElements+3, pieceElements+blockElements+1)
	plan, err := NewPlan(points(6), schemes(t, "last", "lawa:k=2", "lawa:k=3", "lawa:k=6"), []int{0, 1, 2, 3, 4, 5}, false)
	if err != nil {
		t.Fatal(err)
	}
	// A scheme with weights of its own beside the uniform ones, which share sums.
	plan.Averages = append(plan.Averages, Coefficients{Indices: []int{1, 4, 5}, Weights: []float64{0.3, 1e-3, 1.7}, Norm: 2.001})
	digest := func(procs int) map[int][]byte {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		out := map[int][]byte{}
		err := Stream(context.Background(), f, plan, nil, func(o *Output) error {
			for _, x := range o.Tensors {
				got, want := o.Data[x.Begin:x.End], []byte(nil)
				if procs == 1 {
					want = naive(t, f, plan.Averages[o.Average], x)
					if !bytes.Equal(got, want) {
						return fmt.Errorf("average %d, tensor %s: not equal to the naive sum", o.Average, x.Name)
					}
				}
			}
			out[o.Average] = bytes.Clone(o.Data)
			o.Release()
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	one := digest(1)
	if len(one) != len(plan.Averages) {
		t.Fatalf("%d of %d averages", len(one), len(plan.Averages))
	}
	for a, data := range digest(4) {
		if !bytes.Equal(one[a], data) {
			t.Errorf("average %d differs with four cores", a)
		}
	}
}

func TestStreamSkipsWhatIsNotWanted(t *testing.T) {
	f := write(t, 4, 5)
	f.paths[0] = "not there" // only the skipped averages need it
	plan, err := NewPlan(points(4), schemes(t, "last", "lawa:k=2"), []int{0, 1, 2, 3}, false)
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	err = Stream(context.Background(), f, plan, func(a int) bool { return plan.Averages[a].Indices[0] > 0 }, func(o *Output) error {
		got++
		return nil
	})
	if err != nil || got != 5 {
		t.Errorf("%d averages, %v", got, err)
	}
	stop := errors.New("stop")
	if err := Stream(context.Background(), write(t, 1, 5), &Plan{Averages: []Coefficients{uniform(0, 1)}}, nil, func(*Output) error { return stop }); err != stop {
		t.Errorf("emit's error: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Stream(ctx, write(t, 1, 5), &Plan{Averages: []Coefficients{uniform(0, 1)}}, nil, func(*Output) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Every 16-bit float survives decoding and encoding, and the midpoint between neighbours goes to the even one.
func TestSixteenBitFloats(t *testing.T) {
	for _, d := range []safetensors.DType{safetensors.BF16, safetensors.F16} {
		var b [2]byte
		decode := func(h uint16) float64 {
			binary.LittleEndian.PutUint16(b[:], h)
			return decoders[d](b[:])
		}
		encode := func(v float64) uint16 {
			encoders[d](b[:], v)
			return binary.LittleEndian.Uint16(b[:])
		}
		for i := range 1 << 16 {
			h := uint16(i)
			v := decode(h)
			if v != v {
				if w := decode(encode(v)); w == w {
					t.Fatalf("%s: NaN %04x became %v", d, h, w)
				}
				continue
			}
			if got := encode(v); got != h {
				t.Fatalf("%s: %04x is %v and comes back as %04x", d, h, v, got)
			}
			next := decode(h + 1)
			if h&0x7fff == 0x7fff || next != next || math.IsInf(v, 0) {
				continue
			}
			if math.IsInf(next, 0) { // past the largest number by half its step: infinity is even
				next = v + (v - decode(h-1))
			}
			even := h
			if h&1 == 1 {
				even = h + 1
			}
			middle := v/2 + next/2
			if got := encode(middle); got != even {
				t.Fatalf("%s: the middle of %04x and %04x went to %04x", d, h, h+1, got)
			}
			if got := encode(math.Nextafter(middle, v)); got != h {
				t.Fatalf("%s: just below the middle of %04x and %04x went to %04x", d, h, h+1, got)
			}
			if got := encode(math.Nextafter(middle, math.Copysign(math.Inf(1), v))); got != h+1 {
				t.Fatalf("%s: just above the middle of %04x and %04x went to %04x", d, h, h+1, got)
			}
		}
	}
}
