package averaging

import (
	"encoding/binary"
	"math"
	"slices"
	"unsafe"

	"lawa-replay/trajectory/safetensors"
)

// chain is a running sum over checkpoints, newest first, from which averages are taken on the way: the
// windows k = 1, 2, 4 of one endpoint are one chain, and cost what k = 4 costs alone.
type chain struct {
	indices []int
	weights []float64
	stops   []stop // by rising position
}

// stop is an average that is complete once the sum has taken in the first `after` checkpoints.
type stop struct {
	after  int
	norm   float64
	output int // position in the group
}

// chains arranges the averages of a group into as few running sums as their coefficients allow.
func chains(plan *Plan, group []int) []*chain {
	order := make([]int, len(group))
	for j := range order {
		order[j] = j
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return len(plan.Averages[group[b]].Indices) - len(plan.Averages[group[a]].Indices)
	})
	var out []*chain
	for _, j := range order {
		c := plan.Averages[group[j]]
		n := len(c.Indices)
		indices, weights := slices.Clone(c.Indices), slices.Clone(c.Weights)
		slices.Reverse(indices)
		slices.Reverse(weights)
		at := slices.IndexFunc(out, func(o *chain) bool {
			return slices.Equal(o.indices[:n], indices) && slices.Equal(o.weights[:n], weights)
		})
		if at < 0 {
			at = len(out)
			out = append(out, &chain{indices: indices, weights: weights})
		}
		out[at].stops = append([]stop{{n, c.Norm, j}}, out[at].stops...)
	}
	return out
}

// blockElements is how many float64 sums are kept at a time: 64 KB.
const blockElements = 1 << 13

// run sums one piece of a tensor. bytesOf(i) is the piece in checkpoint i, dst(j) in output j.
func (c *chain) run(d safetensors.DType, bytesOf func(int) []byte, dst func(int) []byte) {
	size := d.Size()
	n := len(bytesOf(c.indices[0])) / size
	var buffer [blockElements]float64
	for from := 0; from < n; from += blockElements {
		to := min(from+blockElements, n)
		acc := buffer[:to-from]
		clear(acc)
		next := 0
		for pos, i := range c.indices {
			add(acc, c.weights[pos], d, bytesOf(i)[from*size:to*size])
			for next < len(c.stops) && c.stops[next].after == pos+1 {
				s := c.stops[next]
				round(dst(s.output)[from*size:to*size], d, acc, s.norm)
				next++
			}
		}
	}
}

// add is acc += w·x. The product is rounded before it is added on every processor: float64(…) forbids Go
// to fuse the two.
func add(acc []float64, w float64, d safetensors.DType, x []byte) {
	if d == safetensors.F32 {
		if v, ok := aligned[float32](x); ok {
			v = v[:len(acc)]
			if w == 1 {
				for i := range acc {
					acc[i] += float64(v[i])
				}
				return
			}
			for i := range acc {
				acc[i] += float64(w * float64(v[i]))
			}
			return
		}
	}
	decode := decoders[d]
	size := d.Size()
	for i := range acc {
		acc[i] += float64(w * decode(x[i*size:]))
	}
}

// round is dst = acc/norm in the type d, ties to even.
func round(dst []byte, d safetensors.DType, acc []float64, norm float64) {
	if d == safetensors.F32 {
		if v, ok := aligned[float32](dst); ok {
			v = v[:len(acc)]
			for i := range acc {
				v[i] = float32(acc[i] / norm)
			}
			return
		}
	}
	encode := encoders[d]
	size := d.Size()
	for i := range acc {
		encode(dst[i*size:], acc[i]/norm)
	}
}

// aligned views bytes as values of type T where their address allows it.
func aligned[T float32 | float64](b []byte) ([]T, bool) {
	var v T
	if len(b) == 0 || uintptr(unsafe.Pointer(&b[0]))%unsafe.Alignof(v) != 0 || !littleEndian {
		return nil, false
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(b)/int(unsafe.Sizeof(v))), true
}

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

var decoders = map[safetensors.DType]func([]byte) float64{
	safetensors.F64: func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) },
	safetensors.F32: func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) },
	safetensors.BF16: func(b []byte) float64 {
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16))
	},
	safetensors.F16: func(b []byte) float64 { return fromHalf(binary.LittleEndian.Uint16(b)) },
}

var encoders = map[safetensors.DType]func([]byte, float64){
	safetensors.F64: func(b []byte, v float64) { binary.LittleEndian.PutUint64(b, math.Float64bits(v)) },
	safetensors.F32: func(b []byte, v float64) { binary.LittleEndian.PutUint32(b, math.Float32bits(float32(v))) },
	safetensors.BF16: func(b []byte, v float64) {
		binary.LittleEndian.PutUint16(b, toSmall(v, 8, 127))
	},
	safetensors.F16: func(b []byte, v float64) { binary.LittleEndian.PutUint16(b, toSmall(v, 5, 15)) },
}

// fromHalf is the value of an IEEE 754 binary16.
func fromHalf(h uint16) float64 {
	sign := 1.0
	if h&0x8000 != 0 {
		sign = -1
	}
	e, m := int(h>>10&0x1f), float64(h&0x3ff)
	switch e {
	case 0:
		return sign * math.Ldexp(m, -24)
	case 31:
		if m != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+m, e-25)
}

// toSmall rounds v once, ties to even, to a 16-bit float of the given exponent width and bias: 5 and 15
// for binary16, 8 and 127 for bfloat16.
func toSmall(v float64, width, bias int) uint16 {
	sign := uint16(0)
	if math.Signbit(v) {
		sign = 0x8000
		v = -v
	}
	fraction := 15 - width
	inf := uint16(1<<width-1) << fraction
	switch {
	case v != v:
		return sign | inf | 1<<(fraction-1)
	case math.IsInf(v, 0):
		return sign | inf
	case v == 0:
		return sign
	}
	_, e := math.Frexp(v) // v = f·2ᵉ, ½ ≤ f < 1
	e = max(e-1, 1-bias)  // the exponent of the result; the lowest one is that of the subnormals
	n := math.RoundToEven(math.Ldexp(v, fraction-e))
	if n >= float64(int(2)<<fraction) {
		n /= 2
		e++
	}
	if e > bias {
		return sign | inf
	}
	bits := uint16(n)
	if bits < 1<<fraction { // subnormal, or zero
		return sign | bits
	}
	return sign | uint16(e+bias)<<fraction | bits&(1<<fraction-1)
}
