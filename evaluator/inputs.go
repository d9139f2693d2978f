package evaluator

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/sweep"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// numeric names the arithmetic of this program's own networks: the precision, by this version of libtorch, on this kind of
// device. Which of several equal GPUs it is does not matter. Kinds of processors differ by rounding alone and are not
// told apart.
func (e *Engine) numeric() string {
	return fmt.Sprintf("%v, %s, libtorch %s", e.Precision, e.Device.Kind(), torch.Version())
}

// Inputs implements sweep.Backend.
func (e *Engine) Inputs(policy bn.Policy, split string) (sweep.Inputs, error) {
	s, err := e.Set.Split(split)
	if err != nil {
		return sweep.Inputs{}, err
	}
	in, err := e.inputs(policy, s)
	if err != nil {
		return in, err
	}
	if policy.Kind == bn.Recompute {
		r, err := e.BNSource(policy)
		if err != nil {
			return in, err
		}
		in.BN = &r.Names
	}
	return in, nil
}

func (e *Engine) inputs(policy bn.Policy, split dataset.Split) (sweep.Inputs, error) {
	digest, err := split.Digest()
	return sweep.Inputs{Format: sweep.InputsFormat, Task: e.task().Name(), Model: e.Net.Spec(), Policy: string(policy.Kind), Data: digest, Numeric: e.numeric()}, err
}

// Metrics implements sweep.Backend.
func (e *Engine) Metrics() []metric.Metric { return e.task().Metrics() }

// Record evaluates a new checkpoint as the baseline (its own statistics) on a split, and puts the
// evaluation and its metrics into the checkpoint's line, where sweeps will find it; what each example gave goes into Examples.
func (e *Engine) Record(ctx context.Context, c *trajectory.Checkpoint, weights []float32, data *Data) error {
	split := data.Split()
	v, set, err := e.Validate(ctx, weights, data)
	if err != nil {
		return err
	}
	in, err := e.inputs(bn.Policy{Kind: bn.Copy}, split)
	if err != nil {
		return err
	}
	in = in.Of(sweep.Single(*c))
	raw, err := json.Marshal(sweep.Evaluation{Inputs: in, Values: v})
	if err != nil {
		return err
	}
	if e.Examples != nil && set != nil {
		if err := e.Examples.Put(in.Key(), set); err != nil {
			return err
		}
	}
	if c.Known == nil {
		c.Known = map[string]trajectory.RawJSON{}
	}
	c.Known[in.Key()] = raw
	if c.Metrics == nil {
		c.Metrics = map[string]trajectory.Number{}
	}
	for _, v := range v {
		c.Metrics[split.Name()+"/"+v.Metric] = v.Value
	}
	return nil
}
