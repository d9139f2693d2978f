package dataset

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/dataset/picture"
)

// decodeJPEG decodes an image of 32×32 into out, 3×32×32 bytes.
func decodeJPEG(out []uint8, data []byte) error {
	w, h, err := picture.Size(data, false)
	if err != nil {
		return err
	}
	if w != cifarSide || h != cifarSide {
		return fmt.Errorf("an image of %d×%d, expected %d×%d", w, h, cifarSide, cifarSide)
	}
	p, err := picture.Decode(data, false)
	if err != nil {
		return err
	}
	copy(out, p.Pix)
	return nil
}
