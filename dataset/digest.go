package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// digestBlock is how many examples are read at a time for a digest.
const digestBlock = 1024

// Digest computes what Split.Digest returns: the SHA-256, in hexadecimal, of the fields one behind the other, each a
// line that describes it and then its values for all examples. It follows from what a split holds alone, not from how it
// holds that: a view has the digest of a split of its examples.
func Digest(s Split) (string, error) {
	fields := s.Fields()
	h := sha256.New()
	var b Batch
	indices := make([]int, 0, digestBlock)
	for i, f := range fields {
		headline(h, s.Len(), fields, i)
		for from := 0; from < s.Len(); from += digestBlock {
			indices = indices[:0]
			for at := from; at < min(from+digestBlock, s.Len()); at++ {
				indices = append(indices, at)
			}
			if err := s.Read(&b, indices, nil); err != nil {
				return "", fmt.Errorf("split %s: %w", s.Name(), err)
			}
			h.Write(b.Array(f.Name).Data)
		}
	}
	if len(fields) == 1 && fields[0].Name == Inputs && fields[0].Normalize == nil {
		fmt.Fprintln(h, "none")
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// headline writes the line before the field at i. Evaluations are kept by these digests: the lines of images, and of
// inputs and targets, are as they always were.
func headline(w io.Writer, n int, fields []Field, i int) {
	f := fields[i]
	switch {
	case f.Normalize != nil:
		classes := 0
		if t, ok := Find(fields, Targets); ok {
			classes = t.Classes
		}
		fmt.Fprintf(w, "images %d %d %d %d %d %v %v\n", n, f.Shape[0], f.Shape[1], f.Shape[2], classes, f.Normalize.Mean, f.Normalize.Std)
	case f.Name == Targets && i > 0 && fields[i-1].Normalize != nil && f.Classes > 0: // the images' line speaks of them
	case f.Name == Inputs || f.Name == Targets:
		fmt.Fprintf(w, "tensors %d %s %v\n", n, f.DType, f.Shape)
	default:
		fmt.Fprintf(w, "field %q %d %s %v\n", f.Name, n, f.DType, f.Shape)
	}
}
