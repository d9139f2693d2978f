package foreign

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/lawa-replay/lawa-replay/internal/input"
)

// openShards reads model.safetensors.index.json (or that of .bin files) and the shards that it names.
func (c *Checkpoint) openShards(path string, o Options) error {
	text, err := input.ReadFile(path, input.Text)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), input.Cause(err))
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
		if err := input.Local(shard); err != nil {
			return fmt.Errorf("%s: the file of tensor %s: %w", filepath.Base(path), name, err)
		}
		files[shard] = true
	}
	var tensors []named
	c.Shards = map[string]string{}
	for _, shard := range slices.Sorted(maps.Keys(files)) {
		list, err := c.list(filepath.Join(filepath.Dir(path), shard), Options{Strict: o.Strict, MaxPickle: o.MaxPickle})
		if err != nil {
			return fmt.Errorf("%s: %w", shard, err)
		}
		for _, n := range list {
			if index.WeightMap[n.name] != shard {
				return fmt.Errorf("%s holds tensor %s, which the index has in %q", shard, n.name, index.WeightMap[n.name])
			}
			delete(index.WeightMap, n.name)
			c.Shards[n.name] = shard
		}
		tensors = append(tensors, list...)
	}
	c.Format, c.Key = "sharded "+c.Format, "" // a shard's key is its own affair
	// Tied tensors are dropped on save: the index may still name them.
	for alias, raw := range index.Metadata {
		var kept string
		if json.Unmarshal(raw, &kept) == nil && c.Shards[kept] != "" && c.Shards[alias] == "" {
			c.tie(alias, kept)
		}
	}
	for name, shard := range index.WeightMap {
		if c.Tied[name] == "" {
			return fmt.Errorf("the index has tensor %s in %s, which lacks it", name, shard)
		}
	}
	if o.Key != "" {
		return errors.New("--key: a sharded checkpoint has no keys")
	}
	return c.arrange(tensors, o)
}
