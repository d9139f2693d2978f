package main

import (
	"fmt"

	"github.com/lawa-replay/lawa-replay/analysis"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// trajectories opens those that the command line names, whose network and data must be the same for all.
func (o sweepOptions) trajectories(runs []string) ([]*trajectory.Trajectory, error) {
	grouped, err := runsOf(runs)
	if err != nil {
		return nil, err
	}
	var out []*trajectory.Trajectory
	var dirs []string
	for _, run := range grouped {
		t, err := openRun(run, o.foreignOptions)
		if err != nil {
			return nil, err
		}
		if err := o.factors(t); err != nil {
			return nil, err
		}
		for _, other := range out {
			if other.Meta.Model != t.Meta.Model || other.Meta.Data != t.Meta.Data {
				return nil, fmt.Errorf("%s trained %s on %s, %s %s on %s: sweep them apart", other.Dir, other.Meta.Model, other.Meta.Data, t.Dir, t.Meta.Model, t.Meta.Data)
			}
		}
		out, dirs = append(out, t), append(dirs, t.Dir)
	}
	thorough, err := o.thorough()
	if err != nil {
		return nil, err
	}
	if thorough {
		for _, t := range out {
			t.Thorough()
		}
	}
	_, err = sweep.Folders(dirs)
	return out, err
}

// sayRuns says which of several runs figures will take for seeds of one another, and which hold the same weights.
func sayRuns(runs []*trajectory.Trajectory, table *results.Table) {
	if len(runs) < 2 {
		return
	}
	_, notes := analysis.Groups(table.Runs())
	ends := map[string]int{}
	for i, t := range runs {
		end := t.Checkpoints[len(t.Checkpoints)-1].SHA256
		if first, twice := ends[end]; twice && end != "" {
			notes = append(notes, fmt.Sprintf("%s and %s end with the same weights: one is a copy of the other, and counts as a run of its own", runs[first].Dir, t.Dir))
			continue
		}
		ends[end] = i
	}
	for _, n := range notes {
		say("note: %s", n)
	}
}
