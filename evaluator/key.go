package evaluator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/bn"
	"github.com/lawa-replay/lawa-replay/dataset"
	"github.com/lawa-replay/lawa-replay/internal/torch"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Inputs is all that an evaluation depends on. Its digest is the evaluation's key: equal inputs are never
// evaluated twice, and a change of any of them is another evaluation.
type Inputs struct {
	Format  int     `json:"format"` // inputsFormat of the program that made them
	Task    string  `json:"task"`
	Model   string  `json:"model"`
	Average string  `json:"average"` // Average.Digest
	Policy  string  `json:"policy"`  // of the batch-norm statistics
	BN      *BNData `json:"bn,omitempty"`
	Data    string  `json:"data"`    // digest of the evaluated split
	Numeric string  `json:"numeric"` // the arithmetic: precision, kind of device, libtorch's version
}

// inputsFormat is raised when the same inputs would give other numbers, or name less than numbers depend on.
// Format 1 had neither libtorch's version nor the kind of GPU in it.
const inputsFormat = 2

// Average names the weights of an evaluation: how many checkpoints are in them, and the SHA-256, in hexadecimal,
// of one line "sha256 coefficient\n" for each, the oldest first. A coefficient is the shortest decimal text that
// reads back as the same float64.
type Average struct {
	Checkpoints int
	Digest      string
}

// newAverage names coefficients, by the digests of all checkpoints of their trajectory.
func newAverage(checkpoints []trajectory.Checkpoint, c averaging.Coefficients) Average {
	h := sha256.New()
	line := make([]byte, 0, 128)
	var text []byte // of the coefficient
	var weight float64
	for i, index := range c.Indices {
		if w := c.Weights[i]; i == 0 || w != weight {
			weight, text = w, strconv.AppendFloat(text[:0], w/c.Norm, 'g', -1, 64)
		}
		line = append(append(line[:0], checkpoints[index].SHA256...), ' ')
		h.Write(append(append(line, text...), '\n'))
	}
	return Average{len(c.Indices), hex.EncodeToString(h.Sum(nil))}
}

// averages names those of a plan, on all cores: long histories take their time.
func averages(checkpoints []trajectory.Checkpoint, all []averaging.Coefficients) []Average {
	out := make([]Average, len(all))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
				out[i] = newAverage(checkpoints, all[i])
			}
		})
	}
	wg.Wait()
	return out
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

// numeric names the arithmetic of this program's own networks: float32 throughout (TF32 is off), by this version of
// libtorch, on this kind of device. Which of several equal GPUs it is does not matter. Kinds of processors differ by
// rounding alone and are not told apart.
func numeric(d torch.Device) string {
	return fmt.Sprintf("float32, %s, libtorch %s", d.Kind(), torch.Version())
}

// Inputs implements Backend.
func (e *Engine) Inputs(average Average, policy bn.Policy, split string) (Inputs, error) {
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

func (e *Engine) inputs(average Average, policy bn.Policy, split *dataset.Split) Inputs {
	return Inputs{Format: inputsFormat, Task: string(e.task()), Model: e.Net.Spec(), Average: average.Digest, Policy: policyOf(average, policy),
		Data: split.Digest(), Numeric: numeric(e.Device)}
}

// policyOf writes a policy that cannot matter for an average of one checkpoint as the one it equals: the mean of
// one checkpoint's statistics is their copy.
func policyOf(average Average, policy bn.Policy) string {
	if average.Checkpoints == 1 && policy.Kind == bn.Average {
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
		return wrongKey(have, key)
	}
	if len(e.Values) == 0 {
		return errNoValues
	}
	return nil
}

func wrongKey(have, want string) error {
	return fmt.Errorf("its inputs have the key %.12s…, expected %.12s…", have, want)
}

var errNoValues = errors.New("it holds no values")
