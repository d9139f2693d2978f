package pytorch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
	"github.com/lawa-replay/lawa-replay/checkpoint/rebuild"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
)

// legacyMagic starts the files of torch.save before 1.6 (torch/serialization.py, MAGIC_NUMBER).
var legacyMagic, _ = new(big.Int).SetString("1950a86a20f9469cfc6c", 16)

// legacyObject reads a legacy file behind its magic number: four pickles (version, machine, object, keys of the
// storages), then each storage in the order of the keys: its number of elements as an int64, and their bytes.
func legacyObject(f *checkpoint.File, r *pickle.Reader, o checkpoint.Options) (any, error) {
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
	l := &legacy{File: f, storages: map[string]*legacyStorage{}}
	root, err := r.Next(pickle.Options{Persistent: l.persistent, Call: rebuild.Call, Strict: o.Strict})
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
	*checkpoint.File
	storages map[string]*legacyStorage
}

// legacyStorage is a root storage. Where it lies is known after the list of keys.
type legacyStorage struct {
	record  *stored.Record
	element int64 // bytes
	count   int64
	placed  bool
}

// persistent resolves ('storage', class, key, location, elements[, view]) and ('module', class, …).
func (l *legacy) persistent(id any) (any, error) {
	if t, ok := id.(pickle.Tuple); ok && len(t) > 1 && t[0] == "module" {
		return t[1], nil
	}
	s, key, rest, err := rebuild.PersistentStorage(id)
	if err != nil {
		return nil, err
	}
	count := s.Count
	root := l.storages[key]
	if root == nil {
		if s.Bytes() > l.Size() {
			return nil, fmt.Errorf("storage %s claims %d bytes in a file of %d", key, s.Bytes(), l.Size())
		}
		root = &legacyStorage{&stored.Record{File: l.File, Name: "storage " + key, Size: s.Bytes(), Length: s.Bytes()}, s.Element(), count, false}
		l.storages[key] = root
	}
	if s.Element() != root.element || count != root.count {
		return nil, fmt.Errorf("storage %s is of two types or sizes", key)
	}
	s.Record = root.record
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
		s.First, s.Count = offset, size
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
		if at > l.Size()-8 {
			return fmt.Errorf("cut short: storage %s should start at byte %d of %d", key, at, l.Size())
		}
		if _, err := l.ReadAt(count[:], at); err != nil {
			return err
		}
		if n := int64(binary.LittleEndian.Uint64(count[:])); n != root.count {
			return fmt.Errorf("storage %s: %d elements at byte %d, its object says %d", key, n, at, root.count)
		}
		at += 8
		if root.record.Size > l.Size()-at {
			return fmt.Errorf("cut short: storage %s needs %d bytes from byte %d on, the file holds %d", key, root.record.Size, at, l.Size())
		}
		root.record.Offset, root.placed = at, true
		at += root.record.Size
	}
	for key, root := range l.storages {
		if !root.placed {
			return fmt.Errorf("storage %s is not in the file", key)
		}
	}
	return nil
}
