package formats_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// numbers is a format of one's own: a number a line, behind its name.
type numbers struct{}

func (numbers) Kind() checkpoint.Kind {
	return checkpoint.Kind{Name: "numbers", About: "a number a line, behind its name", Examples: []string{"a.numbers"}}
}

func (numbers) Sniff(path string, _ []byte) bool { return strings.HasSuffix(path, ".numbers") }

func (n numbers) Open(f *checkpoint.File, o checkpoint.Options) (checkpoint.Checkpoint, error) {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		return nil, err
	}
	l := &stored.List{Files: []*checkpoint.File{f}}
	l.Format = n.Kind().Name
	for line := range strings.Lines(string(text)) {
		var name string
		var v float32
		if _, err := fmt.Sscan(line, &name, &v); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		record := stored.Memory(name, binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
		l.Tensors = append(l.Tensors, stored.Named{Name: name, Tensor: &stored.Tensor{DType: checkpoint.F32, Shape: []int64{1}, Parts: []stored.Part{{Record: record, Shape: []int64{1}}}}})
	}
	return stored.Arrange(l, o)
}

// A format of one's own is opened as the others are, and linked to by trajectories.
func TestFormatOfOnesOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.numbers")
	if err := os.WriteFile(path, []byte("module.a 1.5\nmodule.b -2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	files := formats.Files{Also: []checkpoint.Format{numbers{}}}
	run, err := trajectory.Linked(t.TempDir(), files, trajectory.Meta{Run: "r"}, []trajectory.Checkpoint{{Index: 1, Epoch: 1, Step: 1, Bytes: 25, Link: &trajectory.Link{Path: path}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Seal(t.Context(), []int{0}, false, nil); err != nil {
		t.Fatal(err)
	}
	w, err := run.Map(0, false)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if want := []byte{0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0}; len(w.Tensors) != 2 || w.Tensors[0].Name != "a" || !bytes.Equal(w.Data, want) {
		t.Errorf("%v, %v", w.Tensors, w.Data)
	}
	if _, err := formats.Open(path, checkpoint.Options{}); err == nil {
		t.Error("it is known without being handed in")
	}
}
