package averaging

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
)

// files writes checkpoints with random values of all magnitudes in every floating type, and integers.
type files struct {
	paths []string
	mu    sync.Mutex
	maps  map[int]int // how often each was mapped
}

func (f *files) Map(i int) (*checkpoint.Mapped, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.maps[i]++
	return safetensors.Map(f.paths[i])
}

var kinds = []checkpoint.DType{checkpoint.F64, checkpoint.F32, checkpoint.F16, checkpoint.BF16}

func write(t *testing.T, checkpoints int, mixed bool, sizes ...int64) *files {
	t.Helper()
	f := &files{maps: map[int]int{}}
	for i := range checkpoints {
		var tensors []checkpoint.Tensor
		for _, d := range kinds {
			for _, n := range sizes {
				tensors = append(tensors, checkpoint.Tensor{Name: fmt.Sprintf("%s.%d", d, n), DType: d, Shape: []int64{n}})
			}
		}
		tensors = append(tensors, checkpoint.Tensor{Name: "count", DType: checkpoint.I64, Shape: []int64{2}}, checkpoint.Tensor{Name: "mask", DType: "BOOL", Shape: []int64{3}})
		if mixed && i%2 == 1 { // another order in the file must not matter
			slices.Reverse(tensors)
		}
		tensors = checkpoint.Arrange(tensors)
		data := make([]byte, tensors[len(tensors)-1].End)
		for _, x := range tensors {
			size := x.DType.Size()
			seed := fnv.New64() // the same values wherever the tensor lies
			fmt.Fprint(seed, i, x.Name)
			rng := rand.New(rand.NewPCG(3, seed.Sum64()))
			for at := x.Begin; at < x.End; at++ {
				data[at] = byte(rng.Uint32())
			}
			for at := int(x.Begin); x.DType.Float() && at < int(x.End); at += size {
				// Random bits make random magnitudes; those that are not finite become subnormal.
				if v := value(x.DType, data[at:]); math.IsNaN(v) || math.IsInf(v, 0) {
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

func (f *files) Verify(int, *checkpoint.Mapped) error { return nil }

// value decodes one element.
func value(d checkpoint.DType, b []byte) float64 {
	switch d {
	case checkpoint.F64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	case checkpoint.F32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case checkpoint.BF16:
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16))
	}
	h := binary.LittleEndian.Uint16(b)
	v := math.Ldexp(float64(h&0x3ff), -24)
	if e := int(h >> 10 & 0x1f); e == 31 {
		v = math.Inf(1)
		if h&0x3ff != 0 {
			v = math.NaN()
		}
	} else if e > 0 {
		v = math.Ldexp(float64(1024+h&0x3ff), e-25)
	}
	if h&0x8000 != 0 {
		v = -v
	}
	return v
}

// neighbours are all values of a 16-bit type, in order, without NaN and the infinities.
func neighbours(d checkpoint.DType) (values []float64, bits []uint16) {
	type pair struct {
		v float64
		h uint16
	}
	var all []pair
	var b [2]byte
	for i := range 1 << 16 {
		binary.LittleEndian.PutUint16(b[:], uint16(i))
		if v := value(d, b[:]); !math.IsNaN(v) && !math.IsInf(v, 0) && i != 0x8000 {
			all = append(all, pair{v, uint16(i)})
		}
	}
	slices.SortFunc(all, func(a, b pair) int { return cmp.Compare(a.v, b.v) })
	for _, p := range all {
		values, bits = append(values, p.v), append(bits, p.h)
	}
	return values, bits
}

var nearest16 = map[checkpoint.DType]func(float64) uint16{}

// nearest rounds by looking for the two neighbours: slow, and right by construction.
func nearest(d checkpoint.DType) func(float64) uint16 {
	if nearest16[d] == nil {
		values, bits := neighbours(d)
		top := len(values) - 1
		half := (values[top] - values[top-1]) / 2
		nearest16[d] = func(v float64) uint16 {
			sign := uint16(0)
			if math.Signbit(v) {
				sign = 0x8000
			}
			i, found := slices.BinarySearch(values, v)
			switch {
			case v == 0:
				return sign
			case found:
				return bits[i]
			case i > top || i == 0:
				if math.Abs(v) >= values[top]+half {
					return sign | bits[top] + 1
				}
				return sign | bits[top]
			}
			below, above := v-values[i-1], values[i]-v
			if below < above || below == above && bits[i-1]&1 == 0 {
				return sign | bits[i-1]&0x7fff
			}
			return sign | bits[i]&0x7fff
		}
	}
	return nearest16[d]
}

func encode(d checkpoint.DType, b []byte, v float64) {
	switch d {
	case checkpoint.F64:
		binary.LittleEndian.PutUint64(b, math.Float64bits(v))
	case checkpoint.F32:
		binary.LittleEndian.PutUint32(b, math.Float32bits(float32(v)))
	default:
		binary.LittleEndian.PutUint16(b, nearest(d)(v))
	}
}

// naive is the average by the definition: Σ wᵢθᵢ in float64, one after the other in the order that
// Coefficients documents, divided by the norm and rounded once.
func naive(t *testing.T, f *files, c Coefficients, name string, to checkpoint.DType) []byte {
	t.Helper()
	var sums []float64
	for pos := range c.Indices {
		j := pos
		if len(c.Indices) <= 16 && slices.Max(c.Weights) == 1 && slices.Min(c.Weights) == 1 {
			j = len(c.Indices) - 1 - pos
		}
		w, err := safetensors.Map(f.paths[c.Indices[j]])
		if err != nil {
			t.Fatal(err)
		}
		x, _ := w.Tensor(name)
		size := x.DType.Size()
		for i := range int(x.Elements()) {
			product := c.Weights[j] * value(x.DType, w.Data[int(x.Begin)+i*size:])
			if pos == 0 {
				sums = append(sums, product)
			} else {
				sums[i] += product
			}
		}
		w.Close()
	}
	out := make([]byte, len(sums)*to.Size())
	for i, s := range sums {
		encode(to, out[i*to.Size():], s/c.Norm)
	}
	return out
}

// stream runs the plan and returns the outputs by average.
func run(t *testing.T, f *files, plan *Plan, o Options) (map[int][]byte, []checkpoint.Tensor) {
	t.Helper()
	out := map[int][]byte{}
	var tensors []checkpoint.Tensor
	last := -1
	err := Stream(context.Background(), f, plan, nil, o, func(o *Output) error {
		if o.Average <= last {
			t.Errorf("average %d after %d", o.Average, last)
		}
		last = o.Average
		tensors = o.Tensors
		out[o.Average] = bytes.Clone(o.Data)
		for _, x := range o.Tensors { // as a caller puts them in place
			copy(out[o.Average][x.Begin:x.End], o.Newest[x.Name])
		}
		for i := range o.Data { // what the next one does not overwrite must show
			o.Data[i] = 0x55
		}
		o.Release()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != len(plan.Averages) {
		t.Fatalf("%d of %d averages", len(out), len(plan.Averages))
	}
	return out, tensors
}

// every has a spec of each way to sum: nested windows, single chains, running sums with and without a scale.
var every = []string{"last", "lawa:k=2", "lawa:k=3", "lawa:k=3,stride=2", "lawa:k=17", "swa:start=1", "swa:start=3,every=2", "ema:decay=0.9", "ema:half-life=0.003",
	"ema:decay=0.99,per=step,debias=true", "exp:alpha=0.9,k=4", "wma:k=5", "power:sigma=0.1", "decay:shape=1-sqrt,k=6"}

func planFor(t *testing.T, n int, texts ...string) *Plan {
	t.Helper()
	var endpoints []int
	for i := range n {
		endpoints = append(endpoints, i)
	}
	plan, err := NewPlan(points(n), schemes(t, texts...), endpoints, false)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestStreamIsExact(t *testing.T) {
	f := write(t, 20, true, 1, 7, 300)
	plan := planFor(t, 20, every...)
	out, tensors := run(t, f, plan, Options{})
	for a, data := range out {
		c := plan.Averages[a]
		for _, x := range tensors {
			if x.DType.Float() && !bytes.Equal(data[x.Begin:x.End], naive(t, f, c, x.Name, x.DType)) {
				t.Fatalf("%+v, tensor %s: not equal to the naive sum", c, x.Name)
			}
			if !x.DType.Float() {
				w, _ := safetensors.Map(f.paths[c.Newest()])
				n, _ := w.Tensor(x.Name)
				if !bytes.Equal(data[x.Begin:x.End], w.Data[n.Begin:n.End]) {
					t.Fatalf("tensor %s is not that of the newest checkpoint", x.Name)
				}
				w.Close()
			}
		}
	}
}

// The bits depend neither on the number of cores, nor on the memory, nor on the loops for vectors, nor on
// the order of the tensors in the files.
func TestStreamGivesTheSameBits(t *testing.T) {
	sizes := []int64{1, 7, blockElements + 3, pieceElements + 1}
	f := write(t, 20, false, sizes...)
	plan := planFor(t, 20, every...)
	want, _ := run(t, f, plan, Options{})
	for i, n := range f.maps {
		if n != 1 {
			t.Errorf("checkpoint %d was mapped %d times", i, n)
		}
	}
	same := func(name string, got map[int][]byte) {
		t.Helper()
		for a, data := range got {
			if !bytes.Equal(want[a], data) {
				t.Fatalf("%s: average %d differs", name, a)
			}
		}
	}
	for _, procs := range []int{1, 4} {
		before := runtime.GOMAXPROCS(procs)
		got, _ := run(t, f, plan, Options{})
		runtime.GOMAXPROCS(before)
		same(fmt.Sprintf("%d cores", procs), got)
	}
	for _, memory := range []int64{1, 10 << 20, 100 << 20} {
		clear(f.maps)
		got, _ := run(t, f, plan, Options{Memory: memory})
		same(fmt.Sprintf("memory %d", memory), got)
		if memory == 1 && f.maps[10] < 2 {
			t.Error("a window without memory was not read again")
		}
	}
	if vectors {
		vectors = false
		got, _ := run(t, f, plan, Options{})
		vectors = true
		same("Go's own loops", got)
	}
	got, _ := run(t, write(t, 20, true, sizes...), plan, Options{})
	same("another order in the files", got)
}

// Averages are rounded once into another type, and so are the statistics of the newest.
func TestStreamConverts(t *testing.T) {
	f := write(t, 5, true, 5, 40)
	plan := planFor(t, 5, "lawa:k=3", "ema:decay=0.8")
	for _, to := range kinds {
		out, tensors := run(t, f, plan, Options{DType: to, Newest: func(name string) bool { return strings.HasSuffix(name, ".5") }})
		for a, data := range out {
			for _, x := range tensors {
				c := plan.Averages[a]
				if strings.HasSuffix(x.Name, ".5") {
					c = mean([]int{c.Newest()})
				}
				if !x.DType.Float() {
					continue
				}
				if x.DType != to || !bytes.Equal(data[x.Begin:x.End], naive(t, f, c, x.Name, to)) {
					t.Fatalf("%s to %s: average %d, tensor %v", x.Name, to, a, x)
				}
			}
		}
	}
}

func TestStreamSkipsWhatIsNotWanted(t *testing.T) {
	f := write(t, 4, false, 5)
	f.paths[0] = "not there" // only the skipped averages need it
	plan := planFor(t, 4, "last", "lawa:k=2")
	got := 0
	err := Stream(context.Background(), f, plan, func(a int) bool { return plan.Averages[a].Indices[0] > 0 }, Options{}, func(o *Output) error {
		got++
		o.Release()
		return nil
	})
	if err != nil || got != 5 {
		t.Errorf("%d averages, %v", got, err)
	}
	if err := Stream(context.Background(), f, plan, nil, Options{}, func(o *Output) error { return nil }); err == nil || !strings.Contains(err.Error(), "not there") {
		t.Errorf("a missing file: %v", err)
	}
	one := &Plan{Averages: []Coefficients{mean([]int{0})}}
	stop := errors.New("stop")
	if err := Stream(context.Background(), write(t, 1, false, 5), one, nil, Options{}, func(*Output) error { return stop }); err != stop {
		t.Errorf("emit's error: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Stream(ctx, write(t, 1, false, 5), one, nil, Options{}, func(*Output) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// shrinking cuts each file once it is mapped.
type shrinking struct{ *files }

func (s shrinking) Map(i int) (*checkpoint.Mapped, error) {
	w, err := s.files.Map(i)
	if err == nil {
		err = os.Truncate(s.paths[i], 4096)
	}
	return w, err
}

// unfit finds a checkpoint unfit.
type unfit struct{ *files }

func (u unfit) Verify(i int, _ *checkpoint.Mapped) error {
	if i == 2 {
		time.Sleep(10 * time.Millisecond)
		return errors.New("checkpoint 2 is unfit")
	}
	return nil
}

// An output says whether its checkpoints are what they should be, and the stream does not go on if not.
func TestStreamVerifies(t *testing.T) {
	var got []error
	err := Stream(context.Background(), unfit{write(t, 4, false, 9)}, planFor(t, 4, "lawa:k=2"), nil, Options{}, func(o *Output) error {
		defer o.Release()
		got = append(got, o.Verified())
		return got[len(got)-1]
	})
	if len(got) != 2 || got[0] != nil || got[1] == nil || err != got[1] {
		t.Errorf("outputs %v, stream %v", got, err)
	}
	// Who does not ask learns it from the stream.
	err = Stream(context.Background(), unfit{write(t, 4, false, 9)}, planFor(t, 4, "lawa:k=2"), nil, Options{}, func(o *Output) error {
		o.Release()
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "unfit") {
		t.Errorf("stream: %v", err)
	}
}

// A read past the end of a mapped file is a fault, in the vector loops too: it must end as an error.
func TestStreamOfAShrinkingFileIsAnError(t *testing.T) {
	err := Stream(context.Background(), shrinking{write(t, 3, false, pieceElements)}, planFor(t, 3, "lawa:k=3"), nil, Options{}, func(*Output) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "shrank while it was in use") {
		t.Errorf("error %v", err)
	}
}

// An average that is computed as it is written has the same bits, wherever it is cut.
func TestPartsGiveTheSameBits(t *testing.T) {
	f := write(t, 6, true, 1, 7, blockElements+3, 2*pieceElements+1)
	plan := planFor(t, 6, "last", "lawa:k=3", "ema:decay=0.9")
	for _, o := range []Options{{}, {DType: checkpoint.BF16, Newest: func(name string) bool { return strings.HasSuffix(name, ".7") }}} {
		want, tensors := run(t, f, plan, o)
		for a := range plan.Averages {
			p, err := NewParts(context.Background(), f, plan, a, o)
			if err != nil {
				t.Fatal(err)
			}
			for _, slab := range []int64{p.slab, 64, 4096 + 64} {
				if p.slab = slab; slab == 64 && a != len(want)-1 {
					continue // takes its time
				}
				var whole, single bytes.Buffer
				if err := p.Write(&whole, 0, int64(len(want[a]))); err != nil {
					t.Fatal(err)
				}
				for _, x := range tensors {
					if err := p.Write(&single, x.Begin, x.End); err != nil {
						t.Fatal(err)
					}
				}
				for _, x := range tensors {
					copy(whole.Bytes()[x.Begin:x.End], p.Newest[x.Name])
					copy(single.Bytes()[x.Begin:x.End], p.Newest[x.Name])
				}
				if !bytes.Equal(whole.Bytes(), want[a]) || !bytes.Equal(single.Bytes(), want[a]) {
					t.Errorf("average %d in slabs of %d bytes differs", a, slab)
				}
			}
			if err := p.Verified(); err != nil {
				t.Error(err)
			}
			// A full disk, or an interruption, ends it.
			p.slab = 64
			full := errors.New("full")
			if err := p.Write(failing{full}, 0, int64(len(want[a]))); err != full {
				t.Errorf("error %v", err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			p.ctx = ctx
			if err := p.Write(&bytes.Buffer{}, 0, int64(len(want[a]))); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			p.Close()
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
