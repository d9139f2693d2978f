//go:build !quick

package main

import (
	"bytes"
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

// config is a config.json that was found.
type config struct {
	path string
	data []byte
}

// network is what it says, and is one that can be.
func (c config) network() (string, error) {
	text, err := model.FromConfig(c.data)
	if err == nil {
		_, err = model.New(text) // what cannot be is said before anything that follows from it
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.path, err)
	}
	return text, nil
}

// configs are the config.json in the folders of runs' checkpoints. Where a folder has none, that of a model of transformers in the
// folder above it is taken, where a Trainer's last save_model puts it.
func configs(runs []*trajectory.Trajectory) ([]config, error) {
	var out []config
	for _, t := range runs {
		for _, dir := range homes(t) {
			for _, path := range []string{filepath.Join(dir, configName), filepath.Join(filepath.Dir(dir), configName)} {
				data, err := input.ReadFile(path, input.Text)
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					return nil, err
				}
				if filepath.Dir(path) == dir || bytes.Contains(data, []byte(`"model_type"`)) {
					out = append(out, config{path, data})
				}
				break
			}
		}
	}
	return out, nil
}

const configName = "config.json"

// configured reads the network out of the config.json of runs' checkpoints; "" where there is none. All must say the same one.
func configured(runs []*trajectory.Trajectory) (spec string, err error) {
	all, err := configs(runs)
	if err != nil {
		return "", err
	}
	from := ""
	for _, c := range all {
		text, err := c.network()
		switch {
		case err != nil:
			return "", err
		case spec == "":
			spec, from = text, c.path
		case spec != text:
			return "", fmt.Errorf("checkpoints of different networks: %s says %s, %s says %s", from, spec, c.path, text)
		}
	}
	if spec != "" {
		say("note: the network is that of %s: %s", relative("", from), spec)
	}
	return spec, nil
}

// noteOther says where a network that was named is another than the newest config.json has, or where that one cannot be had.
func noteOther(named string, runs []*trajectory.Trajectory) {
	all, err := configs(runs)
	if err != nil || len(all) == 0 || model.IsScript(named) {
		return
	}
	text, err := all[0].network()
	if err != nil {
		say("warning: --model %s is evaluated, though its numbers may not be those of the model: %v", named, err)
		return
	}
	net, err := model.New(named)
	own, err2 := model.New(text)
	if err == nil && err2 == nil && net.Spec() != own.Spec() {
		say("warning: --model %s is evaluated; %s is that of another network: %s", named, relative("", all[0].path), text)
	}
}

// usualLength is how many tokens an example has where nobody says it and the context is longer.
const usualLength = 1024

// textDefaults are what a network, and the folders that runs lie in, say of texts.
func textDefaults(spec string, runs ...*trajectory.Trajectory) dataset.TextDefaults {
	var d dataset.TextDefaults
	if !model.IsScript(spec) {
		if n, err := model.New(spec); err == nil {
			if l, ok := model.LanguageOf(n); ok {
				d.Length, d.Masked, d.Vocabulary = min(l.Context(), usualLength), l.Masked(), l.Vocabulary()
			}
		}
	}
	var files []string
	for _, t := range runs {
		for _, dir := range homes(t) {
			if file := tokenizerIn(dir, filepath.Dir(dir)); file != "" {
				files = append(files, file)
			}
		}
	}
	if len(files) > 0 {
		d.Tokenizer = filepath.Dir(files[0])
		if other := another(files); other != "" {
			d.Doubt = fmt.Sprintf("%s and %s are different tokenizers: the first is taken (tokenizer=DIR names one)", relative("", files[0]), relative("", other))
		}
	}
	return d
}

// tokenizerIn is the first file that tells of a tokenizer in some folders, or "".
func tokenizerIn(dirs ...string) string {
	for _, dir := range dirs {
		for _, name := range tokenizer.Names {
			path := filepath.Join(dir, name)
			if _, err := os.Stat(path); err == nil {
				return path
			}
		}
	}
	return ""
}

// another is the first of some files that is not what the first of them is, by its size, or of the last, by its bytes; "" where there is none.
func another(files []string) string {
	size := func(path string) int64 {
		info, err := os.Stat(path)
		if err != nil {
			return -1
		}
		return info.Size()
	}
	for _, f := range files[1:] {
		if filepath.Base(f) != filepath.Base(files[0]) || size(f) != size(files[0]) {
			return f
		}
	}
	last := files[len(files)-1]
	a, err1 := input.ReadFile(files[0], input.Text)
	b, err2 := input.ReadFile(last, input.Text)
	if err1 == nil && err2 == nil && !bytes.Equal(a, b) {
		return last
	}
	return ""
}

// taskOf is the task of a text, or the network's own.
func taskOf(text string, net model.Network) (task.Task, error) {
	if l, ok := model.LanguageOf(net); ok && text == "" {
		return task.LanguageModel{Masked: l.Masked()}, nil
	}
	return task.Parse(text)
}

// asks says it where a network of masked tokens gets texts of which none are masked; the other way round texts are not opened.
func asks(net model.Network, set *dataset.Set) error {
	l, ok := model.LanguageOf(net)
	made, is := set.Val.(interface{ Masked() bool })
	if !ok || !is || !l.Masked() || made.Masked() {
		return nil
	}
	name, _, _ := strings.Cut(net.Spec(), ":")
	return fmt.Errorf("%s predicts masked tokens, and --data %s masks none: mask=0.15 is usual", name, set.Spec)
}
