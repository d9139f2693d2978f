package importer

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// assign gives the numbers that were decided upon.
func (o Options) assign(all []opened, u *Understood, epochs, steps, order clock) ([]numbers, error) {
	u.offset = o.offset(all, u, epochs, steps)
	if steps != nil && epochs != nil && !together(all, epochs, steps) {
		a, b := outOfOrder(all, epochs, steps)
		if all[a].c.About().Info.Step == nil || steps(&all[a]) != inStep(&all[a]) || o.Numbers == "inside" {
			return nil, whatCounts(fmt.Errorf("%s is of epoch %s and step %s, %s of epoch %s and step %s: steps must rise with the epochs",
				all[a].base(), plain(epochs(&all[a])), plain(steps(&all[a])), all[b].base(), plain(epochs(&all[b])), plain(steps(&all[b]))))
		}
		u.note("the steps inside are not used: they do not rise with the epochs (%s says step %s, %s step %s)", all[a].base(), plain(steps(&all[a])), all[b].base(), plain(steps(&all[b])))
		steps = nil
	}
	out, err := o.numbersBy(all, u, epochs, steps, order)
	if err != nil {
		return nil, err
	}
	o.rate(out, u, epochs, steps, order)
	return out, nil
}

// offset is what is added to the epochs found.
func (o Options) offset(all []opened, u *Understood, epochs, steps clock) float64 {
	switch {
	case o.EpochOffset != nil:
		return *o.EpochOffset
	case epochs != nil && (all[0].name.lightning || all[0].c.About().Info.Lightning):
		u.note("Lightning counts epochs from 0: 1 is added").option("epoch-offset", "says otherwise")
		return 1
	case epochs != nil && steps != nil && !o.watching && fromZero(all, epochs, steps): // one by one it would not be known
		u.note("the steps say that the epochs are counted from 0 (%s is of epoch %s and step %s): 1 is added", all[0].base(), plain(epochs(&all[0])), plain(steps(&all[0]))).option("epoch-offset", "says otherwise")
		return 1
	}
	return 0
}

// maxWhole is up to where a float64 holds every whole number, and maxEpoch the greatest epoch that is believed.
const (
	maxWhole = 1 << 53
	maxEpoch = 1e12
)

// numbersBy reads each checkpoint's numbers by the clocks that count. Of epochs in the names that the files contradict the
// first is noted.
func (o Options) numbersBy(all []opened, u *Understood, epochs, steps, order clock) ([]numbers, error) {
	out := make([]numbers, len(all))
	rank := make([]int, len(all))
	if order != nil {
		for place, i := range byClock(all, order) {
			rank[i] = place + 1
		}
	}
	lowest, differ := math.Inf(1), -1
	for i := range all {
		a := &all[i]
		switch {
		case epochs != nil:
			out[i].epoch = epochs(a) + u.offset
		case order != nil: // counted
			out[i].epoch = float64(rank[i])
		default:
			out[i].epoch = steps(a) / float64(o.StepsPerEpoch)
		}
		if steps != nil {
			v := steps(a)
			if v < 0 || v != math.Trunc(v) || v > maxWhole {
				return nil, fmt.Errorf("%s: step %g", a.path, v)
			}
			out[i].step = int64(v)
		}
		lowest = min(lowest, out[i].epoch)
		if e := out[i].epoch; math.IsNaN(e) || e < 0 || e > maxEpoch {
			return nil, fmt.Errorf("%s: epoch %g", a.path, e)
		}
		if in := inEpoch(a); epochs != nil && !math.IsNaN(in) && in+u.offset != out[i].epoch && differ < 0 {
			differ = i
		}
	}
	if differ >= 0 {
		a := &all[differ]
		u.note("%s says epoch %s inside, its name %s: the name counts", a.base(), plain(inEpoch(a)), a.name).option("numbers inside", "takes the other")
	}
	if epochs != nil && lowest == 0 {
		u.note("epoch 0 is taken for the weights before training").option("epoch-offset 1", "counts from 1, if the files count epochs from 0")
	}
	return out, nil
}

// rate finds how many steps an epoch has, where that is known, and what follows for the steps.
func (o Options) rate(out []numbers, u *Understood, epochs, steps, order clock) {
	u.StepsPerEpoch = o.StepsPerEpoch
	switch {
	case steps == nil && o.StepsPerEpoch > 0 && order == nil:
		for i := range out {
			out[i].step = int64(math.Round(out[i].epoch * float64(o.StepsPerEpoch)))
		}
	case steps == nil:
		u.StepsUnknown = true
	case o.StepsPerEpoch == 0 && epochs != nil:
		last := slices.MaxFunc(out, func(a, b numbers) int { return cmp.Compare(a.step, b.step) }) // as the last one tells
		if last.epoch > 0 {
			u.StepsPerEpoch = int64(math.Round(float64(last.step) / last.epoch))
		}
	}
}
