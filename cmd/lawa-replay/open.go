package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/lawa-replay/lawa-replay/checkpoint/formats"
	"github.com/lawa-replay/lawa-replay/importer"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// runsOf groups what the command line names into runs: each trajectory and each folder of checkpoints is one, and all
// checkpoints that were named on their own, as by checkpoint-*, are one together.
func runsOf(paths []string) ([][]string, error) {
	paths, err := importer.Expand(paths)
	if err != nil {
		return nil, err
	}
	var runs [][]string
	var single []string
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%s: no such file or folder", path)
		}
		if !trajectory.Exists(path) && importer.IsOne(path) {
			single = append(single, path)
			continue
		}
		runs = append(runs, []string{path})
	}
	switch {
	case len(single) > 0 && len(runs) > 0:
		return nil, fmt.Errorf("%s is one checkpoint, %s a run of its own: give runs, or the checkpoints of one", single[0], runs[0][0])
	case len(single) > 0:
		runs = append(runs, single)
	}
	return runs, nil
}

// openRun opens the one run that the command line names, which must hold checkpoints.
func openRun(paths []string, o foreignOptions) (*trajectory.Trajectory, error) {
	t, err := openOne(paths, o)
	if err != nil {
		return nil, err
	}
	if len(t.Checkpoints) == 0 {
		return nil, fmt.Errorf("%s holds no checkpoints yet", paths[0])
	}
	return t, nil
}

// openOne opens the one run that the command line names, whatever it holds.
func openOne(paths []string, o foreignOptions) (*trajectory.Trajectory, error) {
	runs, err := runsOf(paths)
	if err != nil {
		return nil, err
	}
	if len(runs) > 1 {
		return nil, fmt.Errorf("%s and %s are %d runs: give one, or the checkpoints of one", runs[0][0], runs[1][0], len(runs))
	}
	return openAny(runs[0], o)
}

// openAny opens a trajectory, or the checkpoints of another program as they lie.
func openAny(paths []string, o foreignOptions) (*trajectory.Trajectory, error) {
	path := paths[0]
	if trajectory.Exists(path) {
		t, err := trajectory.Open(path, formats.Files{})
		if err != nil {
			return nil, err
		}
		for _, w := range t.Warnings {
			say("warning: %s", w)
		}
		if o.Key != "" || len(o.Strip)+len(o.Skip) > 0 {
			say("note: %s is a trajectory: --key, --strip and --skip say how checkpoints of other programs are read, and change nothing here", path)
		}
		return t, nil
	}
	u, err := importer.Understand(paths, o.Options)
	if errors.Is(err, importer.ErrNoCheckpoints) && len(paths) == 1 {
		return nil, fmt.Errorf("%s is not a trajectory: it holds no trajectory.json; nor does it hold checkpoints of another program: %w", path, err)
	}
	if err != nil {
		return nil, err
	}
	first, last := u.Checkpoints[0], u.Checkpoints[len(u.Checkpoints)-1]
	dir, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if len(u.Checkpoints) > 1 {
		if len(paths) > 1 {
			dir = filepath.Dir(first.Source)
			if filepath.Dir(last.Source) != dir {
				dir = filepath.Dir(dir)
			}
		}
		say("%s: one run of %d checkpoints, epochs %s to %s, %s (import --dry-run shows each)", relative("", dir), len(u.Checkpoints), trajectory.EpochName(first.Epoch), trajectory.EpochName(last.Epoch), formatOf(first))
	}
	for _, note := range u.Notes {
		sayNote(note)
	}
	return u.Trajectory(dir, trajectory.Meta{Run: filepath.Base(dir), Software: u.Checkpoints[0].Format})
}
