package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
)

// maxIndex bounds an index file, in bytes.
const maxIndex = 64 << 20

// openShards reads model.safetensors.index.json (or that of .bin files) and the shards that it names.
func (c *Checkpoint) openShards(path string, o Options) error {
	f, err := openFile(path)
	if err != nil {
		return bare(err)
	}
	defer f.f.Close()
	if f.size > maxIndex {
		return fmt.Errorf("an index of %d bytes; at most %d", f.size, maxIndex)
	}
	text, err := io.ReadAll(io.NewSectionReader(f, 0, f.size))
	if err != nil {
		return err
	}
	var index struct {
		WeightMap map[string]string          `json:"weight_map"`
		Metadata  map[string]json.RawMessage `json:"metadata"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	if len(index.WeightMap) == 0 {
		return fmt.Errorf("%s: no weight_map in it", filepath.Base(path))
	}
	files := map[string]bool{}
	for name, shard := range index.WeightMap {
		if !filepath.IsLocal(shard) {
			return fmt.Errorf("%s: tensor %s lies in %q, outside of the folder", filepath.Base(path), name, shard)
		}
		files[shard] = true
	}
	var tensors []named
	ties := map[string]string{}
	for _, shard := range slices.Sorted(maps.Keys(files)) {
		one := &Checkpoint{Path: filepath.Join(filepath.Dir(path), shard)}
		err := one.openOne(one.Path, Options{Strict: o.Strict})
		c.files = append(c.files, one.files...)
		if err != nil {
			return fmt.Errorf("%s: %w", shard, err)
		}
		c.Format = "sharded " + one.Format
		for _, t := range one.Tensors {
			if index.WeightMap[t.Name] != shard {
				return fmt.Errorf("%s holds tensor %s, which the index has in %q", shard, t.Name, index.WeightMap[t.Name])
			}
			delete(index.WeightMap, t.Name)
			tensors = append(tensors, named{t.Name, &tensor{dtype: t.DType, shape: t.Shape, parts: t.parts}})
			if c.Shards == nil {
				c.Shards = map[string]string{}
			}
			c.Shards[t.Name] = shard
		}
		maps.Copy(ties, one.Tied)
	}
	// Tied tensors are dropped on save: the index may still name them.
	for alias, raw := range index.Metadata {
		var kept string
		if json.Unmarshal(raw, &kept) == nil && c.Shards[kept] != "" && c.Shards[alias] == "" {
			ties[alias] = kept
		}
	}
	for name, shard := range index.WeightMap {
		if ties[name] == "" {
			return fmt.Errorf("the index has tensor %s in %s, which lacks it", name, shard)
		}
	}
	for alias, kept := range ties {
		c.tie(alias, kept)
	}
	if o.Key != "" {
		return errors.New("--key: a sharded checkpoint has no keys")
	}
	return c.arrange(tensors)
}
