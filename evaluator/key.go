package evaluator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"lawa-replay/averaging"
	"lawa-replay/bn"
	"lawa-replay/dataset"
	"lawa-replay/internal/torch"
	"lawa-replay/trajectory"
)

// Inputs is all that an evaluation depends on. Its digest is the evaluation's key: equal inputs are never
// evaluated twice, and a change of any of them is another evaluation.
type Inputs struct {
	Format  int        `json:"format"` // raised when the same inputs would give other numbers
	Task    string     `json:"task"`
	Model   string     `json:"model"`
	Average []Weighted `json:"average"`
	Policy  string     `json:"policy"` // of the batch-norm statistics
	BN      *BNData    `json:"bn,omitempty"`
	Data    string     `json:"data"` // digest of the evaluated split
	Numeric string     `json:"numeric"`
}

// Weighted is a checkpoint and its coefficient.
type Weighted struct {
	SHA256      string `json:"sha256"`      // of the checkpoint's file
	Coefficient string `json:"coefficient"` // shortest text that reads back as the same float64
}

// BNData is what recomputed statistics were computed from, in this order.
type BNData struct {
	Data      string `json:"data"` // digest of the examples
	BatchSize int    `json:"batch_size"`
}

// Key is the digest of the inputs in hexadecimal.
func (in Inputs) Key() string {
	text, err := json.Marshal(in)
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// numeric names the arithmetic of a device: float32 throughout; CPU and CUDA round differently.
func numeric(d torch.Device) string {
	if d == torch.CPU {
		return "float32/cpu"
	}
	return "float32/cuda"
}

// weighted writes coefficients down with the digests of their checkpoints.
func weighted(t *trajectory.Trajectory, c averaging.Coefficients) []Weighted {
	var out []Weighted
	for i, v := range c.Values() {
		out = append(out, Weighted{t.Checkpoints[c.Indices[i]].SHA256, strconv.FormatFloat(v, 'g', -1, 64)})
	}
	return out
}

// Inputs implements Backend.
func (e *Engine) Inputs(average []Weighted, policy bn.Policy, split string) (Inputs, error) {
	s, err := e.Set.Split(split)
	if err != nil {
		return Inputs{}, err
	}
	in := e.inputs(average, policy, s)
	if policy.Kind == bn.Recompute {
		r, err := e.Renewal(policy)
		if err != nil {
			return Inputs{}, err
		}
		in.BN = &r.Names
	}
	return in, nil
}

func (e *Engine) inputs(average []Weighted, policy bn.Policy, split *dataset.Split) Inputs {
	return Inputs{Format: 1, Task: string(e.task()), Model: e.Net.Spec, Average: average, Policy: policyOf(average, policy),
		Data: split.Digest(), Numeric: numeric(e.Device)}
}

// policyOf writes a policy that cannot matter for an average of one checkpoint as the one it equals: the mean of
// one checkpoint's statistics is their copy.
func policyOf(average []Weighted, policy bn.Policy) string {
	if len(average) == 1 && policy.Kind == bn.Average {
		return string(bn.Copy)
	}
	return string(policy.Kind)
}

// Evaluation is what the store keeps of one key.
type Evaluation struct {
	Inputs Inputs  `json:"inputs"`
	Values []Value `json:"values"`
}

func (e Evaluation) check(key string) error {
	if have := e.Inputs.Key(); have != key {
		return fmt.Errorf("its inputs have the key %s…, expected %s…", have[:12], key[:12])
	}
	if len(e.Values) == 0 {
		return fmt.Errorf("it holds no values")
	}
	return nil
}
