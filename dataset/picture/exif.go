package picture

import (
	"bytes"
	"encoding/binary"
)

// orientation is the value of EXIF's tag 0x0112 of a JPEG: 1 to 8, 1 where there is none.
func orientation(data []byte) int {
	for at := 2; at+4 <= len(data) && data[at] == 0xff; {
		marker, size := data[at+1], int(binary.BigEndian.Uint16(data[at+2:]))
		if marker == 0xff { // a fill byte
			at++
			continue
		}
		if marker == 0xda || size < 2 || at+2+size > len(data) {
			break
		}
		if body, ok := bytes.CutPrefix(data[at+4:at+2+size], []byte("Exif\x00\x00")); ok && marker == 0xe1 {
			return orientationIn(body)
		}
		at += 2 + size
	}
	return 1
}

// orientationIn looks in the first folder of a TIFF header.
func orientationIn(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	if tiff[0] == 'M' {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 1
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			break
		}
		if order.Uint16(entries) == 0x0112 {
			if v := int(order.Uint16(entries[8:])); v >= 1 && v <= 8 {
				return v
			}
			break
		}
		entries = entries[12:]
	}
	return 1
}

// turned is the picture as an orientation wants it shown.
func (p *Picture) turned(orientation int) *Picture {
	if orientation == 1 {
		return p
	}
	w, h := p.Width, p.Height
	out := New(w, h)
	if orientation > 4 {
		out.Width, out.Height = h, w
	}
	for c := range 3 {
		from, to := p.Plane(c), out.Plane(c)
		for y := range out.Height {
			for x := range out.Width {
				var sx, sy int
				switch orientation {
				case 2:
					sx, sy = w-1-x, y
				case 3:
					sx, sy = w-1-x, h-1-y
				case 4:
					sx, sy = x, h-1-y
				case 5:
					sx, sy = y, x
				case 6:
					sx, sy = y, h-1-x
				case 7:
					sx, sy = w-1-y, h-1-x
				case 8:
					sx, sy = w-1-y, x
				}
				to[y*out.Width+x] = from[sy*w+sx]
			}
		}
	}
	return out
}
