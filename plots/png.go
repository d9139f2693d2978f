package plots

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
)

// withDPI adds the pHYs chunk, which tells programs how large the picture is meant to be.
func withDPI(png []byte, dpi float64) ([]byte, error) {
	const afterHeader = 8 + 4 + 4 + 13 + 4 // signature; length, type, data and checksum of IHDR
	if len(png) < afterHeader || !bytes.Equal(png[12:16], []byte("IHDR")) {
		return nil, errors.New("not a PNG file")
	}
	perMetre := uint32(math.Round(dpi / 0.0254))
	chunk := []byte("pHYs")
	chunk = binary.BigEndian.AppendUint32(chunk, perMetre)
	chunk = binary.BigEndian.AppendUint32(chunk, perMetre)
	chunk = append(chunk, 1) // the unit is the metre
	out := append([]byte{}, png[:afterHeader]...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(chunk)-4))
	out = append(out, chunk...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
	return append(out, png[afterHeader:]...), nil
}
