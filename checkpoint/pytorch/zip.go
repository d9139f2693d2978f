package pytorch

import (
	"archive/zip"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/other"
	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/rebuild"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
)

// archive is what torch.save has written since 1.6: a zip archive with a pickle, data.pkl, and one record for
// each storage, data/0, data/1, … It may lie within a file (as in .distcp).
type archive struct {
	*checkpoint.File
	start, size int64
	prefix      string
	entries     map[string]*zip.File
	storages    map[string]*stored.Record
}

// OpenArchive reads the object of an archive of size bytes, from byte start of a file on: its directory and its pickle.
func OpenArchive(f *checkpoint.File, start, size int64, o checkpoint.Options) (any, error) {
	z := &archive{File: f, start: start, size: size, storages: map[string]*stored.Record{}}
	if err := z.readDirectory(); err != nil {
		return nil, err
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
		return nil, Raised(fmt.Errorf("data.pkl: %w: it has %d bytes, at most %d are read", pickle.ErrLimit, main.UncompressedSize64, most))
	}
	text, err := z.content(main, most)
	if err != nil {
		return nil, err
	}
	p := pickle.NewReader(bytes.NewReader(text), int64(len(text)), most)
	root, err := p.Next(pickle.Options{Persistent: func(id any) (any, error) { return z.persistent(id, main.CRC32 != 0) }, Call: rebuild.Call, Strict: o.Strict})
	if err != nil {
		return nil, fmt.Errorf("data.pkl: %w", Raised(err))
	}
	return root, nil
}

// readDirectory lists the records.
func (z *archive) readDirectory() error {
	r, err := zip.NewReader(io.NewSectionReader(z.File, z.start, z.size), z.size)
	if errors.Is(err, zip.ErrFormat) {
		return fmt.Errorf("a zip archive that is cut short: %d bytes, and no directory at their end; the download, the copy or the save did not finish", z.size)
	} else if err != nil {
		return fmt.Errorf("it starts as a zip archive does, but: %w", err)
	}
	z.entries = map[string]*zip.File{}
	pickles := 0
	for _, f := range r.File {
		if z.entries[f.Name] != nil {
			return fmt.Errorf("the zip archive holds %q twice", f.Name)
		}
		z.entries[f.Name] = f
		if prefix, ok := strings.CutSuffix(f.Name, "data.pkl"); ok && (prefix == "" || strings.HasSuffix(prefix, "/")) {
			z.prefix = prefix
			pickles++
		}
	}
	if pickles == 0 {
		return errors.New(other.Zip(r.File))
	}
	if pickles != 1 {
		return fmt.Errorf("a zip archive with %d records called data.pkl: torch.save writes one", pickles)
	}
	return nil
}

// record finds the bytes of an entry.
func (z *archive) record(f *zip.File) (*stored.Record, error) {
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
	if f.Method == zip.Deflate && int64(length) > z.Size()+stored.Slack {
		return nil, fmt.Errorf("zip record %s: %d bytes deflated to %d; that much is not inflated", f.Name, length, size)
	}
	return &stored.Record{File: z.File, Name: "zip record " + f.Name, Offset: z.start + at, Size: int64(size), Length: int64(length),
		CRC: f.CRC32, Checked: f.CRC32 != 0, Deflated: f.Method == zip.Deflate}, nil
}

// content reads a small record.
func (z *archive) content(f *zip.File, most int64) ([]byte, error) {
	r, err := z.record(f)
	if err != nil {
		return nil, err
	}
	if r.Length > most {
		return nil, fmt.Errorf("%s: %d bytes; at most %d were expected", r.Name, r.Length, most)
	}
	text, err := io.ReadAll(io.LimitReader(r.Reader(), r.Length+1))
	if err == nil && int64(len(text)) != r.Length {
		err = fmt.Errorf("%d bytes, its entry says %d", len(text), r.Length)
	}
	if err == nil && r.Checked && crc32.ChecksumIEEE(text) != r.CRC {
		err = stored.ErrChecksum
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	return text, nil
}

// persistent resolves ('storage', class, key, location, elements).
func (z *archive) persistent(id any, checksums bool) (any, error) {
	s, key, _, err := rebuild.PersistentStorage(id)
	if err != nil {
		return nil, err
	}
	if s.Record = z.storages[key]; s.Record == nil {
		f := z.entries[z.prefix+"data/"+key]
		if f == nil {
			return nil, fmt.Errorf("the archive lacks the storage data/%s", key)
		}
		if s.Record, err = z.record(f); err != nil {
			return nil, err
		}
		// torch.serialization.skip_data leaves such files: room for the weights, and no weights.
		s.Record.Hollow = checksums && !s.Record.Checked && s.Record.Length > 0
		z.storages[key] = s.Record
	}
	if need := s.Bytes(); need > s.Record.Length {
		return nil, fmt.Errorf("%s: %d bytes, its storage needs %d", s.Record.Name, s.Record.Length, need)
	}
	return s, nil
}
