// Package trajectory keeps the weights of one training run, checkpoint by checkpoint, on disk.
//
// It believes that a checkpoint exists once its line does: weights are written to a temporary name,
// synced and renamed, and only then is a line appended to checkpoints.jsonl. A kill at any moment thus
// leaves every recorded checkpoint intact, and at worst a file that no line names. What is read is not
// trusted: sizes, digests, names, shapes and types are compared with what was recorded, and the error says
// which checkpoint of which run differs, and how.
//
// docs/trajectory-format.md describes the format for other programs.
package trajectory

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"lawa-replay/trajectory/foreign"
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
	Seed          int64           `json:"seed"`            //
	BatchSize     int             `json:"batch_size"`      // examples per training step
	StepsPerEpoch int64           `json:"steps_per_epoch"` //
	Devices       []string        `json:"devices"`         // what it trained on; GPU hours are hours × devices
	Software      string          `json:"software"`        // what wrote it
	Training      json.RawMessage `json:"training"`        // the trainer's own settings, for resuming

	// Of imported ones.
	StepsUnknown bool              `json:"steps_unknown,omitempty"` // the steps of the checkpoints only count them
	Tied         map[string]string `json:"tied,omitempty"`          // names that share the values of another tensor, and its name
	Shards       map[string]string `json:"shards,omitempty"`        // the file of each tensor, where the source has several
}

// Checkpoint is one line of checkpoints.jsonl.
type Checkpoint struct {
	Index   int                `json:"index"`   // 1, 2, 3, … without gaps
	Epoch   float64            `json:"epoch"`   // epochs completed at its end: 8 is the end of the eighth
	Step    int64              `json:"step"`    // optimizer steps completed
	File    string             `json:"file"`    // path below the trajectory's folder
	Bytes   int64              `json:"bytes"`   // size of the file
	SHA256  string             `json:"sha256"`  // of the file, in hexadecimal
	Seconds float64            `json:"seconds"` // spent training up to here, evaluation not counted
	LR      float64            `json:"lr"`      // learning rate of its last step
	Metrics map[string]Number  `json:"metrics,omitempty"`
	Source  string             `json:"source,omitempty"`      // the file or folder it was imported from
	Link    *Link              `json:"link,omitempty"`        // where the weights are, if they were not copied
	Known   map[string]RawJSON `json:"evaluations,omitempty"` // evaluations already made, by their key
}

// Link refers to a checkpoint of another program. SHA256 is then that of the safetensors file which importing
// it would write, so that it does not depend on whether the weights were copied; Bytes is the size of the
// files referred to.
type Link struct {
	Path   string `json:"path"`          // absolute, or as it was given
	Key    string `json:"key,omitempty"` // where the state dict stands in it
	Strict bool   `json:"strict,omitempty"`
}

// Open opens the checkpoint that the link refers to.
func (l Link) Open() (*foreign.Checkpoint, error) {
	return foreign.Open(l.Path, foreign.Options{Key: l.Key, Strict: l.Strict})
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
