package main

import (
	"fmt"

	"lawa-replay/trajectory"
)

// openRun opens a trajectory that must hold checkpoints.
func openRun(dir string) (*trajectory.Trajectory, error) {
	t, err := trajectory.Open(dir)
	if err != nil {
		return nil, err
	}
	for _, w := range t.Warnings {
		say("warning: %s", w)
	}
	if len(t.Checkpoints) == 0 {
		return nil, fmt.Errorf("%s holds no checkpoints yet", dir)
	}
	return t, nil
}
