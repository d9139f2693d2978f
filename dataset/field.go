package dataset

import (
	"math"
	"slices"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// Field is one named array of every example of a split: its inputs, its targets, its tokens.
type Field struct {
	Name      string
	DType     checkpoint.DType
	Shape     []int64 // of one example; -1 where a length is free
	Classes   int     // values are whole numbers from 0 to below it, such as classes; 0 where that is not known
	Normalize *Norm   // what a network is to see of an image's bytes; nil: the values as they are
}

// The usual names of fields.
const (
	Inputs        = "inputs"
	Targets       = "targets"
	AttentionMask = "attention_mask" // of texts: 1 where a token is, 0 where padding
	TextBytes     = "bytes"          // of text that the scored tokens of an example stand for
)

// Norm says how an image, uint8 channels × height × width, is normalised: (x/255 − mean)/std in float32, with one mean
// and one standard deviation for each channel.
type Norm struct{ Mean, Std []float32 }

// black is the byte of each channel that is nearest to what becomes 0.
func (n Norm) black() []uint8 {
	var out []uint8
	for _, m := range n.Mean {
		out = append(out, uint8(math.Round(max(0, min(255, 255*float64(m))))))
	}
	return out
}

// Elements is the product of the shape.
func (f Field) Elements() int64 { return checkpoint.Elements(f.Shape) }

// Bytes is what one example takes.
func (f Field) Bytes() int64 { return f.Elements() * int64(f.DType.Size()) }

// Find finds a field by its name.
func Find(fields []Field, name string) (Field, bool) {
	i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return fields[i], true
}

// Names are the fields' names, in their order.
func Names(fields []Field) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.Name
	}
	return out
}
