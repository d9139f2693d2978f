package sweep

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
	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Inputs is all that an evaluation depends on. Its digest is the evaluation's key: equal inputs are never
// evaluated twice, and a change of any of them is another evaluation.
type Inputs struct {
	Format  int     `json:"format"` // InputsFormat of the program that made them
	Task    string  `json:"task"`
	Model   string  `json:"model"`
	Average string  `json:"average"` // Average.Digest
	Policy  string  `json:"policy"`  // of the batch-norm statistics
	BN      *BNData `json:"bn,omitempty"`
	Data    string  `json:"data"`    // digest of the evaluated split
	Numeric string  `json:"numeric"` // the arithmetic: precision, kind of device, libtorch's version
}

// InputsFormat is raised when the same inputs would give other numbers, or name less than numbers depend on.
// Format 1 had neither libtorch's version nor the kind of GPU in it.
const InputsFormat = 2

// Average names the weights of an evaluation: how many checkpoints are in them, and the SHA-256, in hexadecimal,
// of one line "sha256 coefficient\n" for each, the oldest first. A coefficient is the shortest decimal text that
// reads back as the same float64. Where the sum is rounded to another type than the checkpoints', a line "dtype F32\n" follows.
type Average struct {
	Checkpoints int
	DType       checkpoint.DType // that of its floating tensors; "" is the checkpoints'
	Digest      string
}

// rounding is the type that averages' floating tensors are rounded to.
type rounding struct {
	to    checkpoint.DType // "" is the checkpoints'
	exact bool             // it holds every value of the checkpoints' types, so that one checkpoint alone stays as it is
}

// roundingOf is what averages of a trajectory's tensors are rounded to, where to is asked for.
func roundingOf(tensors []checkpoint.Tensor, to checkpoint.DType) rounding {
	out := rounding{exact: true}
	for _, t := range tensors {
		if to == "" || !t.DType.Float() || t.DType == to {
			continue
		}
		out.to = to
		out.exact = out.exact && t.DType.Within(to)
	}
	return out
}

// newAverage names coefficients, by the digests of all checkpoints of their trajectory.
func newAverage(checkpoints []trajectory.Checkpoint, c averaging.Coefficients, to rounding) Average {
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
	if len(c.Indices) == 1 && to.exact && c.Weights[0] == c.Norm {
		to.to = ""
	}
	if to.to != "" {
		fmt.Fprintf(h, "dtype %s\n", to.to)
	}
	return Average{len(c.Indices), to.to, hex.EncodeToString(h.Sum(nil))}
}

// Single names one checkpoint as the average of itself.
func Single(c trajectory.Checkpoint) Average {
	return newAverage([]trajectory.Checkpoint{c}, averaging.Coefficients{Indices: []int{0}, Weights: []float64{1}, Norm: 1}, rounding{})
}

// averages names those of a plan, on all cores: long histories take their time.
func averages(checkpoints []trajectory.Checkpoint, all []averaging.Coefficients, to rounding) []Average {
	out := make([]Average, len(all))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(all); i = int(next.Add(1)) - 1 {
				out[i] = newAverage(checkpoints, all[i], to)
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
	// Tolerance is the error of the statistics at which the data were enough; 0: all of them were taken.
	Tolerance float64 `json:"tolerance,omitempty"`
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

// Of completes inputs with the average that they are of. A policy that cannot matter for an average of one checkpoint
// is written as the one it equals: the mean of one checkpoint's statistics is their copy.
func (in Inputs) Of(a Average) Inputs {
	in.Average = a.Digest
	if a.Checkpoints == 1 && in.Policy == string(bn.Average) {
		in.Policy = string(bn.Copy)
	}
	return in
}

// Evaluation is what the store keeps of one key.
type Evaluation struct {
	Inputs Inputs  `json:"inputs"`
	Values []Value `json:"values"`
	// Seconds are those for which a slot was busy with it, batch-norm statistics among them; 0 where nobody counted. Of several that
	// a slot evaluates at once each has its share.
	Seconds float64 `json:"seconds,omitempty"`
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
