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
			a := b.Array(f.Name)
			if a == nil || int64(len(a.Data)) != int64(len(indices))*f.Bytes() {
				return "", fmt.Errorf("split %s: a batch without all of %s", s.Name(), f.Name)
			}
			h.Write(a.Data)
		}
	}
	if len(fields) == 1 && fields[0].Name == Inputs && fields[0].Normalize == nil {
		fmt.Fprintln(h, "none")
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// headline writes the line before the field at i. Evaluations are kept by these digests: the lines of inputs that are images
// or come first, and of the targets behind, are as they always were. All others have the field's name, so that two that
// change places are another split.
func headline(w io.Writer, n int, fields []Field, i int) {
	f := fields[i]
	switch {
	case areImages(f):
		classes := 0
		if t, ok := Find(fields, Targets); ok {
			classes = t.Classes
		}
		fmt.Fprintf(w, "images %d %d %d %d %d %v %v\n", n, f.Shape[0], f.Shape[1], f.Shape[2], classes, f.Normalize.Mean, f.Normalize.Std)
	case f.Name == Targets && i == 1 && areImages(fields[0]) && f.Classes > 0: // the images' line speaks of them
	case f.Normalize == nil && (f.Name == Inputs && i == 0 || f.Name == Targets && i > 0):
		fmt.Fprintf(w, "tensors %d %s %v\n", n, f.DType, f.Shape)
	default:
		fmt.Fprintf(w, "field %q %d %s %v\n", f.Name, n, f.DType, f.Shape)
		if f.Normalize != nil {
			fmt.Fprintf(w, "normalized %v %v\n", f.Normalize.Mean, f.Normalize.Std)
		}
	}
}

// areImages says whether a field is what sets of images call their inputs.
func areImages(f Field) bool { return f.Name == Inputs && f.Normalize != nil && len(f.Shape) == 3 }
