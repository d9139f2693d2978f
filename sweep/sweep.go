// Package sweep evaluates averages: it plans what is needed, evaluates each average once, remembers it, and makes the
// table.
//
// It believes that forward passes cost far more than averages, so everything is done to run fewer of them: equal
// averages share one evaluation, a store remembers what was evaluated before, the training log is read first, and
// several averages share each pass over the data. It does not know what evaluates: a Backend does, which has a Slot for
// each core, GPU or program that works beside the others.
//
// A plan is a pure function of what is asked for and of the checkpoints. Its cells stand in an order that any machine
// finds again, so that it can be cut into shards, whose stores together make the same table.
package sweep

import (
	"fmt"
	"slices"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/hint"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Note is what people should know and is no error: what was chosen, passed over or left out.
type Note = hint.Note

// Spec is what to evaluate: schemes × endpoints × policies × splits, over one or more trajectories of the same network.
// The baseline (last, with the checkpoint's own statistics) always comes along.
type Spec struct {
	Trajectories   []*trajectory.Trajectory
	Endpoints      [][]int // for each trajectory, indices of checkpoints
	Schemes        []averaging.Scheme
	Policies       []bn.Policy
	Splits         []string
	DType          checkpoint.DType // that averages' floating tensors are rounded to before they are evaluated; "" is the checkpoints'
	AllowNonFinite bool
	AllowGaps      bool
}

// Check says whether a backend can evaluate the trajectories under the policies. NewPlan does it too.
func (s Spec) Check(b Backend) error {
	for _, policy := range s.Policies {
		if err := b.Supports(policy); err != nil {
			return err
		}
	}
	for _, t := range s.Trajectories {
		tensors, err := t.Tensors(0)
		if err != nil {
			return err
		}
		if err := b.Check(tensors, t.Meta.Tied); err != nil {
			return fmt.Errorf("trajectory %s: %w", t.Meta.Run, err)
		}
	}
	return nil
}

// asked says whether a scheme was asked for, or came along as the baseline.
func (s Spec) asked(spec string) bool {
	return slices.ContainsFunc(s.Schemes, func(scheme averaging.Scheme) bool { return scheme.Spec() == spec })
}

// texts are the schemes and the policies as they are written.
func (s Spec) texts() (schemes, policies []string) {
	for _, one := range s.Schemes {
		schemes = append(schemes, one.Spec())
	}
	for _, one := range s.Policies {
		policies = append(policies, one.String())
	}
	return schemes, policies
}

// averages finds those that are needed of each trajectory, the baseline's among them. What cannot be had is an
// averaging.RequestError.
func (s Spec) averages() ([]*averaging.Plan, error) {
	if len(s.Endpoints) != len(s.Trajectories) {
		return nil, fmt.Errorf("endpoints of %d trajectories for %d", len(s.Endpoints), len(s.Trajectories))
	}
	schemes := s.Schemes
	if !s.asked(averaging.Last{}.Spec()) {
		schemes = append([]averaging.Scheme{averaging.Last{}}, schemes...)
	}
	var plans []*averaging.Plan
	for run, t := range s.Trajectories {
		plan, err := averaging.NewPlan(averaging.Points(t), schemes, s.Endpoints[run], s.AllowGaps)
		if err != nil {
			return nil, fmt.Errorf("trajectory %s: %w", t.Meta.Run, err)
		}
		plans = append(plans, plan)
	}
	return plans, nil
}

// policies are those asked for, and behind them the baseline's own.
func (s Spec) policies() []bn.Policy {
	return append(slices.Clone(s.Policies), bn.Policy{Kind: bn.Copy})
}

// baseline is the place of the baseline's policy among policies: the one that was asked for, where it was.
func (s Spec) baseline() int {
	at := len(s.Policies)
	for i, p := range s.Policies {
		if p.Kind == bn.Copy {
			at = i
		}
	}
	return at
}
