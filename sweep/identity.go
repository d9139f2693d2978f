package sweep

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Folders gives each of different folders the shortest end of its path that tells it from the others: run, or
// s1/run beside s2/run. Two that are the same folder, by links too, are an error.
func Folders(dirs []string) ([]string, error) {
	var parts [][]string // from the last element to the first
	seen := map[string]string{}
	for _, dir := range dirs {
		path, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		// What is not there keeps its name: a trajectory need not lie on a disk.
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		if first, twice := seen[path]; twice {
			return nil, fmt.Errorf("%s and %s are one folder: it is given twice", first, dir)
		}
		seen[path] = dir
		p := strings.Split(filepath.ToSlash(path), "/")
		slices.Reverse(p)
		parts = append(parts, p)
	}
	end := func(p []string, n int) string {
		p = slices.Clone(p[:min(n, len(p))])
		slices.Reverse(p)
		return strings.Join(p, "/")
	}
	out := make([]string, len(dirs))
	for i, p := range parts {
		n := 1
		for slices.ContainsFunc(parts, func(q []string) bool { return &q[0] != &p[0] && end(q, n) == end(p, n) }) {
			n++
		}
		out[i] = end(p, n)
	}
	return out, nil
}

// runs are the trajectories as the table knows them.
func (p *Plan) runs() ([]results.Run, error) {
	var dirs []string
	for _, t := range p.Spec.Trajectories {
		dirs = append(dirs, t.Dir)
	}
	folders, err := Folders(dirs)
	if err != nil {
		return nil, err
	}
	var out []results.Run
	for i, t := range p.Spec.Trajectories {
		out = append(out, results.Run{Name: t.Meta.Run, Seed: t.Meta.Seed, Folder: folders[i], Config: config(t), Devices: devices(t)})
	}
	return out, nil
}

// config is how a run was trained, as JSON with sorted keys: the trainer's settings but the seed, and what the
// trajectory says of the network and the data. Runs of one config differ in nothing that is known but their
// seed. Where the settings are not recorded training is null, and the learning rates of the log stand for them.
func config(t *trajectory.Trajectory) string {
	m := map[string]any{}
	var settings map[string]any
	if json.Unmarshal(t.Meta.Training, &settings) == nil && len(settings) > 0 {
		for key, v := range settings {
			if !slices.Contains(strings.FieldsFunc(strings.ToLower(key), func(r rune) bool { return r == '_' || r == '-' || r == '.' }), "seed") {
				m[key] = v
			}
		}
	} else {
		m["training"] = nil
		peak := math.Inf(-1)
		for _, c := range t.Checkpoints {
			if c.LR != nil {
				peak = max(peak, *c.LR)
			}
		}
		if !math.IsInf(peak, 0) && !math.IsNaN(peak) {
			m["logged_peak_lr"] = peak
		}
	}
	for key, text := range map[string]string{"model": t.Meta.Model, "data": t.Meta.Data} {
		if text != "" {
			m[key] = text
		}
	}
	if t.Meta.BatchSize > 0 {
		m["batch_size"] = t.Meta.BatchSize
	}
	if t.Meta.StepsPerEpoch > 0 {
		m["steps_per_epoch"] = t.Meta.StepsPerEpoch
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // what came out of JSON goes into it
	}
	return string(text)
}

// devices is how many a run was trained on, nil where that is not recorded.
func devices(t *trajectory.Trajectory) *int64 {
	if len(t.Meta.Devices) == 0 {
		return nil
	}
	return new(int64(len(t.Meta.Devices)))
}
