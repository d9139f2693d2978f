package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/dataset/picture"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
)

// photos are images of files in folders. They are decoded once, when they are first read, and mapped from then on.
type photos struct {
	name    string
	fields  []Field
	how     decoding
	skip    bool
	augment Augment
	opening Opening
	open    func() (*openPhotos, error)
	digest  func() (string, error)
}

// openPhotos are those that can be read.
type openPhotos struct {
	*store
	at     []int   // of the store's images, by the split's indices; nil where all of them are in it
	labels []int64 // by the store's
}

// newPhotos makes a split of files. Where broken ones are left out, they are decoded at once: how many there are depends
// on it.
func newPhotos(name string, how decoding, classes int, norm Norm, skip bool, o Opening) (*photos, []string, error) {
	side := int64(how.crop)
	s := &photos{name: name, how: how, skip: skip, opening: o, fields: []Field{
		{Name: Inputs, DType: "U8", Shape: []int64{3, side, side}, Normalize: &norm},
		{Name: Targets, DType: checkpoint.I64, Classes: classes},
	}}
	s.open = sync.OnceValues(s.make)
	s.digest = sync.OnceValues(func() (string, error) { return s.remembered(s, nil) })
	if !skip {
		return s, nil, nil
	}
	found, err := s.open()
	if err != nil || len(found.meta.Broken) == 0 {
		return s, nil, err
	}
	broken := slices.Sorted(maps.Keys(found.meta.Broken))
	return s, []string{fmt.Sprintf("%s: %d of %d images are broken and left out: %s (%s)", name, len(broken), found.meta.Files, someOf(broken), found.meta.Broken[broken[0]])}, nil
}

// make opens the decoded images, or decodes them.
func (s *photos) make() (*openPhotos, error) {
	digest, err := s.how.list.digest(s.how.how())
	if err != nil {
		return nil, err
	}
	cache, err := cacheFolder(s.opening.Cache)
	if err != nil {
		return nil, noCache(err)
	}
	dir := filepath.Join(cache, fmt.Sprintf("images-%.32s", digest))
	found, err := openStore(dir, len(s.how.list.files))
	if err != nil {
		found, err = makeStore(dir, s.how, s.skip, s.opening.Context, func(done, total int) {
			if s.opening.Progress != nil {
				s.opening.Progress("decoding "+s.name, done, total)
			}
		})
	}
	if err != nil {
		return nil, err
	}
	out := &openPhotos{store: found, labels: s.how.list.labels()}
	if len(found.meta.Broken) == 0 {
		return out, nil
	}
	if !s.skip {
		first := slices.Sorted(maps.Keys(found.meta.Broken))[0]
		return nil, brokenImage(filepath.Join(s.how.list.dir, first), found.meta.Broken[first])
	}
	for i, e := range found.index {
		if e.width > 0 {
			out.at = append(out.at, i)
		}
	}
	if len(out.at) == 0 {
		return nil, fmt.Errorf("%s: all %d images are broken", s.how.list.dir, len(found.index))
	}
	return out, nil
}

func (s *photos) Name() string            { return s.name }
func (s *photos) Fields() []Field         { return s.fields }
func (s *photos) Digest() (string, error) { return s.digest() }

// Len does not open the images, unless broken ones are left out: then they are open already.
func (s *photos) Len() int {
	if s.skip {
		if found, err := s.open(); err == nil && found.at != nil {
			return len(found.at)
		}
	}
	return len(s.how.list.files)
}

func (s *photos) Read(b *Batch, indices []int, draw *rand.Rand) error {
	found, err := s.open()
	if err != nil {
		return err
	}
	b.Reset(len(indices), s.fields...)
	data, labels := b.Arrays[0].Data, b.Arrays[1].Data
	size, crop := int(s.fields[0].Bytes()), s.how.crop
	at := func(i int) int {
		if found.at != nil {
			return found.at[i]
		}
		return i
	}
	for j, i := range indices {
		binary.LittleEndian.PutUint64(labels[8*j:], uint64(found.labels[at(i)]))
	}
	changes := s.augment.drawAll(draw, indices, func(i int) (int, int) {
		e := found.index[at(i)]
		return e.width, e.height
	}, crop, crop)
	return spread(len(indices), changes != nil && s.augment.costly(), found.path, func(j int) error {
		pix, e, err := found.image(at(indices[j]))
		if err != nil {
			return err
		}
		stored := &picture.Picture{Width: e.width, Height: e.height, Pix: pix}
		dst := pixels{data[j*size : (j+1)*size], crop, crop}
		if changes == nil {
			copy(dst.pix, s.centre(stored).Pix)
			return nil
		}
		if changes[j].part.Empty() {
			stored = s.centre(stored)
		}
		return changes[j].apply(dst, pixels{stored.Pix, stored.Width, stored.Height}, s.how.filter, s.fields[0].Normalize.black())
	})
}

// centre is what is seen of a stored image without changes.
func (s *photos) centre(stored *picture.Picture) *picture.Picture {
	crop := s.how.crop
	if stored.Width == crop && stored.Height == crop {
		return stored
	}
	return stored.Crop(picture.Centre(stored.Width, stored.Height, crop, crop))
}

// remembered gives the digest of a view, or of the split itself: kept beside the images, since making it takes a pass
// over all of them.
func (s *photos) remembered(v Split, at []int) (string, error) {
	found, err := s.open()
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d %x\n", len(found.data), found.data[len(found.data)-8:]) // the checksum of its index
	for i := range s.fields {
		headline(h, v.Len(), s.fields, i)
	}
	if found.at != nil {
		fmt.Fprintln(h, "without broken ones")
	}
	for _, i := range at {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(i)))
	}
	key := hex.EncodeToString(h.Sum(nil))
	dir := filepath.Dir(found.path)
	if d, ok := readDigests(dir)[key]; ok {
		return d, nil
	}
	d, err := Digest(v)
	if err != nil {
		return "", err
	}
	// Who cannot keep it makes it again; of two who keep theirs at once one does.
	all := readDigests(dir)
	all[key] = d
	if text, err := json.MarshalIndent(all, "", "\t"); err == nil {
		_ = atomicfile.WriteBytes(filepath.Join(dir, "digests.json"), append(text, '\n'))
	}
	return d, nil
}
