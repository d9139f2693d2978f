// Package trajectory keeps the weights of one training run, checkpoint by checkpoint, on disk.
//
// It believes that a checkpoint exists once its line does: weights are written to a temporary name,
// synced and renamed, and only then is a line appended to checkpoints.jsonl. A kill at any moment thus
// leaves every recorded checkpoint intact, and at worst a file that no line names. What is read is not
// trusted: sizes, digests, names, shapes and types are compared with what was recorded, and the error says
// which checkpoint of which run differs, and how.
//
// It also believes that unknown is not zero. What may be unknown of a run (its seed, the seconds and the
// learning rate at a checkpoint) is a pointer, nil where it is not known and null in JSON, so that what
// nobody set is unknown; Trajectory.Step is nil where steps only count the checkpoints.
//
// It knows no format of weights: files are opened and written by what is handed in, Files.
//
// docs/trajectory-format.md describes the format for other programs.
package trajectory

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// Format is the version of the format that this package writes; it reads no other.
const Format = 1

const (
	metaFile  = "trajectory.json"
	linesFile = "checkpoints.jsonl"

	weightsDir, stateDir = "weights", "state"
)

// Meta is trajectory.json: what is true of the run as a whole.
type Meta struct {
	Format        int             `json:"format"`
	Run           string          `json:"run"`             // the run's name
	Model         string          `json:"model"`           // model spec, such as resnet8:width=8
	Data          string          `json:"data"`            // data set spec, such as mnist:train=6000
	Seed          *int64          `json:"seed"`            // nil where it is not known
	BatchSize     int             `json:"batch_size"`      // examples per training step
	StepsPerEpoch int64           `json:"steps_per_epoch"` //
	Devices       []string        `json:"devices"`         // what it trained on; GPU hours are hours × devices
	Software      string          `json:"software"`        // what wrote it
	Training      json.RawMessage `json:"training"`        // the trainer's own settings, for resuming

	// Recipe is what the run was made by, where that was one: its text, and what was changed of it. It explains the run and
	// decides nothing.
	Recipe json.RawMessage `json:"recipe,omitempty"`

	// Nulls says that what is not known is null. Without it, as in trajectories of the first version, the zeros of
	// an imported run stand for what is not known.
	Nulls bool `json:"unknown_is_null,omitempty"`

	// Of imported ones.
	StepsUnknown bool              `json:"steps_unknown,omitempty"` // the steps of the checkpoints only count them
	Tied         map[string]string `json:"tied,omitempty"`          // names that share the values of another tensor, and its name
	Shards       map[string]string `json:"shards,omitempty"`        // the file of each tensor, where the source has several
}

// Checkpoint is one line of checkpoints.jsonl.
type Checkpoint struct {
	Index   int      `json:"index"`          // 1, 2, 3, … without gaps
	Epoch   float64  `json:"epoch"`          // epochs completed at its end: 8 is the end of the eighth
	Step    int64    `json:"step"`           // optimizer steps completed
	File    string   `json:"file"`           // path below the trajectory's folder
	Bytes   int64    `json:"bytes"`          // size of the file
	SHA256  string   `json:"sha256"`         // of the file, in hexadecimal
	XXH3    string   `json:"xxh3,omitempty"` // of the file, 128 bits, in hexadecimal: a faster digest against accidents; see digest
	Seconds *float64 `json:"seconds"`        // spent training up to here, evaluation not counted; nil where not known
	LR      *float64 `json:"lr"`             // learning rate of its last step; nil where not known
	// Tokens are those trained on up to here, padding counted; nil where not known, as of data that are not tokens.
	Tokens *float64 `json:"tokens,omitempty"`
	// ExamplesPerSecond were trained on since the checkpoint before, or since training went on; nil where not known.
	ExamplesPerSecond *float64 `json:"examples_per_second,omitempty"`
	// WaitedForData are the seconds, of those that ExamplesPerSecond is over, in which no batch was ready; nil where not known.
	WaitedForData *float64           `json:"waited_for_data,omitempty"`
	Metrics       map[string]Number  `json:"metrics,omitempty"`
	Source        string             `json:"source,omitempty"`      // the file or folder it was imported from
	Link          *Link              `json:"link,omitempty"`        // where the weights are, if they were not copied
	Known         map[string]RawJSON `json:"evaluations,omitempty"` // evaluations already made, by their key
}

// Link refers to a checkpoint of another program. SHA256 is then that of the safetensors file which importing
// it would write, so that it does not depend on whether the weights were copied; Bytes is the size of the
// files referred to.
type Link struct {
	Path      string   `json:"path"`                 // absolute, or as it was given
	Key       string   `json:"key,omitempty"`        // where the state dict stands in it
	Strip     []string `json:"strip,omitempty"`      // prefixes taken off the tensors' names
	Skip      []string `json:"skip,omitempty"`       // patterns of the names of tensors left out
	Untie     []string `json:"untie,omitempty"`      // tensors of their own, though they share another's bytes
	Strict    bool     `json:"strict,omitempty"`     //
	MaxPickle int64    `json:"max_pickle,omitempty"` // bytes of pickle that may be read; 0 is the usual limit
}

// NewLink refers to a checkpoint as it was opened: opened again, it is the same.
func NewLink(path string, c checkpoint.Checkpoint, o checkpoint.Options) *Link {
	return &Link{Path: path, Key: c.About().Key, Strip: o.Strip, Skip: o.Skip, Untie: o.Untie, Strict: o.Strict, MaxPickle: o.MaxPickle}
}

// options are those with which the checkpoint that the link refers to is opened.
func (l Link) options() checkpoint.Options {
	return checkpoint.Options{Key: l.Key, Strip: l.Strip, Skip: l.Skip, Untie: l.Untie, Strict: l.Strict, MaxPickle: l.MaxPickle}
}

// imported says whether the run was recorded by an import.
func (m Meta) imported() bool { return strings.HasSuffix(m.Software, "(import)") }

// forget takes the zeros for unknown by which an import of the first version wrote that.
func (m *Meta) forget() {
	if m.imported() && !m.Nulls && m.Seed != nil && *m.Seed == 0 {
		m.Seed = nil
	}
}

// forget does for a line what Meta.forget does.
func (c *Checkpoint) forget(m Meta) {
	if !m.imported() || m.Nulls {
		return
	}
	for _, p := range []**float64{&c.Seconds, &c.LR} {
		if *p != nil && **p == 0 {
			*p = nil
		}
	}
}

// RawJSON is a value that this package carries without looking into it.
type RawJSON = json.RawMessage

// Number is a float64 that survives JSON when it is not finite: as "NaN", "+Inf", "-Inf".
type Number float64

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	f := float64(n)
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return json.Marshal(text)
	}
	return json.Marshal(f)
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *Number) UnmarshalJSON(text []byte) error {
	var f float64
	if string(text) == "null" { // unknown, not zero
		*n = Number(math.NaN())
		return nil
	}
	if err := json.Unmarshal(text, &f); err == nil {
		*n = Number(f)
		return nil
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%s is not a number", text)
	}
	switch s {
	case "NaN":
		*n = Number(math.NaN())
	case "+Inf":
		*n = Number(math.Inf(1))
	case "-Inf":
		*n = Number(math.Inf(-1))
	default:
		return fmt.Errorf("%q is not a number", s)
	}
	return nil
}

// EpochName writes an epoch as people do: 8, or 8.5 within one.
func EpochName(epoch float64) string { return strconv.FormatFloat(epoch, 'g', 6, 64) }

// EpochSlack is by how much epochs may differ and still be the same: fractions of one are met as people
// write them.
const EpochSlack = 1e-6
