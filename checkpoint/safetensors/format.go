package safetensors

import (
	"encoding/binary"
	"fmt"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
)

// Format reads safetensors files of any program.
var Format stored.Lister = format{}

type format struct{}

// Kind implements checkpoint.Format.
func (format) Kind() checkpoint.Kind {
	return checkpoint.Kind{
		Name:     "safetensors",
		About:    "a header of JSON and the tensors' bytes; tied names that the metadata tell of stay tied",
		Source:   "https://huggingface.co/docs/safetensors",
		Examples: []string{"model.safetensors"},
	}
}

// Sniff implements checkpoint.Format: a file begins with the header's length, and the header with a brace.
func (format) Sniff(_ string, head []byte) bool {
	return len(head) > 8 && head[8] == '{' && binary.LittleEndian.Uint64(head) <= checkpoint.MaxHeader
}

// List implements stored.Lister.
func (format) List(f *checkpoint.File, o checkpoint.Options) (*stored.List, error) {
	if o.Key != "" {
		return nil, fmt.Errorf("key %s: a safetensors file has no keys", o.Key)
	}
	header, err := ReadHeader(f, f.Size())
	if err != nil {
		return nil, err
	}
	l := &stored.List{Files: []*checkpoint.File{f}}
	l.Path, l.Format = f.Path(), Format.Kind().Name
	have := map[string]bool{}
	size := f.Size() - header.Data
	data := &stored.Record{File: f, Name: "the data section", Offset: header.Data, Size: size, Length: size}
	for _, t := range header.Tensors {
		have[t.Name] = true
		l.Tensors = append(l.Tensors, stored.Named{Name: t.Name, Tensor: &stored.Tensor{DType: t.DType, Shape: t.Shape, Parts: []stored.Part{{Record: data, Offset: t.Begin, Shape: t.Shape}}}})
	}
	for alias, kept := range header.Metadata {
		if have[kept] && !have[alias] && alias != "format" {
			l.Tie(alias, kept)
		}
	}
	return l, nil
}

// Open implements checkpoint.Format.
func (s format) Open(f *checkpoint.File, o checkpoint.Options) (checkpoint.Checkpoint, error) {
	l, err := s.List(f, o)
	if err != nil {
		return nil, err
	}
	return stored.Arrange(l, o)
}
