package importer

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/input"
)

// sidecars reads what programs leave beside a checkpoint: HuggingFace's trainer_state.json, SpeechBrain's CKPT.yaml, and
// WeNet's file of the checkpoint's name that ends in .yaml. What is there counts before what is inside the checkpoint.
// alone says that no other checkpoint lies in its folder: what the folder says is of it.
func sidecars(c *checkpoint.About, alone bool) {
	dir := c.Path
	if info, err := os.Stat(c.Path); err == nil && !info.IsDir() {
		dir = filepath.Dir(c.Path)
		flatYAML(c, strings.TrimSuffix(c.Path, filepath.Ext(c.Path))+".yaml")
		if !alone {
			return
		}
	}
	flatYAML(c, filepath.Join(dir, "CKPT.yaml"))
	if text := beside(c, filepath.Join(dir, "counter.ckpt"), 64); text != nil && c.Info.Epoch == nil {
		if n, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64); err == nil {
			c.Info.Epoch, c.Info.EpochKey = &n, "counter.ckpt"
		}
	}
	trainerState(c, filepath.Join(dir, "trainer_state.json"))
}

// beside reads a file beside a checkpoint, if there is one. One that cannot be read is passed over, which is said.
func beside(c *checkpoint.About, path string, limit int64) []byte {
	text, err := input.ReadFile(path, limit)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			passedOver(c, path, err)
		}
		return nil
	}
	return text
}

func passedOver(c *checkpoint.About, path string, err error) {
	c.Note("%s is passed over: %v", filepath.Base(path), input.Cause(err))
}

// trainerState reads the epoch, the step, and what was logged at that step.
func trainerState(c *checkpoint.About, path string) {
	text := beside(c, path, input.Text)
	if text == nil {
		return
	}
	var state struct {
		Epoch *float64 `json:"epoch"`
		Step  *float64 `json:"global_step"`
		// Operations are the floating-point operations so far, and Tokens what it has seen; 0 where they were not counted.
		Operations float64          `json:"total_flos"`
		Tokens     float64          `json:"num_input_tokens_seen"`
		Log        []map[string]any `json:"log_history"`
	}
	if err := json.NewDecoder(jsonOf(text)).Decode(&state); err != nil {
		passedOver(c, path, err)
		return
	}
	if state.Epoch != nil {
		c.Info.Epoch, c.Info.EpochKey = state.Epoch, "trainer_state.json: epoch"
	}
	if state.Step == nil {
		return
	}
	c.Info.Step, c.Info.StepKey = state.Step, "trainer_state.json: global_step"
	if state.Operations > 0 {
		number(c, "total_flos", state.Operations)
	}
	if state.Tokens > 0 {
		number(c, "num_input_tokens_seen", state.Tokens)
	}
	for _, line := range state.Log {
		if _, ofRun := line["train_runtime"]; ofRun || line["step"] != *state.Step { // the row at the end of train() is of the whole run
			continue
		}
		for k, v := range line {
			if n, ok := toNumber(v); ok && k != "step" && k != "epoch" {
				number(c, k, n)
			}
		}
	}
}

// flatYAML reads the numbers of a YAML file, and those one level below.
func flatYAML(c *checkpoint.About, path string) {
	text := beside(c, path, 1<<20)
	var fields map[string]any
	if err := yaml.Unmarshal(text, &fields); err != nil {
		passedOver(c, path, err)
		return
	}
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		v := fields[k]
		below, nested := v.(map[string]any)
		if !nested {
			below = map[string]any{k: v}
		}
		for _, k := range slices.Sorted(maps.Keys(below)) {
			var n float64
			switch v := below[k].(type) {
			case int:
				n = float64(v)
			case float64:
				n = v
			default:
				continue
			}
			switch {
			case nested:
				number(c, "val_"+k, n)
			case k == "epoch":
				c.Info.Epoch, c.Info.EpochKey = &n, filepath.Base(path)+": epoch"
			case k == "step":
				c.Info.Step, c.Info.StepKey = &n, filepath.Base(path)+": step"
			case k == "cv_loss":
				number(c, "val_loss", n)
			default:
				number(c, k, n)
			}
		}
	}
}

// number keeps one beside the weights.
func number(c *checkpoint.About, key string, v float64) {
	if c.Info.Numbers == nil {
		c.Info.Numbers = map[string]float64{}
	}
	if !math.IsInf(v, 0) && len(c.Info.Numbers) < 1000 {
		c.Info.Numbers[key] = v
	}
}
