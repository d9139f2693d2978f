package dataset

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/lawa-replay/lawa-replay/internal/input"
)

// maxIDX bounds what one file may hold, in bytes.
const maxIDX = 1 << 30

// errNoIDX says that a file is missing, in front of its name.
var errNoIDX = errors.New("no")

// readIDX reads the uint8 IDX file called stem (such as train-images) of dims dimensions in dir, under
// any of the names it goes by. The format is described on the MNIST page: two zero bytes, the type (8 for
// uint8), the number of dimensions, each size as a big-endian uint32, then the values.
func readIDX(dir, stem string, dims int) ([]uint8, []int, error) {
	for _, suffix := range []string{"-idx%d-ubyte.gz", "-idx%d-ubyte", ".idx%d-ubyte.gz", ".idx%d-ubyte"} {
		path := filepath.Join(dir, stem+fmt.Sprintf(suffix, dims))
		f, _, err := input.Open(path, maxIDX)
		if errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, nil, err
		}
		defer f.Close()
		values, shape, err := parseIDX(f, dims)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		return values, shape, nil
	}
	return nil, nil, fmt.Errorf("%s: %w %s-idx%d-ubyte.gz (or the same without .gz) in it", dir, errNoIDX, stem, dims)
}

func parseIDX(r io.Reader, dims int) ([]uint8, []int, error) {
	var magic [2]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return nil, nil, errors.New("the file is empty or cut short")
	}
	r = io.MultiReader(bytes.NewReader(magic[:]), r)
	if magic == [2]byte{0x1f, 0x8b} {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, err
		}
		r = z
	}
	head := make([]byte, 4+4*dims)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, nil, fmt.Errorf("its header is cut short (%w)", err)
	}
	if head[0] != 0 || head[1] != 0 || head[2] != 8 || int(head[3]) != dims {
		return nil, nil, fmt.Errorf("not an IDX file of bytes with %d dimensions: it starts with % x, expected 00 00 08 %02x", dims, head[:4], dims)
	}
	shape, n := make([]int, dims), int64(1)
	for i := range shape {
		shape[i] = int(binary.BigEndian.Uint32(head[4+4*i:]))
		if shape[i] == 0 || n > maxIDX/int64(shape[i]) {
			return nil, nil, fmt.Errorf("its header claims the shape %v…", shape[:i+1])
		}
		n *= int64(shape[i])
	}
	// The buffer grows with what arrives, not with what the header claims.
	var values bytes.Buffer
	got, err := io.Copy(&values, io.LimitReader(r, n+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("after %d of %d bytes: %w", got, n, err)
	case got < n:
		return nil, nil, fmt.Errorf("cut short: %d bytes of values, its header claims %d", got, n)
	case got > n:
		return nil, nil, fmt.Errorf("more than the %d bytes of values that its header claims", n)
	}
	return values.Bytes(), shape, nil
}
