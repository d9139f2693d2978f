package dataset

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/edsrzf/mmap-go"
	"github.com/zeebo/xxh3"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// The decoded images of a folder lie in a folder of the cache that is named by a digest of the files' names, sizes and
// times and of how they are decoded. In it are
//
//	images          the pixels, image behind image; their index; what else is to be known; a tail
//	images.partial  the pixels while they are being decoded
//	index.partial   their index: what is in it is on the disk
//	digests.json    digests of the split and of its views
//
// The tail holds the size of the file and a checksum of the index, which are compared at opening; the index has an XXH3
// of each image, which is compared whenever that image is read. So opening takes no pass over the pixels.

const (
	storeVersion = "lawa-replay images 1\n" // raised when the file would be laid out otherwise
	storeTail    = 64
	storeEntry   = 16 // bytes: width, height, XXH3
	storeFile    = "images"
	maxImageSide = 1 << 20
)

// storeIndex is where an image lies.
type storeIndex struct {
	width, height int // 0: broken
	sum           uint64
	begin         int64
}

func (e storeIndex) size() int64 { return 3 * int64(e.width) * int64(e.height) }

// storeMeta is what else stands in the file.
type storeMeta struct {
	Files  int               `json:"files"`
	Broken map[string]string `json:"broken,omitempty"` // what is wrong with a file, by its path
}

// store is decoded images, mapped for as long as the process lasts.
type store struct {
	path  string
	data  []byte
	index []storeIndex
	meta  storeMeta
}

// appendEntry writes an entry of the index.
func appendEntry(b []byte, e storeIndex) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(e.width))
	b = binary.LittleEndian.AppendUint32(b, uint32(e.height))
	return binary.LittleEndian.AppendUint64(b, e.sum)
}

// parseIndex reads entries, up to the first that is none.
func parseIndex(b []byte) []storeIndex {
	out := make([]storeIndex, 0, len(b)/storeEntry)
	at := int64(0)
	for ; len(b) >= storeEntry; b = b[storeEntry:] {
		e := storeIndex{int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:])), binary.LittleEndian.Uint64(b[8:]), at}
		if e.width > maxImageSide || e.height > maxImageSide {
			break
		}
		at += e.size()
		out = append(out, e)
	}
	return out
}

// tail ends the file: the version, the lengths of index and meta, the size of all, and a checksum of index, meta and
// what stands before it.
func tail(index, meta []byte, size int64) []byte {
	b := append(make([]byte, 0, storeTail), storeVersion...)
	b = append(b, make([]byte, storeTail-32-len(b))...)
	for _, n := range []int{len(index), len(meta), int(size)} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	h := xxh3.New()
	h.Write(index)
	h.Write(meta)
	h.Write(b)
	return binary.LittleEndian.AppendUint64(b, h.Sum64())
}

// errDamaged is wrapped by errors of a store that is of no use, and is made anew.
var errDamaged = errors.New("the decoded images are of no use")

// openStore maps the decoded images of n files; an error that is fs.ErrNotExist where they are not there.
func openStore(dir string, n int) (*store, error) {
	path := filepath.Join(dir, storeFile)
	f, size, err := input.Open(path, input.Any)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &store{path: path}
	damaged := func(format string, args ...any) (*store, error) {
		if s.data != nil {
			m := mmap.MMap(s.data)
			_ = m.Unmap()
		}
		return nil, fmt.Errorf("%s: %w: %s", path, errDamaged, fmt.Sprintf(format, args...))
	}
	if size < storeTail {
		return damaged("%d bytes, at least %d are expected", size, storeTail)
	}
	m, err := mmap.Map(f, mmap.RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s.data = m
	var wrong string
	err = checkpoint.Guard(path, func() error {
		wrong = s.parse(n)
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case wrong != "":
		return damaged("%s", wrong)
	}
	return s, nil
}

// parse reads what stands behind the pixels, and says what is wrong with it.
func (s *store) parse(n int) string {
	size := int64(len(s.data))
	end := s.data[size-storeTail:]
	if string(end[:len(storeVersion)]) != storeVersion {
		return "the file is cut off, or of another version of this program"
	}
	number := func(at int) int64 { return int64(binary.LittleEndian.Uint64(end[storeTail-32+at:])) }
	indexSize, metaSize, whole := number(0), number(8), number(16)
	if whole != size || indexSize != int64(n)*storeEntry || metaSize < 0 || metaSize > size-storeTail-indexSize {
		return fmt.Sprintf("%d bytes with %d of index; it says that it has %d, and %d images are expected", size, indexSize, whole, n)
	}
	meta := s.data[size-storeTail-metaSize : size-storeTail]
	index := s.data[size-storeTail-metaSize-indexSize:][:indexSize]
	if string(tail(index, meta, size)) != string(end) {
		return "the checksum of its index is another: the file was altered"
	}
	s.index = parseIndex(index)
	if len(s.index) != n || json.Unmarshal(meta, &s.meta) != nil {
		return "its index cannot be read"
	}
	pixels := int64(0)
	if n > 0 {
		pixels = s.index[n-1].begin + s.index[n-1].size()
	}
	if pixels != size-storeTail-metaSize-indexSize {
		return fmt.Sprintf("%d bytes of pixels, expected %d", size-storeTail-metaSize-indexSize, pixels)
	}
	return ""
}

// image gives the planes of an image, compared with its checksum. It is called under checkpoint.Guard.
func (s *store) image(i int) ([]byte, storeIndex, error) {
	e := s.index[i]
	pix := s.data[e.begin : e.begin+e.size()]
	if sum := xxh3.Hash(pix); sum != e.sum {
		return nil, e, fmt.Errorf("%s: image %d has the checksum %016x, expected %016x: the file was altered; remove it, and the images are decoded anew", s.path, i, sum, e.sum)
	}
	return pix, e, nil
}

// digests are the remembered digests, by what they are of; damaged ones are forgotten.
func readDigests(dir string) map[string]string {
	out := map[string]string{}
	data, err := input.ReadFile(filepath.Join(dir, "digests.json"), input.Text)
	if err != nil || json.Unmarshal(data, &out) != nil {
		return map[string]string{}
	}
	return out
}

// cacheFolder is where decoded images are kept.
func cacheFolder(chosen string) (string, error) {
	if chosen != "" {
		return chosen, nil
	}
	path, err := cachePath("")
	return filepath.Clean(path), err
}

func notThere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, os.ErrNotExist)
}
