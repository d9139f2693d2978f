// Package pytorch reads the files of torch.save, zip archives and those of before 1.6, and other pickles with tensors or
// arrays in them.
//
// It believes that a file is data. No code in it is ever run; what stands beside the weights, optimizer state above all,
// is never read; and a byte that does not match its checksum is an error, though torch.load lets it pass.
package pytorch

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"path/filepath"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/other"
	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/rebuild"
	"github.com/lawa-replay/lawa-replay/checkpoint/statedict"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
	"github.com/lawa-replay/lawa-replay/internal/hint"
)

// The formats of this package.
var (
	Zip    stored.Lister = format{zipKind, isZip, openZip}
	Legacy stored.Lister = format{legacyKind, isLegacy, openLegacy}
	Pickle stored.Lister = format{pickleKind, isPickle, openPickle}
)

var (
	zipKind = checkpoint.Kind{
		Name:     "PyTorch zip",
		About:    "what torch.save has written since 1.6: a zip archive of a pickle and the tensors' bytes, with anything beside the weights; Lightning's checkpoints and scripted modules too",
		Source:   "torch/serialization.py, _save",
		Examples: []string{"model.pt", "checkpoint.pth.tar", "epoch=4-step=500.ckpt", "pytorch_model.bin"},
	}
	legacyKind = checkpoint.Kind{
		Name:     "PyTorch legacy",
		About:    "what torch.save wrote before 1.6, or with _use_new_zipfile_serialization=False: pickles, and the storages behind them",
		Source:   "torch/serialization.py, _legacy_save",
		Examples: []string{"model.pth", "checkpoint.pth.tar"},
	}
	pickleKind = checkpoint.Kind{
		Name:     "Python pickle",
		About:    "what pickle.dump wrote of a dict of numpy's arrays, or of tensors",
		Source:   "https://docs.python.org/3/library/pickletools.html",
		Examples: []string{"state.pkl"},
	}
)

// format is a way to make Python's object of a file.
type format struct {
	kind  checkpoint.Kind
	sniff func(path string, head []byte) bool
	open  func(f *checkpoint.File, o checkpoint.Options) (root any, err error)
}

// Kind implements checkpoint.Format.
func (f format) Kind() checkpoint.Kind { return f.kind }

// Sniff implements checkpoint.Format.
func (f format) Sniff(path string, head []byte) bool { return f.sniff(path, head) }

// List implements stored.Lister.
func (f format) List(file *checkpoint.File, o checkpoint.Options) (*stored.List, error) {
	l := &stored.List{Files: []*checkpoint.File{file}}
	l.Path, l.Format = file.Path(), f.kind.Name
	root, err := f.open(file, o)
	if err == nil {
		err = statedict.Find(l, root, o)
	}
	return l, err
}

// Open implements checkpoint.Format.
func (f format) Open(file *checkpoint.File, o checkpoint.Options) (checkpoint.Checkpoint, error) {
	l, err := f.List(file, o)
	if err != nil {
		return nil, err
	}
	return stored.Arrange(l, o)
}

func isZip(_ string, head []byte) bool { return strings.HasPrefix(string(head), "PK") }

func openZip(f *checkpoint.File, o checkpoint.Options) (any, error) {
	return OpenArchive(f, 0, f.Size(), o)
}

// isLegacy says whether the first pickle is the magic number, which is whole in the head.
func isLegacy(path string, head []byte) bool {
	if !isPickle(path, head) {
		return false
	}
	magic, err := pickle.NewReader(strings.NewReader(string(head)), int64(len(head)), 0).Next(pickle.Options{})
	return err == nil && isMagic(magic)
}

func isMagic(v any) bool {
	m, ok := v.(*big.Int)
	return ok && m.Cmp(legacyMagic) == 0
}

func openLegacy(f *checkpoint.File, o checkpoint.Options) (any, error) {
	r := pickle.NewReader(io.NewSectionReader(f, 0, f.Size()), f.Size(), o.MaxPickle)
	magic, err := r.Next(pickle.Options{})
	if err != nil {
		return nil, Raised(err)
	}
	if !isMagic(magic) {
		return nil, errors.New("it does not begin with the magic number of torch.save's files")
	}
	root, err := legacyObject(f, r, o)
	return root, Raised(err)
}

// isPickle says whether a file may be a pickle: by the opcode that begins protocols 2 and later, or as the text that
// earlier ones are.
func isPickle(path string, head []byte) bool {
	if len(head) == 0 {
		return false
	}
	ext := strings.ToLower(filepath.Ext(path))
	return head[0] == 0x80 && ext != ".safetensors" && ext != ".onnx" && !strings.HasPrefix(ext, ".data-") || other.PickledText(string(head))
}

// openPickle reads one pickle. Tensors in it have their storages as legacy files within.
func openPickle(f *checkpoint.File, o checkpoint.Options) (any, error) {
	r := pickle.NewReader(io.NewSectionReader(f, 0, f.Size()), f.Size(), o.MaxPickle)
	root, err := r.Next(pickle.Options{Strict: o.Strict, Call: func(g pickle.Global, args pickle.Tuple) (any, bool, error) {
		if g != (pickle.Global{Module: "torch.storage", Name: "_load_from_bytes"}) {
			return rebuild.Call(g, args)
		}
		if len(args) != 1 {
			return nil, true, errors.New("a storage without its bytes")
		}
		data, ok := rebuild.Content(args[0])
		if !ok {
			return nil, true, errors.New("a storage without its bytes")
		}
		v, err := storageOfBytes(data)
		return v, true, err
	}})
	if err != nil {
		return nil, fmt.Errorf("it starts as a pickle does, but: %w", Raised(err))
	}
	return root, nil
}

// storageOfBytes reads a storage that is pickled as the legacy file of it.
func storageOfBytes(data []byte) (any, error) {
	f := checkpoint.InMemory("a storage within the pickle", data)
	r := pickle.NewReader(io.NewSectionReader(f, 0, f.Size()), f.Size(), 0)
	if magic, err := r.Next(pickle.Options{}); err != nil || !isMagic(magic) {
		return nil, errors.New("a storage whose bytes torch.save did not write")
	}
	root, err := legacyObject(f, r, checkpoint.Options{Strict: true})
	if err != nil {
		return nil, fmt.Errorf("a storage within: %w", err)
	}
	if s, ok := root.(*rebuild.Storage); ok {
		return s, nil
	}
	return nil, errors.New("a storage that is none")
}

// Raised is err, with the option that raises its limit where it is of one.
func Raised(err error) error {
	if errors.Is(err, pickle.ErrLimit) {
		return hint.With(err, "max-pickle", "raises that")
	}
	return err
}
