//go:build !quick

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/evaluator/task"
	"github.com/lawa-replay/lawa-replay/internal/input"
	"github.com/lawa-replay/lawa-replay/model"
	"github.com/lawa-replay/lawa-replay/tokenizer"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// homes are the folders that a trajectory's checkpoints of other programs lie in, and beneath which, the newest first; and the one
// in which an import kept what lay there.
func homes(t *trajectory.Trajectory) []string {
	var out []string
	for i := len(t.Checkpoints) - 1; i >= 0; i-- {
		c := t.Checkpoints[i]
		path := c.Source
		if c.Link != nil {
			path = c.Link.Path
		}
		if path == "" {
			continue
		}
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			path = filepath.Dir(path)
		}
		if len(out) == 0 || out[len(out)-1] != path {
			out = append(out, path)
		}
	}
	kept := filepath.Join(t.Dir, trajectory.SourceDir)
	if info, err := os.Stat(kept); err == nil && info.IsDir() { // of a file that is named alone there is no folder
		out = append(out, kept)
	}
	return out
}

// configured reads the network out of the config.json in the folders of runs' checkpoints; "" where there is none. All must say the
// same one.
func configured(runs []*trajectory.Trajectory) (spec string, err error) {
	from := ""
	for _, t := range runs {
		for _, dir := range homes(t) {
			path := filepath.Join(dir, "config.json")
			data, err := input.ReadFile(path, input.Text)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return "", err
			}
			text, err := model.FromConfig(data)
			if err == nil {
				_, err = model.New(text) // what cannot be is said before anything that follows from it
			}
			switch {
			case err != nil:
				return "", fmt.Errorf("%s: %w", path, err)
			case spec == "":
				spec, from = text, path
			case spec != text:
				return "", fmt.Errorf("checkpoints of different networks: %s says %s, %s says %s", from, spec, path, text)
			}
		}
	}
	if spec != "" {
		say("note: the network is that of %s: %s", relative("", from), spec)
	}
	return spec, nil
}

// usualLength is how many tokens an example has where nobody says it and the context is longer.
const usualLength = 1024

// textDefaults are what a network, and the folders that runs lie in, say of texts.
func textDefaults(spec string, runs ...*trajectory.Trajectory) dataset.TextDefaults {
	var d dataset.TextDefaults
	if !model.IsScript(spec) {
		if n, err := model.New(spec); err == nil {
			if l, ok := model.LanguageOf(n); ok {
				d.Length, d.Masked = min(l.Context(), usualLength), l.Masked()
			}
		}
	}
	for _, t := range runs {
		for _, dir := range homes(t) {
			for _, dir := range []string{dir, filepath.Dir(dir)} {
				for _, name := range tokenizer.Names {
					if _, err := os.Stat(filepath.Join(dir, name)); err == nil && d.Tokenizer == "" {
						d.Tokenizer = dir
					}
				}
			}
		}
	}
	return d
}

// taskOf is the task of a text, or the network's own.
func taskOf(text string, net model.Network) (task.Task, error) {
	if l, ok := model.LanguageOf(net); ok && text == "" {
		return task.LanguageModel{Masked: l.Masked()}, nil
	}
	return task.Parse(text)
}

// asks says it where texts are made for another kind of network.
func asks(net model.Network, set *dataset.Set) error {
	l, ok := model.LanguageOf(net)
	made, is := set.Val.(interface{ Masked() bool })
	if !ok || !is || made.Masked() == l.Masked() {
		return nil
	}
	name, _, _ := strings.Cut(net.Spec(), ":")
	if l.Masked() {
		return fmt.Errorf("%s predicts masked tokens, and --data %s masks none: mask=0.15 is usual", name, set.Spec)
	}
	return fmt.Errorf("%s predicts the tokens that follow, and --data %s masks some: mask=0 is its own", name, set.Spec)
}
