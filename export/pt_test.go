package export

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
)

// TestPT: what is written is read back, tensor by tensor, with tied ones tied and every record where it can be
// mapped. That torch.load(weights_only=True) reads the same is checked by bench/foreign.sh.
func TestPT(t *testing.T) {
	var list []checkpoint.Tensor
	for i, d := range []checkpoint.DType{"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "C64", "C128"} {
		list = append(list, checkpoint.Tensor{Name: "w." + string(d), DType: d, Shape: [][]int64{{}, {3}, {2, 0}, {2, 3}}[i%4]})
	}
	list = checkpoint.Arrange(list)
	data := make([]byte, list[len(list)-1].End)
	for i := range data {
		data[i] = byte(i*7 + 1)
	}
	var out bytes.Buffer
	if err := writePT(&out, list, map[string]string{"head": "w.F32", "gone": "nowhere"}, map[string]string{"lawa-replay.scheme": "lawa:k=2"}, held(data)); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		at, err := f.DataOffset()
		if err != nil || at%64 != 0 {
			t.Errorf("%s begins at byte %d (%v)", f.Name, at, err)
		}
	}
	path := filepath.Join(t.TempDir(), "a.pt")
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := formats.Open(path, checkpoint.Options{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if len(c.Tied()) != 1 || c.Tied()["head"] != "w.F32" {
		t.Errorf("tied: %v", c.Tied())
	}
	if !slices.EqualFunc(c.Tensors(), list, func(a, b checkpoint.Tensor) bool { return a.Name == b.Name && a.String() == b.String() }) || !bytes.HasSuffix(streamed(t, c), data) {
		t.Errorf("read back: %v, expected %v", c.Tensors(), list)
	}
	list[0].DType = "F8_E4M3"
	if err := writePT(&out, list, nil, nil, held(data)); err == nil || !strings.Contains(err.Error(), "choose safetensors") {
		t.Errorf("a dtype without a storage class: %v", err)
	}
}

// streamed is a checkpoint as the arranged file.
func streamed(t *testing.T, c checkpoint.Checkpoint) []byte {
	var out bytes.Buffer
	if err := c.Stream(func(_ *checkpoint.Tensor, data []byte) error {
		out.Write(data)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
