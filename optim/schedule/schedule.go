// Package schedule says how large the learning rate is at each step of a run.
//
// It believes that a schedule is a pure function of how far the run has come, so that a run that was interrupted goes on
// as if it had not been.
package schedule

import (
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// Schedule is a rule for the learning rate.
type Schedule interface {
	// Spec is the canonical text that Parse reads.
	Spec() string
	// Factor is what the peak learning rate is multiplied by.
	Factor(at Place) float64
}

// Place is how far a run has come.
type Place struct {
	Share       float64 // of the decay behind the warm-up, from 0 to 1, where it stays
	Epoch       float64 // epochs that have passed, those of the warm-up too
	Step, Steps float64 // steps behind the warm-up, and how many the decay has
}

// Kind says what a schedule is, with its options and examples, and reads its text.
type Kind = spec.Kind[Schedule]

// Kinds lists the schedules.
func Kinds() []Kind { return []Kind{cosineKind, constantKind, stepKind, polynomialKind, oneCycleKind} }

// Parse reads the text of a schedule, such as step:every=30,gamma=0.1.
func Parse(text string) (Schedule, error) { return spec.Choose("schedule", text, Kinds()) }

// Rates are the learning rates of a run: linear warm-up to the peak, then a schedule.
type Rates struct {
	Peak          float64
	Warmup        float64 // epochs
	Epochs        int
	Decay         float64 // epochs at which the schedule is at its end, from the start of training; 0: Epochs. It stays at its end
	StepsPerEpoch int64
	Schedule      Schedule
}

// end is the epoch at which the schedule is at its end.
func (r Rates) end() float64 {
	if r.Decay != 0 {
		return r.Decay
	}
	return float64(r.Epochs)
}

// Check says what is wrong with the numbers.
func (r Rates) Check() error {
	switch {
	case !(r.Peak > 0) || math.IsInf(r.Peak, 0):
		return fmt.Errorf("learning rate %g: want a positive number", r.Peak)
	case !(r.Decay >= 0) || math.IsInf(r.Decay, 0):
		return fmt.Errorf("a decay of %g epochs: want a positive number", r.Decay)
	case !(r.Warmup >= 0 && r.Warmup < float64(r.Epochs)):
		return fmt.Errorf("warm-up of %g epochs in a run of %d", r.Warmup, r.Epochs)
	case r.Warmup >= r.end():
		return fmt.Errorf("warm-up of %g epochs, and a decay that ends after %g: nothing is left between them", r.Warmup, r.Decay)
	}
	switch r.Schedule.(type) {
	case Constant, Step:
		if r.Decay != 0 {
			return fmt.Errorf("a decay of %g epochs: the schedule %s has no end to which it could go", r.Decay, r.Schedule.Spec())
		}
	}
	return nil
}

// At is the learning rate of a step, counted from 0.
func (r Rates) At(step int64) float64 {
	total, warm := float64(int64(r.Epochs)*r.StepsPerEpoch), r.Warmup*float64(r.StepsPerEpoch)
	if r.Decay != 0 {
		total = r.Decay * float64(r.StepsPerEpoch)
	}
	at := float64(step)
	if at < warm {
		return r.Peak * min(1, (at+1)/warm)
	}
	return r.Peak * r.Schedule.Factor(Place{min(1, (at-warm)/(total-warm)), at / float64(r.StepsPerEpoch), at - warm, total - warm})
}
