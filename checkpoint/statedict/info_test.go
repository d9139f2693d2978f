package statedict

import (
	"math"
	"testing"

	"github.com/lawa-replay/lawa-replay/checkpoint/pickle"
)

// dict is a pickled dict of keys and values.
func dict(pairs ...any) *pickle.Dict {
	d := &pickle.Dict{}
	for i := 0; i < len(pairs); i += 2 {
		d.Set(pairs[i], pairs[i+1])
	}
	return d
}

// TestEpochsInside: where programs record their epoch and their step, and what is neither.
func TestEpochsInside(t *testing.T) {
	const none = -1
	for name, c := range map[string]struct {
		root              *pickle.Dict
		epoch, step       float64
		epochKey, stepKey string
	}{
		"PyTorch's examples":  {dict("epoch", int64(3)), 3, none, "epoch", ""},
		"Lightning":           {dict("epoch", int64(4), "global_step", int64(500), "pytorch-lightning_version", "2"), 4, 500, "epoch", "global_step"},
		"icefall":             {dict("cur_epoch", int64(7), "batch_idx_train", int64(900)), 7, 900, "cur_epoch", "batch_idx_train"},
		"MMEngine":            {dict("meta", dict("epoch", int64(5), "iter", int64(50))), 5, 50, "meta.epoch", "meta.iter"},
		"Composer":            {dict("state", dict("timestamp", dict("epoch", int64(2), "batch", int64(20)))), 2, 20, "state.timestamp.epoch", "state.timestamp.batch"},
		"Composer, older":     {dict("state", dict("timestamp", dict("Timestamp", dict("epoch", int64(2), "batch", int64(20))))), 2, 20, "state.timestamp.Timestamp.epoch", "state.timestamp.Timestamp.batch"},
		"Megatron, detectron": {dict("iteration", int64(100)), none, 100, "", "iteration"},
		"DeepSpeed":           {dict("global_steps", int64(8), "module", dict()), none, 8, "", "global_steps"},
		"torchtitan":          {dict("train_state", dict("step", int64(8))), none, 8, "", "train_state.step"},
		"a setting":           {dict("epochs", int64(100), "max_epochs", int64(100), "num_epochs", int64(9)), none, none, "", ""},
		"not begun":           {dict("epoch", int64(-1), "step", int64(-1)), none, none, "", ""},
		"not numbers":         {dict("epoch", "three", "step", math.NaN()), none, none, "", ""},
		"−1 beside a better":  {dict("last_epoch", int64(-1), "meta", dict("epoch", int64(5))), 5, none, "meta.epoch", ""},
	} {
		info := infoOf(c.root)
		value := func(v *float64) float64 {
			if v == nil {
				return none
			}
			return *v
		}
		if value(info.Epoch) != c.epoch || value(info.Step) != c.step || info.EpochKey != c.epochKey || info.StepKey != c.stepKey {
			t.Errorf("%s: epoch %v (%s), step %v (%s), expected %v (%s) and %v (%s)", name, value(info.Epoch), info.EpochKey, value(info.Step), info.StepKey, c.epoch, c.epochKey, c.step, c.stepKey)
		}
	}
}
