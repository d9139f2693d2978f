package stored

import (
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// Part is a block of a tensor, and where its bytes are.
type Part struct {
	Record  *Record
	Offset  int64   // bytes into the record
	Shape   []int64 // of the block
	Strides []int64 // in elements; nil where the elements follow one another
	At      []int64 // first index of the block in the tensor; nil where it is all of it
}

// Record is a run of bytes in a file, with its checksum where there is one.
type Record struct {
	File     *checkpoint.File
	Name     string // for messages
	Offset   int64  // in the file
	Size     int64  // in the file
	Length   int64  // of what is stored: more than Size where it is deflated
	CRC      uint32 // CRC-32 of what is stored
	Checked  bool   // CRC is one
	Deflated bool
	Hollow   bool // its bytes were never written
}

// Memory is a record of bytes in memory.
func Memory(name string, data []byte) *Record {
	n := int64(len(data))
	return &Record{File: checkpoint.InMemory(name, data), Name: name, Size: n, Length: n}
}

// ErrChecksum says that bytes are not those that were written.
var ErrChecksum = errors.New("its bytes do not match its checksum: the file is damaged (torch.load does not notice)")

// Reader gives what is stored, inflated where it is deflated.
func (r *Record) Reader() io.Reader {
	section := io.NewSectionReader(r.File, r.Offset, r.Size)
	if r.Deflated {
		return flate.NewReader(section)
	}
	return section
}

// From reads what is stored, from an offset on.
func (r *Record) From(offset int64) (io.Reader, error) {
	if !r.Deflated {
		return io.NewSectionReader(r.File, r.Offset+offset, r.Size-offset), nil
	}
	in := r.Reader()
	if _, err := io.CopyN(io.Discard, in, offset); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	return in, nil
}

// Check compares all of what is stored with its checksum, if it has one.
func (r *Record) Check() error {
	if !r.Checked {
		return nil
	}
	sum := crc32.NewIEEE()
	if _, err := io.Copy(sum, r.Reader()); err != nil {
		return fmt.Errorf("%s: %w", r.Name, err)
	}
	if sum.Sum32() != r.CRC {
		return fmt.Errorf("%s: %w", r.Name, ErrChecksum)
	}
	return nil
}

// Short says of an unexpected end what it means here.
func Short(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("the file became shorter while it was read")
	}
	return err
}
