package safetensors

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

func file(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func read(b []byte) (*Header, error) { return ReadHeader(bytes.NewReader(b), int64(len(b))) }

func TestRoundTrip(t *testing.T) {
	tensors := checkpoint.Arrange([]checkpoint.Tensor{
		{Name: "a", DType: checkpoint.F32, Shape: []int64{2, 3}}, {Name: "n", DType: checkpoint.I64, Shape: []int64{}},
		{Name: "b", DType: checkpoint.BF16, Shape: []int64{5}}, {Name: "ü \"", DType: checkpoint.F32, Shape: []int64{0, 4}},
	})
	data := make([]byte, tensors[len(tensors)-1].End)
	for i := range data {
		data[i] = byte(i)
	}
	var buf bytes.Buffer
	if err := Write(&buf, tensors, map[string]string{"format": "pt"}, data); err != nil {
		t.Fatal(err)
	}
	h, err := read(buf.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if h.Data%64 != 0 || h.Metadata["format"] != "pt" || len(h.Tensors) != 4 || !bytes.Equal(buf.Bytes()[h.Data:], data) {
		t.Errorf("read back: %+v", h)
	}
	for i, x := range h.Tensors {
		if x.Name != tensors[i].Name || x.String() != tensors[i].String() || x.Begin != tensors[i].Begin || x.Begin%int64(x.DType.Size()) != 0 {
			t.Errorf("%+v, wrote %+v", x, tensors[i])
		}
	}
}

func TestMalformations(t *testing.T) {
	const one = `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`
	huge := file(one, 8)
	binary.LittleEndian.PutUint64(huge, 1<<63)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":                 {nil, "too short"},
		"seven bytes":           {make([]byte, 7), "too short"},
		"size of 2^63":          {huge, "claims"},
		"header past the end":   {file(one, 8)[:20], "claims"},
		"cut data":              {file(one, 7), "cut short"},
		"more data":             {file(one, 9), "longer"},
		"not JSON":              {file("hello world", 8), "start with {"},
		"leading space":         {file(" "+one, 8), "start with {"},
		"not UTF-8":             {file("{\"\xff\":1}", 0), "UTF-8"},
		"lone surrogate":        {file(`{"\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), "Unicode"},
		"open":                  {file(one[:len(one)-1], 8), ""},
		"trailing":              {file(one+"{}", 8), "follows"},
		"twice":                 {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}`, 16), "twice"},
		"field twice":           {file(`{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), "twice"},
		"spelling":              {file(`{"a":{"DTYPE":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), "unknown key"},
		"no shape":              {file(`{"a":{"dtype":"F32","data_offsets":[0,8]}}`, 8), "want dtype"},
		"dtype":                 {file(`{"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}`, 8), "unknown dtype"},
		"dtype of another kind": {file(`{"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}}`, 8), "not a string"},
		"negative":              {file(`{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}`, 8), "whole number"},
		"fraction":              {file(`{"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}`, 8), "whole number"},
		"overflow":              {file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}}`, 8), "overflow"},
		"size":                  {file(`{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}`, 8), "needs"},
		"backwards":             {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}`, 8), "starts at"},
		"three offsets":         {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}`, 8), "more than 2"},
		"overlap":               {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12), "starts at"},
		"gap":                   {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[12,20]}}`, 20), "starts at"},
		"odd bits":              {file(`{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}`, 1), "needs"},
		"metadata":              {file(`{"__metadata__":{"a":1}}`, 0), "not a string"},
	} {
		if h, err := read(c.file); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v %v, expected … %s …", name, h, err, c.want)
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	f.Add(file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"x":"y"}}`, 8))
	f.Add(file(`{}`, 0))
	f.Add(file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}`, 8))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := read(b)
		if err != nil {
			return
		}
		// What is accepted must be safe to slice, and written again be the same tensors.
		for _, x := range h.Tensors {
			if x.Begin < 0 || x.End < x.Begin || h.Data+x.End > int64(len(b)) {
				t.Fatalf("%+v in a file of %d bytes", x, len(b))
			}
		}
		text, err := checkpoint.EncodeHeader(h.Tensors, h.Metadata)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read(append(text, b[h.Data:]...)); err != nil {
			t.Fatalf("written again: %v", err)
		}
	})
}
