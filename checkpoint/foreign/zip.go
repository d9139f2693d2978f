package foreign

import (
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
)

// zipFormat is what the format is called.
const zipFormat = "PyTorch zip"

// zipFile is what torch.save has written since 1.6: a zip archive with a pickle, data.pkl, and one record for
// each storage, data/0, data/1, … It may lie within a file (as in .distcp).
type zipFile struct {
	*file
	start, size int64
	prefix      string
	entries     map[string]*zip.File
	storages    map[string]*record
}

// open reads the directory and the pickle.
func (z *zipFile) open(o Options) (any, error) {
	r, err := zip.NewReader(io.NewSectionReader(z.file, z.start, z.size), z.size)
	if errors.Is(err, zip.ErrFormat) {
		return nil, fmt.Errorf("a zip archive that is cut short: %d bytes, and no directory at their end; the download, the copy or the save did not finish", z.size)
	} else if err != nil {
		return nil, fmt.Errorf("it starts as a zip archive does, but: %w", err)
	}
	z.entries, z.storages = map[string]*zip.File{}, map[string]*record{}
	pickles := 0
	for _, f := range r.File {
		if z.entries[f.Name] != nil {
			return nil, fmt.Errorf("the zip archive holds %q twice", f.Name)
		}
		z.entries[f.Name] = f
		if prefix, ok := strings.CutSuffix(f.Name, "data.pkl"); ok && (prefix == "" || strings.HasSuffix(prefix, "/")) {
			z.prefix = prefix
			pickles++
		}
	}
	if pickles == 0 {
		return nil, errors.New(zipArchive(r.File))
	}
	if pickles != 1 {
		return nil, fmt.Errorf("a zip archive with %d records called data.pkl: torch.save writes one", pickles)
	}
	if f := z.entries[z.prefix+"byteorder"]; f != nil {
		text, err := z.content(f, 16)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(string(text)) != "little" {
			return nil, fmt.Errorf("its byte order is %q; only little-endian files are read", text)
		}
	}
	main := z.entries[z.prefix+"data.pkl"]
	most := cmp.Or(o.MaxPickle, pickle.MaxBytes)
	if main.UncompressedSize64 > uint64(most) {
		return nil, fmt.Errorf("data.pkl: %w: it has %d bytes, at most %d are read (--max-pickle raises that)", pickle.ErrLimit, main.UncompressedSize64, most)
	}
	text, err := z.content(main, most)
	if err != nil {
		return nil, err
	}
	p := pickle.NewReader(bytes.NewReader(text), int64(len(text)), most)
	root, err := p.Next(pickle.Options{Persistent: func(id any) (any, error) { return z.persistent(id, main.CRC32 != 0) }, Call: rebuild, Strict: o.Strict})
	if err != nil {
		return nil, fmt.Errorf("data.pkl: %w", raised(err))
	}
	return root, nil
}

// raised is err with what to do about a limit.
func raised(err error) error {
	if errors.Is(err, pickle.ErrLimit) {
		return fmt.Errorf("%w (--max-pickle raises that)", err)
	}
	return err
}

// record finds the bytes of an entry.
func (z *zipFile) record(f *zip.File) (*record, error) {
	if f.Flags&1 != 0 {
		return nil, fmt.Errorf("zip record %s is encrypted", f.Name)
	}
	if f.Method != zip.Store && f.Method != zip.Deflate {
		return nil, fmt.Errorf("zip record %s is compressed by method %d; stored and deflated ones are read", f.Name, f.Method)
	}
	at, err := f.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("zip record %s: %w", f.Name, err)
	}
	size, length := f.CompressedSize64, f.UncompressedSize64
	if size > uint64(z.size) || at < 0 || at > z.size-int64(size) {
		return nil, fmt.Errorf("zip record %s: %d bytes at %d, in an archive of %d", f.Name, size, at, z.size)
	}
	// Deflate makes at most 1,032 bytes of one.
	if f.Method == zip.Store && length != size || length > 1032*size {
		return nil, fmt.Errorf("zip record %s: %d bytes stored are said to be %d", f.Name, size, length)
	}
	if f.Method == zip.Deflate && int64(length) > z.file.size+slack {
		return nil, fmt.Errorf("zip record %s: %d bytes deflated to %d; that much is not inflated", f.Name, length, size)
	}
	return &record{file: z.file, name: "zip record " + f.Name, offset: z.start + at, size: int64(size), length: int64(length),
		crc: f.CRC32, checked: f.CRC32 != 0, deflated: f.Method == zip.Deflate}, nil
}

// content reads a small record.
func (z *zipFile) content(f *zip.File, most int64) ([]byte, error) {
	r, err := z.record(f)
	if err != nil {
		return nil, err
	}
	if r.length > most {
		return nil, fmt.Errorf("%s: %d bytes; at most %d were expected", r.name, r.length, most)
	}
	text, err := io.ReadAll(io.LimitReader(r.reader(), r.length+1))
	if err == nil && int64(len(text)) != r.length {
		err = fmt.Errorf("%d bytes, its entry says %d", len(text), r.length)
	}
	if err == nil && r.checked && crc32.ChecksumIEEE(text) != r.crc {
		err = errChecksum
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	return text, nil
}

var errChecksum = errors.New("its bytes do not match its checksum: the file is damaged (torch.load does not notice)")

// reader gives what is stored, inflated where it is deflated.
func (r *record) reader() io.Reader {
	section := io.NewSectionReader(r.file, r.offset, r.size)
	if r.deflated {
		return flate.NewReader(section)
	}
	return section
}

// persistent resolves ('storage', class, key, location, elements).
func (z *zipFile) persistent(id any, checksums bool) (any, error) {
	s, key, _, err := persistentStorage(id)
	if err != nil {
		return nil, err
	}
	if s.record = z.storages[key]; s.record == nil {
		f := z.entries[z.prefix+"data/"+key]
		if f == nil {
			return nil, fmt.Errorf("the archive lacks the storage data/%s", key)
		}
		if s.record, err = z.record(f); err != nil {
			return nil, err
		}
		// torch.serialization.skip_data leaves such files: room for the weights, and no weights.
		s.record.hollow = checksums && !s.record.checked && s.record.length > 0
		z.storages[key] = s.record
	}
	if need := s.bytes(); need > s.record.length {
		return nil, fmt.Errorf("%s: %d bytes, its storage needs %d", s.record.name, s.record.length, need)
	}
	return s, nil
}
