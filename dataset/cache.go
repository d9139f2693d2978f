package dataset

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/zeebo/xxh3"
	"golang.org/x/sync/errgroup"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/internal/atomicfile"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Images that take long to decode are decoded once. Their pixels and labels lie in a safetensors file below the
// user's cache folder, named by a digest of what they were decoded from, and are mapped from there by all processes
// that use them. The file is whole or absent; its XXH3 stands beside it and is compared at each opening.

// undecoded is a split of images that have yet to be decoded.
type undecoded struct {
	name   string
	labels []int64
	decode func(i int, pixels []byte) error // of one image; goroutines share it
}

// decoded are the images of a split.
type decoded struct {
	pixels []byte
	labels []int64
	file   string // that pixels are mapped from; "" where they are in memory
}

// decodedSet is what was found, by the names of the splits.
type decodedSet struct {
	splits map[string]decoded
	notes  []string
}

// decoderVersion is raised when the same files would give other pixels.
const decoderVersion = 1

// decodedOnce gives the images of splits: out of the cache, or else decoded and put there. kind and source, a digest,
// say what they are decoded from; list is asked where they are not there. Each image becomes bytes of the given shape.
func decodedOnce(kind, source string, shape []int64, list func() ([]undecoded, error)) (decodedSet, error) {
	var notes []string
	path, unusable := cachePath(fmt.Sprintf("%s-v%d-%.32s.safetensors", kind, decoderVersion, source))
	if unusable == nil {
		set, err := openCache(path)
		if err == nil {
			return set, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			notes = append(notes, fmt.Sprintf("the decoded images in the cache are of no use and are made anew: %v", err))
		}
	}
	splits, err := list()
	if err != nil {
		return decodedSet{}, err
	}
	w := &cacheWriter{splits: splits, shape: shape}
	var set decodedSet
	if unusable == nil {
		if unusable = w.store(path); unusable == nil {
			set, unusable = openCache(path)
		}
	}
	if unusable != nil && w.failed == nil {
		notes = append(notes, fmt.Sprintf("the images are decoded anew at each start: %v", unusable))
		if set, err = w.inMemory(); err != nil {
			return decodedSet{}, err
		}
	}
	set.notes = notes
	return set, w.failed
}

// cachePath is where a cache file lies: in the folder lawa-replay/data of the user's cache folder.
func cachePath(name string) (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w", err)
	}
	return filepath.Join(dir, "lawa-replay", "data", name), nil
}

// openCache maps a cache file. The mapping lasts as long as the process.
func openCache(path string) (decodedSet, error) {
	want, err := input.ReadFile(path+".xxh3", 1<<10)
	if err != nil {
		return decodedSet{}, err
	}
	w, err := safetensors.Map(path)
	if err != nil {
		return decodedSet{}, fmt.Errorf("%s: %w", path, err)
	}
	var have string
	err = checkpoint.Guard(path, func() error {
		h := xxh3.New()
		h.Write(w.Head)
		h.Write(w.Data)
		have = sumText(h)
		return nil
	})
	if err == nil && have != strings.TrimSpace(string(want)) {
		err = fmt.Errorf("%s: xxh3 %s, expected %s: the file was altered", path, have, strings.TrimSpace(string(want)))
	}
	if err != nil {
		w.Close()
		return decodedSet{}, err
	}
	return imagesIn(w), nil
}

func sumText(h *xxh3.Hasher) string {
	sum := h.Sum128().Bytes()
	return hex.EncodeToString(sum[:])
}

// imagesIn are the splits of a file that a cacheWriter wrote.
func imagesIn(w *checkpoint.Mapped) decodedSet {
	set := decodedSet{splits: map[string]decoded{}}
	for _, t := range w.Tensors {
		name, field, _ := strings.Cut(t.Name, ".")
		d := set.splits[name]
		data := w.Data[t.Begin:t.End]
		switch field {
		case Inputs:
			d.pixels, d.file = data, w.Path
		case Targets:
			a := Array{Field{DType: checkpoint.I64}, data}
			d.labels, _ = a.Integers()
		}
		set.splits[name] = d
	}
	return set
}

// cacheWriter decodes splits into a file.
type cacheWriter struct {
	splits []undecoded
	shape  []int64
	failed error // an image that cannot be decoded
}

// inMemory decodes into memory, where there can be no file.
func (w *cacheWriter) inMemory() (decodedSet, error) {
	var b bytes.Buffer
	if err := w.write(&b); err != nil {
		return decodedSet{}, err
	}
	header, err := safetensors.ReadHeader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		return decodedSet{}, err
	}
	return imagesIn(&checkpoint.Mapped{Tensors: header.Tensors, Data: b.Bytes()[header.Data:]}), nil
}

// store writes the file and, before that has its name, its digest beside it.
func (w *cacheWriter) store(path string) error {
	h := xxh3.New()
	return atomicfile.WriteConfirmed(path, func(out io.Writer) error { return w.write(io.MultiWriter(out, h)) }, func() error {
		return atomicfile.WriteBytes(path+".xxh3", []byte(sumText(h)+"\n"))
	})
}

// write writes the tensors SPLIT.inputs and SPLIT.targets.
func (w *cacheWriter) write(out io.Writer) error {
	var tensors []checkpoint.Tensor
	for _, s := range w.splits {
		n := int64(len(s.labels))
		tensors = append(tensors, checkpoint.Tensor{Name: s.name + "." + Targets, DType: checkpoint.I64, Shape: []int64{n}},
			checkpoint.Tensor{Name: s.name + "." + Inputs, DType: "U8", Shape: append([]int64{n}, w.shape...)})
	}
	header, err := checkpoint.EncodeHeader(checkpoint.Arrange(tensors), nil) // the targets of all first: they are wider
	if err != nil {
		return err
	}
	for _, s := range w.splits {
		for _, l := range s.labels {
			header = binary.LittleEndian.AppendUint64(header, uint64(l))
		}
	}
	if _, err := out.Write(header); err != nil {
		return err
	}
	for _, s := range w.splits {
		if err := w.pixels(out, s); err != nil {
			return err
		}
	}
	return nil
}

// pixels decodes the images of a split on all cores, some at a time.
func (w *cacheWriter) pixels(out io.Writer, s undecoded) error {
	size := int(Field{DType: "U8", Shape: w.shape}.Bytes())
	const share = 256
	block := share * runtime.GOMAXPROCS(0)
	buffer := make([]byte, min(block, len(s.labels))*size)
	for from := 0; from < len(s.labels); from += block {
		to := min(from+block, len(s.labels))
		var g errgroup.Group
		for first := from; first < to; first += share {
			g.Go(func() error {
				for i := first; i < min(first+share, to); i++ {
					if err := s.decode(i, buffer[(i-from)*size:(i-from+1)*size]); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if w.failed = g.Wait(); w.failed != nil {
			return w.failed
		}
		if _, err := out.Write(buffer[:(to-from)*size]); err != nil {
			return err
		}
	}
	return nil
}
