package dataset

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/safetensors"
	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// tensors is a file of arrays, as they were exported from any loader.
var tensors = spec.Kind[Source]{
	Name: tensorsName, About: "arrays in a file: inputs and targets, or the fields that a network asks for by name; .safetensors, .npz, or INPUTS.npy,TARGETS.npy",
	Examples: []string{"tensors:val.safetensors", "tensors:inputs.npy,targets.npy"},
	Raw:      true,
	Parse: func(s *spec.Spec) Source {
		text := tensorsName + ":" + s.Word("the file", "tensors:val.safetensors")
		return Source{Spec: text, open: func(Opening) (*Set, error) {
			split, err := OpenTensors(text)
			if err != nil {
				return nil, err
			}
			return &Set{Val: split}, nil
		}}
	},
}

const tensorsName = "tensors"

// IsTensors says whether text names a file of tensors rather than a data set.
func IsTensors(text string) bool { return strings.HasPrefix(text, tensorsName+":") }

// inMemory is a split whose arrays lie in memory.
type inMemory struct {
	name   string
	n      int
	fields []Field
	data   [][]byte // of each field
	digest func() (string, error)
}

// NewTensors makes a split of n examples of arrays in memory, each n times its field's bytes.
func NewTensors(name string, n int, arrays ...Array) (Split, error) {
	s := &inMemory{name: name, n: n}
	for _, a := range arrays {
		switch want := int64(n) * a.Bytes(); {
		case a.DType.Size() == 0:
			return nil, fmt.Errorf("%s of dtype %s, which is not read", a.Name, a.DType)
		case want != int64(len(a.Data)) || want < 0:
			return nil, fmt.Errorf("%s of %d bytes; %d examples of %s%v are expected", a.Name, len(a.Data), n, a.DType, a.Shape)
		}
		s.fields, s.data = append(s.fields, a.Field), append(s.data, a.Data)
	}
	s.digest = sync.OnceValues(func() (string, error) { return Digest(s) })
	return s, nil
}

func (s *inMemory) Name() string            { return s.name }
func (s *inMemory) Len() int                { return s.n }
func (s *inMemory) Fields() []Field         { return s.fields }
func (s *inMemory) Digest() (string, error) { return s.digest() }

func (s *inMemory) Read(b *Batch, indices []int, _ *rand.Rand) error {
	b.Reset(len(indices), s.fields...)
	for f, a := range b.Arrays {
		size := int(a.Bytes())
		for j, i := range indices {
			copy(a.Data[j*size:(j+1)*size], s.data[f][i*size:])
		}
	}
	return nil
}

// OpenTensors reads the tensors of tensors:FILE.safetensors, tensors:FILE.npz, or tensors:INPUTS.npy[,TARGETS.npy],
// examples first. Of a file with a tensor called inputs that one is taken, and targets if it is there; of any other all
// tensors are, as fields that a network may ask for. Targets may be missing: for statistics they are not needed, and a
// language model's are its inputs.
func OpenTensors(text string) (Split, error) {
	s, err := openTensors(strings.TrimPrefix(text, tensorsName+":"))
	if err != nil {
		return nil, fmt.Errorf("data %s: %w", text, err)
	}
	return s, nil
}

func openTensors(path string) (Split, error) {
	var arrays map[string]*array
	var err error
	switch strings.ToLower(filepath.Ext(path)) {
	case ".safetensors":
		arrays, err = fromSafetensors(path)
	case ".npz":
		arrays, err = fromNPZ(path)
	case ".npy":
		arrays = map[string]*array{}
		for i, p := range strings.Split(path, ",") {
			if i > 1 {
				return nil, errors.New("more than two .npy files: want INPUTS.npy,TARGETS.npy")
			}
			a, err := fromNPY(p)
			if err != nil {
				return nil, err
			}
			arrays[[]string{Inputs, Targets}[i]] = a
		}
	default:
		return nil, errors.New("want a file ending in .safetensors, .npz or .npy")
	}
	if err != nil {
		return nil, err
	}
	return fieldsOf(arrays)
}

// wanted chooses among a file's tensors: inputs and targets, or all, the targets last.
func wanted(names []string) []string {
	slices.Sort(names)
	usual := slices.Contains(names, Inputs)
	var out []string
	for _, name := range names {
		if name == Inputs || name != Targets && !usual {
			out = append(out, name)
		}
	}
	if slices.Contains(names, Targets) {
		out = append(out, Targets)
	}
	return out
}

// array is one as a file has it.
type array struct {
	dtype checkpoint.DType
	shape []int64
	data  []byte
}

// check says whether the arrays of these names count the same examples.
func check(names []string, arrays map[string]*array) error {
	if len(names) == 0 {
		return errors.New("there are no tensors in it")
	}
	one := arrays[names[0]]
	for _, name := range names {
		a := arrays[name]
		var err error
		switch {
		case len(a.shape) == 0 || a.shape[0] == 0:
			err = fmt.Errorf("%s of shape %v: the first dimension counts the examples", name, a.shape)
		case a.dtype.Size() == 0:
			err = fmt.Errorf("%s of dtype %s, which is not read", name, a.dtype)
		case a.shape[0] != one.shape[0]:
			err = fmt.Errorf("%d %s for %d %s", a.shape[0], name, one.shape[0], names[0])
		default:
			continue
		}
		if names[0] != Inputs {
			err = fmt.Errorf("no tensor called inputs in it; it has %s, and these are no fields of examples: %w", checkpoint.Few(names, 10), err)
		}
		return err
	}
	return nil
}

// fieldsOf makes a split of the arrays that are wanted.
func fieldsOf(arrays map[string]*array) (Split, error) {
	var names []string
	for name := range arrays {
		names = append(names, name)
	}
	names = wanted(names)
	if err := check(names, arrays); err != nil {
		return nil, err
	}
	var out []Array
	for _, name := range names {
		a := arrays[name]
		out = append(out, Array{Field{Name: name, DType: a.dtype, Shape: a.shape[1:]}, a.data})
	}
	return NewTensors("val", int(arrays[names[0]].shape[0]), out...)
}

func fromSafetensors(path string) (map[string]*array, error) {
	w, err := safetensors.Map(path)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	all := map[string]*array{}
	var names []string
	for _, t := range w.Tensors {
		all[t.Name] = &array{dtype: t.DType, shape: t.Shape}
		names = append(names, t.Name)
	}
	names = wanted(names)
	if err := check(names, all); err != nil { // before they are copied
		return nil, err
	}
	out := map[string]*array{}
	for _, name := range names {
		t, _ := w.Tensor(name)
		a := all[name]
		a.data = make([]byte, t.End-t.Begin)
		if err := checkpoint.Guard(path, func() error { copy(a.data, w.Data[t.Begin:t.End]); return nil }); err != nil {
			return nil, err
		}
		out[name] = a
	}
	return out, nil
}
