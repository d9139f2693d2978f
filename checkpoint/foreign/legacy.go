package foreign

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
)

// legacyMagic starts the files of torch.save before 1.6 (torch/serialization.py, MAGIC_NUMBER).
var legacyMagic, _ = new(big.Int).SetString("1950a86a20f9469cfc6c", 16)

// openLegacy reads a legacy file: five pickles (magic number, version, machine, object, keys of the storages),
// then each storage in the order of the keys: its number of elements as an int64, and their bytes. Any other pickle is
// read as one that pickle.dump wrote.
func openLegacy(f *file, o Options) (root any, format string, err error) {
	r := pickle.NewReader(io.NewSectionReader(f, 0, f.size), f.size, o.MaxPickle)
	magic, err := r.Next(pickle.Options{Call: rebuild})
	if m, ok := magic.(*big.Int); err != nil || !ok || m.Cmp(legacyMagic) != 0 {
		root, err := openPlain(f, o)
		return root, "Python pickle", err
	}
	root, err = legacyObject(f, r, o)
	return root, "PyTorch legacy", raised(err)
}

// openPlain reads one pickle. Tensors in it have their storages as legacy files within.
func openPlain(f *file, o Options) (any, error) {
	r := pickle.NewReader(io.NewSectionReader(f, 0, f.size), f.size, o.MaxPickle)
	root, err := r.Next(pickle.Options{Strict: o.Strict, Call: func(g pickle.Global, args pickle.Tuple) (any, bool, error) {
		if g != (pickle.Global{Module: "torch.storage", Name: "_load_from_bytes"}) {
			return rebuild(g, args)
		}
		if len(args) != 1 {
			return nil, true, errors.New("a storage without its bytes")
		}
		data, ok := contentOf(args[0])
		if !ok {
			return nil, true, errors.New("a storage without its bytes")
		}
		v, err := storageOfBytes(data)
		return v, true, err
	}})
	if err != nil {
		return nil, fmt.Errorf("it starts as a pickle does, but: %w", raised(err))
	}
	return root, nil
}

// storageOfBytes reads a storage that is pickled as the legacy file of it.
func storageOfBytes(data []byte) (any, error) {
	f := &file{path: "a storage within the pickle", data: data, size: int64(len(data))}
	r := pickle.NewReader(io.NewSectionReader(f, 0, f.size), f.size, 0)
	magic, err := r.Next(pickle.Options{})
	if m, ok := magic.(*big.Int); err != nil || !ok || m.Cmp(legacyMagic) != 0 {
		return nil, errors.New("a storage whose bytes torch.save did not write")
	}
	root, err := legacyObject(f, r, Options{Strict: true})
	if err != nil {
		return nil, fmt.Errorf("a storage within: %w", err)
	}
	if s, ok := root.(*storage); ok {
		return s, nil
	}
	return nil, errors.New("a storage that is none")
}

// legacyObject reads a legacy file behind its magic number.
func legacyObject(f *file, r *pickle.Reader, o Options) (any, error) {
	version, err := r.Next(pickle.Options{Strict: true})
	if err != nil {
		return nil, err
	}
	if version != int64(1001) {
		return nil, errors.New("a legacy PyTorch file whose protocol is not 1001")
	}
	machine, err := r.Next(pickle.Options{Strict: true})
	if err != nil {
		return nil, err
	}
	if d, ok := machine.(*pickle.Dict); ok {
		if little, _ := d.Get("little_endian"); little == false {
			return nil, errors.New("it was written on a big-endian machine; only little-endian files are read")
		}
	}
	l := &legacy{file: f, storages: map[string]*legacyStorage{}}
	root, err := r.Next(pickle.Options{Persistent: l.persistent, Call: rebuild, Strict: o.Strict})
	if err != nil {
		return nil, err
	}
	keys, err := r.Next(pickle.Options{Strict: true})
	if err != nil {
		return nil, err
	}
	return root, l.place(keys, r.Offset())
}

type legacy struct {
	*file
	storages map[string]*legacyStorage
}

// legacyStorage is a root storage. Where it lies is known after the list of keys.
type legacyStorage struct {
	record  *record
	element int64 // bytes
	count   int64
	placed  bool
}

// persistent resolves ('storage', class, key, location, elements[, view]) and ('module', class, …).
func (l *legacy) persistent(id any) (any, error) {
	if t, ok := id.(pickle.Tuple); ok && len(t) > 1 && t[0] == "module" {
		return t[1], nil
	}
	s, key, rest, err := persistentStorage(id)
	if err != nil {
		return nil, err
	}
	count := s.count
	root := l.storages[key]
	if root == nil {
		if s.bytes() > l.size {
			return nil, fmt.Errorf("storage %s claims %d bytes in a file of %d", key, s.bytes(), l.size)
		}
		root = &legacyStorage{&record{file: l.file, name: "storage " + key, size: s.bytes(), length: s.bytes()}, s.element(), count, false}
		l.storages[key] = root
	}
	if s.element() != root.element || count != root.count {
		return nil, fmt.Errorf("storage %s is of two types or sizes", key)
	}
	s.record = root.record
	if len(rest) > 0 && rest[0] != nil {
		view, ok := rest[0].(pickle.Tuple)
		if !ok || len(view) != 3 {
			return nil, fmt.Errorf("storage %s: a view that is none", key)
		}
		offset, ok1 := view[1].(int64)
		size, ok2 := view[2].(int64)
		if !ok1 || !ok2 || offset < 0 || size < 0 || offset > count || size > count-offset {
			return nil, fmt.Errorf("storage %s: a view outside of it", key)
		}
		s.first, s.count = offset, size
	}
	return s, nil
}

// place finds each storage's bytes, and that the file holds them.
func (l *legacy) place(keys any, at int64) error {
	list, ok := keys.(*pickle.List)
	if !ok {
		return errors.New("the list of storages is missing")
	}
	for _, k := range list.Items {
		key, ok := k.(string)
		root := l.storages[key]
		if !ok || root == nil || root.placed {
			return errors.New("the list of storages does not match the objects")
		}
		var count [8]byte
		if at > l.size-8 {
			return fmt.Errorf("cut short: storage %s should start at byte %d of %d", key, at, l.size)
		}
		if _, err := l.ReadAt(count[:], at); err != nil {
			return err
		}
		if n := int64(binary.LittleEndian.Uint64(count[:])); n != root.count {
			return fmt.Errorf("storage %s: %d elements at byte %d, its object says %d", key, n, at, root.count)
		}
		at += 8
		if root.record.size > l.size-at {
			return fmt.Errorf("cut short: storage %s needs %d bytes from byte %d on, the file holds %d", key, root.record.size, at, l.size)
		}
		root.record.offset, root.placed = at, true
		at += root.record.size
	}
	for key, root := range l.storages {
		if !root.placed {
			return fmt.Errorf("storage %s is not in the file", key)
		}
	}
	return nil
}
