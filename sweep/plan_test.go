package sweep

import (
	"context"
	"strings"
	"testing"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// What an older version recorded in the training log is not used, and said to be there.
func TestEvaluationsOfAnOlderVersionInTheLog(t *testing.T) {
	run := longRun(t, 3)
	run.Checkpoints[1].Known = map[string]trajectory.RawJSON{strings.Repeat("ab", 32): trajectory.RawJSON(`{"inputs":{"format":1,"average":[]},"values":[]}`)}
	p, err := NewPlan(context.Background(), Spec{Trajectories: []*trajectory.Trajectory{run}, Endpoints: [][]int{{0, 1, 2}}, Splits: []string{"val"}, Policies: []bn.Policy{{Kind: bn.Copy}},
		Schemes: []averaging.Scheme{averaging.Last{}}}, &constant{})
	if err != nil {
		t.Fatal(err)
	}
	store, notes := storeOf(t, t.TempDir())
	sum, err := Run(context.Background(), p, &constant{}, store, Options{})
	if err != nil || sum.Recorded != 0 || sum.Evaluated != 3 {
		t.Errorf("%+v, %v", sum, err)
	}
	if len(p.Notes) != 1 || !strings.Contains(p.Notes[0].Text, "1 evaluations of an older version") || len(*notes) > 0 {
		t.Errorf("%v, %v", p.Notes, *notes)
	}
}
