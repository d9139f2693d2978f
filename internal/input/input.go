// Package input opens what others made. It believes nothing of it: a file is opened only if it is a regular one
// and no larger than what reads it can use, so that neither a pipe nor a sparse file of many gigabytes in its place
// does harm, and a name that a file contains leads nowhere but below the folder it belongs to.
//
// Every file that the program reads is opened here; a test keeps it so.
package input

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
)

// The kinds of limits, in bytes.
const (
	Any  = -1       // as large as it is: what reads it maps it, or has limits of its own
	Text = 64 << 20 // JSON, CSV and other texts that are read whole
)

// Open opens a regular file of at most limit bytes (or Any) for reading, and gives its size. It does not wait where
// there is something else, such as a pipe without a writer.
func Open(path string, limit int64) (*os.File, int64, error) {
	// Without O_NONBLOCK a pipe would wait for its writer; regular files take no notice of it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = wrong(path, fmt.Errorf("%s, not a regular file", kind(info.Mode())))
	case limit >= 0 && info.Size() > limit:
		err = wrong(path, fmt.Errorf("%s; at most %s are read", size(info.Size()), size(limit)))
	default:
		return f, info.Size(), nil
	}
	f.Close()
	return nil, 0, err
}

// ReadFile reads a regular file of at most limit bytes.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, n, err := Open(path, limit)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// It may grow meanwhile, and what /proc holds has no size. As large as it is said to be, the buffer need not grow,
	// which would leave several times as much behind.
	var all bytes.Buffer
	all.Grow(int(n) + bytes.MinRead)
	_, err = all.ReadFrom(io.LimitReader(f, limit+1))
	data := all.Bytes()
	if err == nil && int64(len(data)) > limit {
		err = wrong(path, fmt.Errorf("more than %s, which are read at most", size(limit)))
	}
	return data, err
}

// List gives the paths of what lies in a folder, if there is one, under names that match a pattern (path/filepath.Match),
// sorted. The folder's own name is no pattern.
func List(dir, pattern string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		if ok, err := filepath.Match(pattern, e.Name()); err == nil && ok {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, err
}

// ErrLine is wrapped by the error of a line that is too long.
var ErrLine = errors.New("the line is too long")

// ReadLine reads a line of at most limit bytes, with its line feed, which only the last one may lack; at the end it
// returns what is left with io.EOF. The memory grows with what arrives.
func ReadLine(r *bufio.Reader, limit int) ([]byte, error) {
	var out []byte
	for {
		part, err := r.ReadSlice('\n')
		if out = append(out, part...); len(out) > limit {
			return nil, fmt.Errorf("%w: more than %s", ErrLine, size(int64(limit)))
		}
		if err != bufio.ErrBufferFull {
			return out, err
		}
	}
}

// FirstByte skips white space and gives the byte that follows, which stays to be read.
func FirstByte(r *bufio.Reader) (byte, error) {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if !strings.ContainsRune(" \t\r\n", rune(b)) {
			return b, r.UnreadByte()
		}
	}
}

// Local says why a name that a file contains cannot be that of a file below the folder it belongs to: absolute, or
// leading out of it, or one that some system or tool takes for something else than a path of plain names.
func Local(name string) error {
	const longest, longestElement = 1024, 255
	switch {
	case name == "":
		return errors.New("an empty name")
	case len(name) > longest:
		return fmt.Errorf("a name of %d bytes, at most %d: %.60q…", len(name), longest, name)
	case name == ".":
		return errors.New(`"." is the folder itself`)
	case filepath.IsAbs(name) || !filepath.IsLocal(name):
		return fmt.Errorf("%q lies outside of the folder", name)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%q holds characters that no file name should", name)
	case strings.Contains(name, `\`) || len(name) > 1 && name[1] == ':':
		return fmt.Errorf("%q is a name of another system: folders are separated by /", name)
	case filepath.Clean(name) != name:
		return fmt.Errorf("%q is written in a roundabout way, expected %q", name, filepath.Clean(name))
	}
	for element := range strings.SplitSeq(name, "/") {
		if len(element) > longestElement {
			return fmt.Errorf("a name of %d bytes, at most %d: %.60q…", len(element), longestElement, element)
		}
	}
	return nil
}

// Cause is what went wrong with a file, without its name, for callers who name it themselves.
func Cause(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// wrong is what the os package returns, so that callers who name the file themselves can take the path off.
func wrong(path string, err error) error { return &os.PathError{Op: "reading", Path: path, Err: err} }

func size(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d bytes", n)
	}
	return humanize.IBytes(uint64(n))
}

// kind names what is no regular file.
func kind(m os.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&os.ModeNamedPipe != 0:
		return "a named pipe"
	case m&os.ModeSocket != 0:
		return "a socket"
	case m&os.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}
