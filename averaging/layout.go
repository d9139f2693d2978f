package averaging

import (
	"maps"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// layout says where each tensor lies in the checkpoints and in the outputs.
type layout struct {
	in      []checkpoint.Tensor // as in the first checkpoint mapped
	out     []checkpoint.Tensor // arranged
	floats  int64               // numbers in all tensors that are averaged: two in a complex element
	bytes   int64               // of an output
	merged  []piece             // where neighbours of the same type are one
	single  []piece             // tensor by tensor, for checkpoints with another order in the file
	also    []piece             // the tensors of Options.Newest, each whole
	ordinal map[string]int      // position in `in`
}

// piece is a run of numbers of one type: what a core takes at a time.
type piece struct {
	from, to checkpoint.DType
	tensor   int   // position in `in`, or of the first one where several are merged
	offset   int64 // elements before it in that tensor
	in, out  int64 // bytes: where it begins in the data section
	float    int64 // numbers before it in all tensors that are averaged
	n        int64 // elements
	kind     kind
}

// kind is what becomes of a piece.
type kind int

const (
	averaged kind = iota // of floating and complex tensors
	copied               // the bytes of the newest
)

// pieceElements is the size of a piece.
const pieceElements = 1 << 16

func newLayout(tensors []checkpoint.Tensor, o Options) *layout {
	l := &layout{in: tensors, ordinal: map[string]int{}}
	converted := slices.Clone(tensors)
	for i := range converted {
		l.ordinal[tensors[i].Name] = i
		if o.DType != "" && converted[i].DType.Float() {
			converted[i].DType = o.DType
		}
	}
	l.out = checkpoint.Arrange(converted)
	place := make([]checkpoint.Tensor, len(tensors))
	for _, t := range l.out {
		place[l.ordinal[t.Name]] = t
		l.bytes = max(l.bytes, t.End)
	}
	var single, merged []piece
	for i, t := range tensors {
		p := piece{t.DType, place[i].DType, i, 0, t.Begin, place[i].Begin, l.floats, t.Elements(), copied}
		if part := t.DType.Part(); part != "" {
			if t.DType.Complex() { // pairs of floats
				p.from, p.to, p.n = part, part, 2*p.n
			}
			p.kind = averaged
			if o.Newest != nil && o.Newest(t.Name) {
				l.also = append(l.also, p)
			}
			l.floats += p.n
		} else {
			p.from, p.to, p.n = "U8", "U8", t.End-t.Begin // bytes
		}
		single = append(single, p)
		if n := len(merged); n > 0 {
			if q := &merged[n-1]; q.kind == p.kind && q.from == p.from && q.to == p.to && q.in+q.n*int64(q.from.Size()) == p.in && q.out+q.n*int64(q.to.Size()) == p.out {
				q.n += p.n
				continue
			}
		}
		merged = append(merged, p)
	}
	l.single, l.merged = cut(single), cut(merged)
	return l
}

// cut makes pieces of at most pieceElements. They begin at multiples of 64 bytes of the output, but for a
// short one ahead, so that whole cache lines are written.
func cut(long []piece) []piece {
	var out []piece
	for _, p := range long {
		size := int64(p.to.Size())
		head := (64 - p.out%64) % 64 / size
		for p.n > 0 {
			n := min(p.n, pieceElements)
			if head > 0 {
				n, head = min(p.n, head), 0
			}
			q := p
			q.n = n
			out = append(out, q)
			p.offset, p.float, p.n = p.offset+n, p.float+n, p.n-n
			p.in, p.out = p.in+n*int64(p.from.Size()), p.out+n*size
		}
	}
	return out
}

// file is a checkpoint in use.
type file struct {
	*loaded
	begin []int64 // of the tensors, in the layout's order; nil where they are the layout's own
	keep  bool    // its pages stay in memory while it is in use
}

// open places a checkpoint's tensors. Their names, shapes and types are known to be the layout's.
func (l *layout) open(c *loaded) *file {
	f := &file{loaded: c}
	have := c.Tensors
	if slices.EqualFunc(have, l.in, func(a, b checkpoint.Tensor) bool { return a.Name == b.Name && a.Begin == b.Begin }) {
		return f
	}
	f.begin = make([]int64, len(l.in))
	for _, t := range have {
		f.begin[l.ordinal[t.Name]] = t.Begin
	}
	return f
}

// bytes is the piece in the checkpoint.
func (f *file) bytes(p *piece) []byte {
	size := int64(p.from.Size())
	begin := p.in
	if f.begin != nil {
		begin = f.begin[p.tensor] + p.offset*size
	}
	return f.Data[begin : begin+p.n*size]
}

// newest are the tensors of Options.Newest as a checkpoint has them.
func (l *layout) newest(f *file) (map[string][]byte, error) {
	if len(l.also) == 0 {
		return nil, nil
	}
	out := make(map[string][]byte, len(l.also))
	one := chain{indices: []int{0}, weights: []float64{1}, stops: []stop{{1, 1, 0}}}
	scratch := make([]float64, blockElements)
	err := checkpoint.Guard(f.Path, func() error {
		for i := range l.also {
			p := &l.also[i]
			data := make([]byte, p.n*int64(p.to.Size()))
			one.run(p.from, p.to, int(p.n), func(int) []byte { return f.bytes(p) }, func(int) []byte { return data }, nil, scratch)
			out[l.in[p.tensor].Name] = data
		}
		return nil
	})
	return out, err
}

// pieces of a batch: merged where every checkpoint in it has the layout's own order.
func (l *layout) pieces(files map[int]*file) []piece {
	for f := range maps.Values(files) {
		if f.begin != nil {
			return l.single
		}
	}
	return l.merged
}
