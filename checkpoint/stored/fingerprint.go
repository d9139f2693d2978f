package stored

import (
	"crypto/sha256"
	"fmt"
)

// Fingerprint is a digest of the checkpoint's tensors by the checksums in the file, for comparing checkpoints without
// reading their weights: equal ones hold the same weights (as far as CRC-32 tells), stored alike. It is false where
// the format has no checksums of all the bytes.
func (c *Checkpoint) Fingerprint() (string, bool) {
	sum := sha256.New()
	for i, t := range c.tensors {
		fmt.Fprintf(sum, "%q %s %d\n", t.Name, t.DType, t.Shape)
		for _, p := range c.parts[i] {
			if !p.Record.Checked {
				return "", false
			}
			fmt.Fprintf(sum, "%08x %d %d %d %d %d\n", p.Record.CRC, p.Record.Length, p.Offset, p.Shape, p.Strides, p.At)
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), len(c.tensors) > 0
}
