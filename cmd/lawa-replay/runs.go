//go:build !quick

package main

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/evaluator"
)

// open reads the trajectories, whose network and data must be the same for all.
func (o sweepOptions) open(s *evaluator.Sweep, runs []string) error {
	grouped, err := runsOf(runs)
	if err != nil {
		return err
	}
	var dirs []string
	for _, run := range grouped {
		t, err := openRun(run, o.foreignOptions)
		if err != nil {
			return err
		}
		for _, other := range s.Trajectories {
			if other.Meta.Model != t.Meta.Model || other.Meta.Data != t.Meta.Data {
				return fmt.Errorf("%s trained %s on %s, %s %s on %s: sweep them apart", other.Dir, other.Meta.Model, other.Meta.Data, t.Dir, t.Meta.Model, t.Meta.Data)
			}
		}
		s.Trajectories, dirs = append(s.Trajectories, t), append(dirs, t.Dir)
	}
	_, err = evaluator.Folders(dirs)
	return err
}

// sayRuns says which of several runs figures will take for seeds of one another, and which hold the same weights.
func sayRuns(s *evaluator.Sweep) error {
	if len(s.Trajectories) < 2 {
		return nil
	}
	t, err := readResults(s.Dir)
	if err != nil {
		return err
	}
	_, notes := analysis.Groups(t.Runs())
	ends := map[string]int{}
	for i, t := range s.Trajectories {
		end := t.Checkpoints[len(t.Checkpoints)-1].SHA256
		if first, twice := ends[end]; twice && end != "" {
			notes = append(notes, fmt.Sprintf("%s and %s end with the same weights: one is a copy of the other, and counts as a run of its own", s.Trajectories[first].Dir, t.Dir))
			continue
		}
		ends[end] = i
	}
	for _, n := range notes {
		say("note: %s", n)
	}
	return nil
}
