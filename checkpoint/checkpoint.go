// Package checkpoint is what one stored checkpoint is: named tensors of a dtype, their bytes in memory, and what is
// known beside them.
//
// It believes that a checkpoint is the same whatever file it lies in: a list of tensors, arranged as a safetensors
// file of them is, so that digests do not depend on the format. Bytes are mapped where they lie wherever that can be,
// and a file that shrinks under its reader, or changes between two uses, is an error, not a crash.
//
// The formats are folders beneath this one, each a Format in the one list of checkpoint/formats.
package checkpoint

import (
	"fmt"
	"slices"
)

// Checkpoint is a stored checkpoint, opened: what is in it is known, its weights are read by Map or Stream. Its list is
// read once; Map and Stream may be called from several goroutines, as often as the weights are wanted.
type Checkpoint interface {
	// About is what is known beside the tensors. Whoever opens a checkpoint may complete it.
	About() *About
	// Tensors lists the tensors; Begin and End are their places in the data section of the file that Stream gives. The
	// list must not be changed.
	Tensors() []Tensor
	// Tied is the names that share the bytes of another tensor, and that other.
	Tied() map[string]string
	// Map maps the files where the tensors lie in them as they are, and otherwise puts them together in memory.
	Map() (*Mapped, error)
	// Stream gives the bytes of the arranged file, piece by piece: the header, for which the tensor is nil, and then whole
	// elements of one tensor after another, compared with their checksums where there are some. A piece is valid until emit
	// returns.
	Stream(emit func(t *Tensor, data []byte) error) error
	// Close lets go of the files that opening left open. Map and Stream open them again for as long as they need them; a
	// file that changed meanwhile is an error.
	Close() error
}

// Size is the bytes of a checkpoint's weights.
func Size(c Checkpoint) int64 {
	n := int64(0)
	for _, t := range c.Tensors() {
		n = max(n, t.End)
	}
	return n
}

// About is what is known of a checkpoint beside its tensors.
type About struct {
	Path      string
	Within    string            // of a folder: what in it was taken for the model, and why; "" of a file
	Format    string            // the name of its format, for messages
	Key       string            // where the state dict stood; "" at the root
	FileBytes int64             // the size of its files
	Shards    map[string]string // the file of each tensor, where there are several
	Info      Info

	Weights    string   // which ones they are: Raw, EMA, Average, or "" where nothing tells
	WeightsWhy string   // what tells
	Notes      []string // what people should know: what was left out, joined, or cannot be averaged
}

// Note adds a note, once.
func (a *About) Note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(a.Notes, text) {
		a.Notes = append(a.Notes, text)
	}
}

// Info is the numbers that stand beside the weights.
type Info struct {
	Epoch, Step       *float64           // as recorded, in the recorder's own way of counting; nil where not known
	EpochKey, StepKey string             // where they stood, as in "meta.epoch" or "trainer_state.json: epoch"
	Lightning         bool               // written by Lightning, which counts epochs from 0
	Numbers           map[string]float64 // other numbers at the root, by their keys
}

// Which weights a state dict holds, as About.Weights says it.
const (
	Raw     = "raw"     // those of the last step
	EMA     = "EMA"     // their exponential moving average
	Average = "average" // another running average of theirs
)
