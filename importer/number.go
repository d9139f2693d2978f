package importer

import (
	"cmp"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lawa-replay/lawa-replay/checkpoint"
	"github.com/lawa-replay/lawa-replay/internal/hint"
)

// dateText writes a date of a name.
func dateText(seconds float64) string {
	return time.Unix(int64(seconds), 0).UTC().Format("2006-01-02 15:04:05")
}

// inside is what a file says.
func inside(info checkpoint.Info) string {
	n := nothing()
	n.epoch, n.step = of(info.Epoch), of(info.Step)
	return n.String()
}

func of(p *float64) float64 {
	if p == nil || *p < 0 {
		return math.NaN()
	}
	return *p
}

// numbers are those that a checkpoint gets.
type numbers struct {
	epoch float64
	step  int64
}

// number decides where epochs and steps come from, for all checkpoints alike.
func (o Options) number(all []opened, u *Understood) ([]numbers, error) {
	names, insides := o.Numbers != "inside", o.Numbers != "name"
	var bareEpoch, bareStep clock
	if names {
		var err error
		if bareEpoch, bareStep, err = o.bare(all, insides, u); err != nil {
			return nil, err
		}
	}
	var steps, epochs clock
	switch {
	case names && known(all, nameStep):
		steps = nameStep
	case bareStep != nil:
		steps = bareStep
	case insides && every(all, inStep):
		steps = inStep
	case insides && len(all) > 1 && known(all, inStep):
		u.note("the steps inside are not used: several checkpoints say step %s", plain(inStep(&all[0])))
	}
	var order clock // where they are only counted
	switch {
	case names && every(all, nameEpoch):
		epochs = nameEpoch
	case insides && every(all, inEpoch) && (o.Pattern == "" || steps == nil || together(all, steps, inEpoch)):
		epochs = inEpoch
	case o.StepsPerEpoch > 0 && steps != nil:
		// epochs from the steps
	case bareEpoch != nil && every(all, bareEpoch):
		epochs = bareEpoch
	case steps != nil && every(all, steps):
		order = steps
		if names && known(all, nameEpoch) || insides && known(all, inEpoch) {
			u.note("several checkpoints are of one epoch: they are counted 1, 2, 3, … in the order of their steps").option("steps-per-epoch", "makes epochs of their steps")
		} else {
			u.note("no epochs are known: the checkpoints are counted 1, 2, 3, … in the order of their steps").option("steps-per-epoch", "makes epochs of their steps")
		}
	case names && known(all, nameEpoch):
		return nil, o.repeated(all, nameEpoch)
	case bareEpoch != nil:
		return nil, o.repeated(all, bareEpoch)
	case names && known(all, nameStep) && len(all) > 1:
		return nil, o.repeated(all, nameStep)
	case names && every(all, func(a *opened) float64 { return a.name.date }):
		order = func(a *opened) float64 { return a.name.date }
		u.note("the names hold dates: the checkpoints are counted 1, 2, 3, … in their order")
	case names && every(all, func(a *opened) float64 { return a.name.clock }):
		order = func(a *opened) float64 { return a.name.clock }
		u.note("the names hold amounts of data: the checkpoints are counted 1, 2, 3, … in their order")
	case insides && known(all, inEpoch) && len(all) > 1:
		return nil, o.repeated(all, inEpoch)
	case len(all) == 1:
		u.note("no epoch is known: it is taken for 1")
		order = func(*opened) float64 { return 1 }
	default:
		return nil, hint.With(fmt.Errorf("neither the names (such as %s) nor the files say epochs or steps", all[0].base()), "pattern", "says where in the name a number stands, as in 'run_{epoch}.pt'")
	}
	u.counted = order != nil
	return o.assign(all, u, epochs, steps, order)
}

// repeated is an error of checkpoints that have the same epoch, or step, which names two of them.
func (o Options) repeated(all []opened, c clock) error {
	a, b := twice(all, c)
	if of := all[a].of; of != nil && of == all[b].of {
		name := all[a].name
		type counted struct {
			at   int
			v    float64
			what string
		}
		fields := []counted{{of.epoch, name.epoch, "epoch"}, {of.step, name.step, "step"}}
		for i, v := range name.bare {
			fields = append(fields, counted{of.bare[i], v, "number"})
		}
		for _, f := range fields {
			if f.at < 0 || f.v != c(&all[a]) {
				continue
			}
			if list := of.several(f.at); list != nil {
				return ask(list, "says which", "%s and %s are of the same %s, %s, and of several series", all[a].base(), all[b].base(), f.what, plain(f.v))
			}
		}
	}
	return whatCounts(hint.With(fmt.Errorf("%s and %s are of the same epoch or step, %s", all[a].base(), all[b].base(), plain(c(&all[a]))), "steps-per-epoch", "makes epochs of their steps"))
}

