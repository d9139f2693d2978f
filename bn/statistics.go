package bn

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/lawa-replay/lawa-replay/checkpoint"
)

// IsStatistic says whether a tensor of this name holds batch-norm statistics, as PyTorch's modules name them.
func IsStatistic(name string) bool {
	return strings.HasSuffix(name, "running_mean") || IsVariance(name)
}

// IsVariance says whether these are variances, which are 1 where nothing was seen yet.
func IsVariance(name string) bool { return strings.HasSuffix(name, "running_var") }

// Count is the number of tensors that hold statistics.
func Count(tensors []checkpoint.Tensor) int {
	n := 0
	for _, t := range tensors {
		if IsStatistic(t.Name) {
			n++
		}
	}
	return n
}

// Statistics stand in place of those in an average's data, by the tensors' names and in their types. nil leaves those.
type Statistics map[string][]byte

// Statistics are what the policy puts in place of an average's own: under Copy those of the newest checkpoint, which
// averaging.Output carries. Under Average they are the average's own, and so they are under Recompute until a network
// has run.
func (p Policy) Statistics(newest map[string][]byte) Statistics {
	if p.Kind == Copy {
		return newest
	}
	return nil
}

// Bytes is a tensor of the average whose data section is data.
func (s Statistics) Bytes(t checkpoint.Tensor, data []byte) []byte {
	if own, ok := s[t.Name]; ok {
		return own
	}
	return data[t.Begin:t.End]
}

// Section is the data section of an average: in memory, or computed as it is written.
type Section interface {
	// Write writes bytes [begin, end) of it, which are whole tensors.
	Write(w io.Writer, begin, end int64) error
}

// Over is the section of the tensors with the statistics in place.
func (s Statistics) Over(tensors []checkpoint.Tensor, values Section) Section {
	o := overlaid{values, s, nil}
	for _, t := range tensors {
		if _, ok := s[t.Name]; ok {
			o.at = append(o.at, t)
		}
	}
	if len(o.at) == 0 {
		return values
	}
	slices.SortFunc(o.at, func(a, b checkpoint.Tensor) int { return cmp.Compare(a.Begin, b.Begin) })
	return o
}

// overlaid is a section some tensors of which are others.
type overlaid struct {
	Section
	statistics Statistics
	at         []checkpoint.Tensor // of the statistics, by where they lie
}

// Write implements Section.
func (o overlaid) Write(w io.Writer, begin, end int64) error {
	first, _ := slices.BinarySearchFunc(o.at, begin, func(t checkpoint.Tensor, at int64) int { return cmp.Compare(t.Begin, at) })
	for _, t := range o.at[first:] {
		if t.End > end {
			break
		}
		if t.Begin > begin {
			if err := o.Section.Write(w, begin, t.Begin); err != nil {
				return err
			}
		}
		if _, err := w.Write(o.statistics[t.Name]); err != nil {
			return err
		}
		begin = t.End
	}
	if begin == end {
		return nil
	}
	return o.Section.Write(w, begin, end)
}
