package evaluator

import (
	"context"
	"path/filepath"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/results"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Sweep is one as the command makes it: planned, evaluated and tabulated in a folder.
type Sweep struct {
	Dir          string
	Trajectories []*trajectory.Trajectory
	Endpoints    [][]int
	Schemes      []averaging.Scheme
	Policies     []bn.Policy
	Splits       []string
	Memory       int64
	Note         func(sweep.Note)
}

func (s *Sweep) Run(ctx context.Context, b sweep.Backend) (sum sweep.Summary, err error) {
	note := s.Note
	if note == nil {
		note = func(sweep.Note) {}
	}
	folder, err := sweep.OpenFolder(s.Dir, note)
	if err != nil {
		return sum, err
	}
	defer folder.Close()
	p, err := sweep.NewPlan(ctx, sweep.Spec{Trajectories: s.Trajectories, Endpoints: s.Endpoints, Schemes: s.Schemes, Policies: s.Policies, Splits: s.Splits}, b)
	if err != nil {
		return sum, err
	}
	if sum, err = sweep.Run(ctx, p, b, folder.Store, sweep.Options{Memory: s.Memory, Note: note}); err != nil {
		return sum, err
	}
	table, err := sweep.Table(p, map[string]any{"test": true}, folder.Store)
	if err != nil {
		return sum, err
	}
	return sum, results.Write(filepath.Join(s.Dir, results.File), table)
}
