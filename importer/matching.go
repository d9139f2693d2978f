package importer

import (
	"fmt"
	"math"
	"slices"

	"github.com/lawa-replay/lawa-replay/trajectory"
)

// matching is how a log's rows belong to checkpoints: by step or by epoch, with a number added to the row's.
type matching struct {
	bySteps bool
	shift   float64
}

func (m matching) String() string {
	what := "epoch"
	if m.bySteps {
		what = "step"
	}
	switch {
	case m.shift == 0:
		return what
	case m.shift > 0:
		return fmt.Sprintf("%s, which the log counts from 0 (%s is added)", what, plain(m.shift))
	}
	return fmt.Sprintf("%s (%s is added to the log's)", what, plain(m.shift))
}

// rowIndex finds the rows of a checkpoint: logs may have a row for each step.
type rowIndex struct {
	matching
	rows []row
	by   map[int64][]int // rows of about the same number
}

// perUnit is how finely the index tells epochs apart: neighbours of less than the slack may share a place.
const perUnit = 0.5 / trajectory.EpochSlack

func (m matching) value(r row) float64 {
	if m.bySteps {
		return r.step + m.shift
	}
	return r.epoch + m.shift
}

func (m matching) index(rows []row) rowIndex {
	x := rowIndex{m, rows, map[int64][]int{}}
	for i, r := range rows {
		if v := m.value(r); !math.IsNaN(v) && math.Abs(v) < 1e12 {
			at := int64(math.Round(v * perUnit))
			x.by[at] = append(x.by[at], i)
		}
	}
	return x
}

// of lists the rows of a checkpoint, in their order.
func (x rowIndex) of(f *Found) []int {
	want := f.Epoch
	if x.bySteps {
		want = float64(f.Step)
	}
	var out []int
	if math.Abs(want) < 1e12 {
		for at := int64(math.Round(want*perUnit)) - 1; at <= int64(math.Round(want*perUnit))+1; at++ {
			for _, i := range x.by[at] {
				if v := x.value(x.rows[i]); v == want || !x.bySteps && math.Abs(v-want) < trajectory.EpochSlack {
					out = append(out, i)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// covers counts the checkpoints that have a row.
func (m matching) covers(rows []row, checkpoints []Found) int {
	index, n := m.index(rows), 0
	for i := range checkpoints {
		if len(index.of(&checkpoints[i])) > 0 {
			n++
		}
	}
	return n
}

// span is from where to where a log counts.
type span struct {
	epochs, steps         bool
	firstEpoch, lastEpoch float64
	firstStep, lastStep   float64
	fractions             bool // of epochs
}

func spanOf(rows []row) span {
	s := span{firstEpoch: math.Inf(1), lastEpoch: math.Inf(-1), firstStep: math.Inf(1), lastStep: math.Inf(-1)}
	for _, r := range rows {
		if !math.IsNaN(r.epoch) && r.epoch >= 0 { // Lightning's epoch -1 is before the first
			s.epochs = true
			s.firstEpoch, s.lastEpoch = min(s.firstEpoch, r.epoch), max(s.lastEpoch, r.epoch)
			s.fractions = s.fractions || r.epoch != math.Trunc(r.epoch)
		}
		if !math.IsNaN(r.step) {
			s.steps = true
			s.firstStep, s.lastStep = min(s.firstStep, r.step), max(s.lastStep, r.step)
		}
	}
	return s
}

func (s span) text(epochs bool) string {
	switch {
	case epochs && s.epochs:
		return plain(s.firstEpoch) + " to " + plain(s.lastEpoch)
	case !epochs && s.steps:
		return plain(s.firstStep) + " to " + plain(s.lastStep)
	}
	return "none"
}
