package export

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// storageTypes are the classes of PyTorch's storages, by dtype.
var storageTypes = map[checkpoint.DType]string{
	"F64": "DoubleStorage", "F32": "FloatStorage", "F16": "HalfStorage", "BF16": "BFloat16Storage", "I64": "LongStorage", "I32": "IntStorage",
	"I16": "ShortStorage", "I8": "CharStorage", "U8": "ByteStorage", "BOOL": "BoolStorage", "C64": "ComplexFloatStorage", "C128": "ComplexDoubleStorage",
}

// writePT writes a state dict as torch.save does: a zip archive of stored records, with a pickle of protocol 2
// that names only what torch.load(weights_only=True) allows. Tied tensors share a storage. The metadata go into
// a record of their own, which PyTorch does not look at.
func writePT(w io.Writer, tensors []checkpoint.Tensor, tied map[string]string, metadata map[string]string, values bn.Section) error {
	state, err := pickleState(tensors, tied)
	if err != nil {
		return err
	}
	about, err := json.MarshalIndent(metadata, "", " ")
	if err != nil {
		return err
	}
	z := newArchive(w)
	for _, r := range []struct {
		name string
		text []byte
	}{{"data.pkl", state}, {"byteorder", []byte("little")}, {originRecord, about}, {"version", []byte("3\n")}} {
		if err := z.add("archive/"+r.name, held(r.text), 0, int64(len(r.text))); err != nil {
			return err
		}
	}
	for i, t := range tensors {
		if err := z.add(fmt.Sprintf("archive/data/%d", i), values, t.Begin, t.End); err != nil {
			return err
		}
	}
	return z.Close()
}

// archive writes records that start at multiples of 64 bytes, so that they can be mapped. Their checksums follow them,
// as in torch.save's own files: they need not be known beforehand.
type archive struct {
	*zip.Writer
	out  *position
	tail int64 // bytes of the checksum and sizes that are still to come
}

func newArchive(w io.Writer) *archive {
	z := &archive{out: &position{w: w}}
	z.Writer = zip.NewWriter(z.out)
	return z
}

// originRecord is the record that says where an average comes from.
const originRecord = "lawa-replay.json"

// position counts what is written.
type position struct {
	w io.Writer
	n int64
}

func (p *position) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	p.n += int64(n)
	return n, err
}

func (z *archive) add(name string, values bn.Section, begin, end int64) error {
	if err := z.Flush(); err != nil {
		return err
	}
	const alignment, header = 64, 30 // of a record; a local file header without name and extra field
	at := z.out.n + z.tail + header + int64(len(name)) + 4
	padding := (alignment - at%alignment) % alignment
	extra := binary.LittleEndian.AppendUint16([]byte("FB"), uint16(padding)) // PyTorch's own name for it
	extra = append(extra, bytes.Repeat([]byte("Z"), int(padding))...)
	size := uint64(end - begin)
	const checksumFollows, utf8 = 0x8, 0x800
	h := &zip.FileHeader{Name: name, Method: zip.Store, Flags: checksumFollows | utf8, CompressedSize64: size, UncompressedSize64: size, Extra: extra}
	w, err := z.CreateRaw(h)
	if err != nil {
		return err
	}
	sum := crc32.NewIEEE()
	if err := values.Write(io.MultiWriter(sum, w), begin, end); err != nil {
		return err
	}
	h.CRC32 = sum.Sum32() // written with the next record, or by Close
	if z.tail = 16; size >= math.MaxUint32 {
		z.tail = 24
	}
	return nil
}
