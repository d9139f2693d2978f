package averaging

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// Every 16-bit float survives decoding and encoding, and the midpoint between neighbours goes to the even one.
func TestSixteenBitFloats(t *testing.T) {
	for _, d := range []checkpoint.DType{checkpoint.BF16, checkpoint.F16} {
		var b [2]byte
		decode := func(h uint16) float64 {
			binary.LittleEndian.PutUint16(b[:], h)
			var acc [1]float64
			add(acc[:], 1, d, b[:], true)
			return acc[0]
		}
		encode := func(v float64) uint16 {
			round(b[:], d, []float64{v}, 1)
			return binary.LittleEndian.Uint16(b[:])
		}
		for i := range 1 << 16 {
			h := uint16(i)
			v := decode(h)
			binary.LittleEndian.PutUint16(b[:], h)
			if want := value(d, b[:]); math.Float64bits(v) != math.Float64bits(want) && v == v {
				t.Fatalf("%s: %04x was read as %v, expected %v", d, h, v, want)
			}
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
		for _, tiny := range []float64{math.SmallestNonzeroFloat64, 1e-310, 1e-300, -1e-300} {
			if got := encode(tiny); got&0x7fff != 0 || got>>15 == 1 != (tiny < 0) {
				t.Errorf("%s: %v became %04x", d, tiny, got)
			}
		}
	}
}

// The loops for vectors give the bits of the Go loops, whatever the length and the place in memory.
func TestVectorLoops(t *testing.T) {
	if !vectors {
		t.Skip("this processor has none")
	}
	defer func() { vectors = true }()
	rng := rand.New(rand.NewPCG(4, 4))
	for _, d := range kinds {
		for _, n := range []int{0, 1, 15, 16, 17, 100, 1000} {
			for _, shift := range []int{0, 1, 32} {
				size := d.Size()
				x := make([]byte, shift+n*size)[shift:]
				for i := range x {
					x[i] = byte(rng.Uint32())
				}
				for i := 0; i < n; i++ { // no NaN: which of two survives is nobody's matter
					if v := value(d, x[i*size:]); v != v {
						clear(x[i*size : (i+1)*size])
					}
				}
				results := map[bool]string{}
				for _, vectors = range []bool{true, false} {
					acc := make([]float64, n)
					out, out2, out3 := make([]byte, 64+n*size)[shift:], make([]byte, 64+n*size)[shift:], make([]byte, 64+n*size)[shift:]
					add(acc, 0.3, d, x, true)
					add(acc, -0.7, d, x, false)
					round(out[:n*size], d, acc, 0.9)
					addRound(out2[:n*size], d, acc, 3, d, x, 1.1, false)
					addRound(out3[:n*size], d, acc, 3, d, x, 1.1, true)
					var b bytes.Buffer
					for _, v := range acc {
						fmt.Fprintf(&b, "%x ", math.Float64bits(v))
					}
					results[vectors] = fmt.Sprintf("%s %x %x %x", b.String(), out, out2, out3)
				}
				if results[true] != results[false] {
					t.Fatalf("%s, %d elements, %d bytes in: the bits differ", d, n, shift)
				}
			}
		}
	}
}
