package importer

import (
	"cmp"
	"math"
	"slices"
)

// clock reads one kind of number of a checkpoint; NaN where it has none.
type clock func(*opened) float64

func nameEpoch(a *opened) float64 { return a.name.epoch }
func nameStep(a *opened) float64  { return a.name.step }
func inEpoch(a *opened) float64   { return of(a.c.About().Info.Epoch) }
func inStep(a *opened) float64    { return of(a.c.About().Info.Step) }

// known says whether every checkpoint has it.
func known(all []opened, c clock) bool {
	for i := range all {
		if math.IsNaN(c(&all[i])) {
			return false
		}
	}
	return true
}

// every says whether every checkpoint has it, each another one.
func every(all []opened, c clock) bool {
	a, _ := twice(all, c)
	return a < 0 && known(all, c)
}

// twice finds two checkpoints with the same; −1 if there are none.
func twice(all []opened, c clock) (int, int) {
	seen := map[float64]int{}
	for i := range all {
		v := c(&all[i])
		if j, ok := seen[v]; ok {
			return j, i
		}
		seen[v] = i
	}
	return -1, -1
}

// together says whether two clocks rise together.
func together(all []opened, a, b clock) bool {
	i, j := outOfOrder(all, a, b)
	return i == j
}

// likeSteps says whether numbers look like steps rather than epochs: in the thousands, and evenly round, as counted from
// 1, or from 0 (4999, 9999).
func likeSteps(all []opened, c clock) bool {
	return len(all) > 1 && highest(all, c) >= 1000 && (divisor(all, c, 0) >= 50 || divisor(all, c, 1) >= 50)
}

// maxBare is up to which number one without a word is taken for an epoch.
const maxBare = 10_000

func highest(all []opened, c clock) float64 {
	most := 0.0
	for i := range all {
		most = max(most, c(&all[i]))
	}
	return most
}

// divisor is the greatest one that the numbers plus add have in common.
func divisor(all []opened, c clock, add float64) float64 {
	d := 0.0
	for i := range all {
		for a, b := d, math.Abs(c(&all[i])+add); ; a, b = b, math.Mod(a, b) {
			if b == 0 {
				d = a
				break
			}
		}
	}
	return d
}

// fromZero says whether steps show that epochs are counted from 0: they are in proportion to the epochs plus one, and not
// to the epochs.
func fromZero(all []opened, epochs, steps clock) bool {
	constant := func(add float64) bool {
		first := steps(&all[0]) / (epochs(&all[0]) + add)
		for i := range all {
			if e := epochs(&all[i]) + add; e != math.Trunc(e) || e <= 0 || math.Abs(steps(&all[i])/e-first) > 0.01*first {
				return false
			}
		}
		return true
	}
	return constant(1) && !constant(0)
}

// outOfOrder finds two checkpoints whose steps do not rise with their epochs; 0, 0 where all do.
func outOfOrder(all []opened, epochs, steps clock) (int, int) {
	order := byClock(all, epochs)
	for i := 1; i < len(order); i++ {
		if !(steps(&all[order[i-1]]) < steps(&all[order[i]])) {
			return order[i-1], order[i]
		}
	}
	return 0, 0
}

// byClock is the order of the checkpoints by a clock.
func byClock(all []opened, c clock) []int {
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(c(&all[a]), c(&all[b])) })
	return order
}
