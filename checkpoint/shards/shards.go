// Package shards reads checkpoints in several files, with an index that says in which of them each tensor lies.
package shards

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/checkpoint/folder"
	"github.com/lawa-replay/lawa-replay/checkpoint/stored"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// Of is the format whose shards are of one of some formats: what list makes of each.
func Of(list func(path string, o checkpoint.Options) (*stored.List, error)) checkpoint.Format {
	return format{list}
}

type format struct {
	list func(path string, o checkpoint.Options) (*stored.List, error)
}

// Kind implements checkpoint.Format.
func (format) Kind() checkpoint.Kind {
	return checkpoint.Kind{
		Name:     "sharded",
		About:    "an index of shards, each a file of another format: its weight_map says in which each tensor lies",
		Source:   "https://huggingface.co/docs/transformers/big_models",
		Examples: []string{"model.safetensors.index.json", "pytorch_model.bin.index.json"},
	}
}

// Sniff implements checkpoint.Format.
func (format) Sniff(path string, _ []byte) bool { return strings.HasSuffix(path, folder.IndexEnding) }

// index is what stands in such a file.
type index struct {
	WeightMap map[string]string          `json:"weight_map"` // tensor to shard
	Metadata  map[string]json.RawMessage `json:"metadata"`
}

// shards are the names of the files, which must lie below the index's folder.
func (i index) shards() ([]string, error) {
	if len(i.WeightMap) == 0 {
		return nil, errors.New("no weight_map in it")
	}
	files := map[string]bool{}
	for name, shard := range i.WeightMap {
		if err := input.Local(shard); err != nil {
			return nil, fmt.Errorf("the file of tensor %s: %w", name, err)
		}
		files[shard] = true
	}
	return slices.Sorted(maps.Keys(files)), nil
}

func readIndex(f *checkpoint.File) (i index, files []string, err error) {
	if f.Size() > input.Text {
		return i, nil, fmt.Errorf("%s; at most %s are read", humanize.IBytes(uint64(f.Size())), humanize.IBytes(input.Text))
	}
	text, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err == nil {
		err = json.Unmarshal(text, &i)
	}
	if err == nil {
		files, err = i.shards()
	}
	return i, files, err
}

// Open implements checkpoint.Format.
func (s format) Open(f *checkpoint.File, o checkpoint.Options) (checkpoint.Checkpoint, error) {
	path := f.Path()
	index, files, err := readIndex(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	if o.Key != "" {
		return nil, fmt.Errorf("key %s: a sharded checkpoint has no keys", o.Key)
	}
	all := &stored.List{}
	c, err := s.join(all, index, files, path, o)
	if err != nil {
		for _, f := range all.Files {
			f.Close()
		}
		return nil, err
	}
	return c, f.Close()
}

// join adds the lists of all shards.
func (s format) join(all *stored.List, index index, files []string, path string, o checkpoint.Options) (checkpoint.Checkpoint, error) {
	all.Path, all.Shards = path, map[string]string{}
	for _, shard := range files {
		l, err := s.list(filepath.Join(filepath.Dir(path), shard), checkpoint.Options{Strict: o.Strict, MaxPickle: o.MaxPickle})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", shard, err)
		}
		all.Files = append(all.Files, l.Files...)
		for _, n := range l.Tensors {
			if index.WeightMap[n.Name] != shard {
				return nil, fmt.Errorf("%s holds tensor %s, which the index has in %q", shard, n.Name, index.WeightMap[n.Name])
			}
			delete(index.WeightMap, n.Name)
			all.Shards[n.Name] = shard
		}
		all.Tensors = append(all.Tensors, l.Tensors...)
		for alias, kept := range l.Tied {
			all.Tie(alias, kept)
		}
		for _, n := range l.Notes {
			all.Note("%s", n)
		}
		// As the last one says it: shards are alike. A shard's key is its own affair.
		all.Format, all.Info, all.Weights, all.WeightsWhy = "sharded "+l.Format, l.Info, l.Weights, l.WeightsWhy
	}
	// Tied tensors are dropped on save: the index may still name them.
	for alias, raw := range index.Metadata {
		var kept string
		if json.Unmarshal(raw, &kept) == nil && all.Shards[kept] != "" && all.Shards[alias] == "" {
			all.Tie(alias, kept)
		}
	}
	for name, shard := range index.WeightMap {
		if all.Tied[name] == "" {
			return nil, fmt.Errorf("the index has tensor %s in %s, which lacks it", name, shard)
		}
	}
	return stored.Arrange(all, o)
}
