package dataset

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"runtime"
	"strings"
	"testing"
)

// TestClaimsTakeNoMemory: headers that claim gigabytes are errors before the memory is taken.
func TestClaimsTakeNoMemory(t *testing.T) {
	var picture bytes.Buffer
	if err := jpeg.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 32, 32)), nil); err != nil {
		t.Fatal(err)
	}
	// The frame header: marker, length, precision, height, width.
	huge := picture.Bytes()
	at := bytes.Index(huge, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(huge[at+5:], 60000)
	binary.BigEndian.PutUint16(huge[at+7:], 60000)
	numpy := append([]byte("\x93NUMPY\x02\x00"), binary.LittleEndian.AppendUint32(nil, 3<<30)...)
	for name, use := range map[string]func() error{
		"60000×60000 pixels, at most":   func() error { return decodeJPEG(make([]byte, cifarBytes), huge) },
		"claims to be 3221225472 bytes": func() error { _, err := parseNPY(bytes.NewReader(numpy), 4<<30); return err },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := use()
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, expected %q", err, name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
			t.Errorf("%s: %d bytes of memory were taken", name, n)
		}
	}
}