// bare decides what numbers count of which the names do not say it: what is inside tells, or which of them varies, or it
// is asked. Both are nil where there are none, or what is inside knows better.
func (o Options) bare(all []opened, insides bool, u *Understood) (epoch, step clock, err error) {
	n := len(all[0].name.bare)
	for i := range all {
		if len(all[i].name.bare) != n {
			return nil, nil, nil
		}
	}
	column := func(j int) clock { return func(a *opened) float64 { return a.name.bare[j] } }
	equal := func(c, in clock, by float64) bool {
		for i := range all {
			if c(&all[i])+by != in(&all[i]) {
				return false
			}
		}
		return true
	}
	var left []int
	for j := range n {
		c := column(j)
		switch {
		case insides && step == nil && (equal(c, inStep, 0) || equal(c, inStep, 1)):
			step = c
		case insides && epoch == nil && (equal(c, inEpoch, 0) || len(all) > 1 && (equal(c, inEpoch, 1) || equal(c, inEpoch, -1))):
			epoch = c
		case every(all, c):
			left = append(left, j)
		case n == 1:
			return c, nil, nil // repeated: an error
		}
	}
	if epoch != nil || step != nil || len(left) == 0 || len(all) == 1 && !o.watching {
		return epoch, step, nil
	}
	if insides && every(all, inEpoch) {
		return nil, nil, nil
	}
	j, err := o.oneOf(all, left, column, u)
	switch {
	case err != nil:
		return nil, nil, err
	case j < 0: // an epoch and a step
		return column(left[0]), column(left[1]), nil
	case likeSteps(all, column(j)):
		u.note("the numbers in the names are taken for steps, for they are %s, %s, … ", plain(column(j)(&all[0])), plain(column(j)(&all[1]))).option(all[0].pattern(j, "epoch"), "takes them for epochs")
		return nil, column(j), nil
	case highest(all, column(j)) >= maxBare && len(all) > 1:
		err := fmt.Errorf("%w: numbers such as that of %s are neither likely epochs nor even steps; they may be dates", errAsk, all[0].base())
		return nil, nil, hint.With(hint.With(err, all[0].pattern(j, "step"), "takes them for steps"), all[0].pattern(j, "epoch"), "takes them for epochs")
	}
	u.note("the numbers in the names are taken for epochs").option(all[0].pattern(j, "step"), "takes them for steps")
	return column(j), nil, nil
}

// oneOf chooses among several numbers that all could be the epoch: the one with zeros in front, which no score has; or −1
// for an epoch and its step, side by side. Otherwise it asks.
func (o Options) oneOf(all []opened, left []int, column func(int) clock, u *Understood) (int, error) {
	if len(left) == 1 {
		return left[0], nil
	}
	if len(left) == 2 && together(all, column(left[0]), column(left[1])) {
		a, b := column(left[0]), column(left[1])
		ratio := b(&all[0]) / a(&all[0])
		constant := ratio > 1
		for i := range all {
			constant = constant && math.Abs(b(&all[i])/a(&all[i])/ratio-1) < 0.01
		}
		if constant {
			u.note("the numbers in the names are taken for epochs and their steps, such as epoch %s, step %s", plain(a(&all[0])), plain(b(&all[0])))
			return -1, nil
		}
	}
	var padded []int
	for _, j := range left {
		if all[0].name.padded[j] {
			padded = append(padded, j)
		}
	}
	if len(padded) == 1 {
		u.note("of the numbers in %s the one with zeros in front counts: no score is written so", all[0].base())
		return padded[0], nil
	}
	err := fmt.Errorf("%w: several numbers in names such as %s may be the epoch ({step} for steps)", errAsk, all[0].base())
	for _, j := range left {
		order := slices.Clone(all)
		slices.SortStableFunc(order, func(a, b opened) int { return cmp.Compare(column(j)(&a), column(j)(&b)) })
		var values []string
		for i := range order[:min(len(order), 6)] {
			values = append(values, plain(column(j)(&order[i])))
		}
		if len(order) > 6 {
			values = append(values, "…")
		}
		err = hint.With(err, all[0].pattern(j, "epoch"), "takes "+strings.Join(values, ", "))
	}
	return 0, err
}

// base is how messages call a checkpoint.
func (a *opened) base() string {
	if a.label != "" {
		return a.label
	}
	return path.Base(a.path)
}

// pattern is the option of a pattern for the names in which the j-th number without a word is what is said.
func (a *opened) pattern(j int, what string) string {
	if a.of == nil || j >= len(a.of.bare) {
		return patternOption("name_{" + what + "}.pt")
	}
	return patternOption(a.of.pattern(a.of.bare[j], what))
}
