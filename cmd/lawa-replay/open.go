package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"lawa-replay/importer"
	"lawa-replay/trajectory"
)

// openRun opens a trajectory that must hold checkpoints, or the checkpoints of another program as they lie.
func openRun(path string, o foreignOptions) (*trajectory.Trajectory, error) {
	t, err := openAny(path, o)
	if err != nil {
		return nil, err
	}
	for _, w := range t.Warnings {
		say("warning: %s", w)
	}
	if len(t.Checkpoints) == 0 {
		return nil, fmt.Errorf("%s holds no checkpoints yet", path)
	}
	return t, nil
}

func openAny(path string, o foreignOptions) (*trajectory.Trajectory, error) {
	if trajectory.Exists(path) {
		return trajectory.Open(path)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%s: no such file or folder", path)
	}
	u, err := importer.Understand([]string{path}, o.Options)
	if errors.Is(err, importer.ErrNoCheckpoints) {
		return nil, fmt.Errorf("%s is not a trajectory: it holds no trajectory.json; nor does it hold checkpoints of another program: %w", path, err)
	}
	if err != nil {
		return nil, err
	}
	first, last := u.Checkpoints[0], u.Checkpoints[len(u.Checkpoints)-1]
	if first.Epoch != last.Epoch {
		say("%s: %d checkpoints of epochs %s to %s, %s (import --dry-run shows each)", path, len(u.Checkpoints), trajectory.EpochName(first.Epoch), trajectory.EpochName(last.Epoch), formatOf(first))
	}
	for _, note := range u.Notes {
		say("note: %s", note)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	return u.Trajectory(path, trajectory.Meta{Run: filepath.Base(abs), Software: u.Checkpoints[0].Format})
}
