package optim

import (
	"fmt"
	"strings"

	"github.com/lawa-replay/lawa-replay/internal/spec"
)

// lookaheadKind is a function: the optimizers that it takes are kinds, too.
func lookaheadKind() spec.Kind[Optimizer] {
	return spec.Kind[Optimizer]{
		Name:     "lookahead",
		About:    "slow weights, which every k steps go part of the way to those of another optimizer, and are where that goes on from",
		Source:   "Zhang, Lucas, Hinton, Ba 2019, arXiv 1907.08610, Algorithm 1",
		Examples: []string{"lookahead", "lookahead:k=5,alpha=0.5,optimizer=sgd", "lookahead:optimizer=sgd,momentum=0.9,nesterov=true"},
		Options: append([]spec.Option{
			{Name: "k", Default: "5", About: "steps of the other optimizer"},
			{Name: "alpha", Default: "0.5", About: "share of the way"},
			{Name: "optimizer", Default: "sgd", About: "the other: " + strings.Join(innerNames(), ", ") + "; its options stand beside"},
		}, sgdKind.Options...),
		Parse: parseLookahead,
	}
}

// inner are the optimizers that Lookahead goes around.
func inner() []spec.Kind[Optimizer] { return []spec.Kind[Optimizer]{sgdKind, adamKind, adamWKind} }

func innerNames() (names []string) {
	for _, k := range inner() {
		names = append(names, k.Name)
	}
	return names
}

func parseLookahead(s *spec.Spec) Optimizer {
	o := Lookahead{K: int64(s.Int("k", 5, 1)), Alpha: s.Float("alpha", 0.5, 0, 1)}
	name := s.Choice("optimizer", "sgd", innerNames()...)
	for _, k := range inner() {
		if k.Name == name {
			o.Fast = k.Parse(s)
		}
	}
	return o
}

// Lookahead lets Fast make its steps; after every K-th, φ = φ + Alpha·(w − φ) and w = φ, where φ are the slow weights, at
// first those that training begins with. The weights of a run, and so its checkpoints, are the fast ones w: after a K-th
// step the slow ones.
type Lookahead struct {
	Fast  Optimizer
	K     int64
	Alpha float64
}

// SparesVectors implements Selective.
func (o Lookahead) SparesVectors() bool { return SparesVectors(o.Fast) }

// Spec implements Optimizer.
func (o Lookahead) Spec() string {
	name, options, _ := strings.Cut(o.Fast.Spec(), ":")
	text := fmt.Sprintf("lookahead:k=%d,alpha=%g,optimizer=%s", o.K, o.Alpha, name)
	if options != "" {
		text += "," + options
	}
	return text
}

// Slots implements Optimizer.
func (o Lookahead) Slots() []string { return append(o.Fast.Slots(), "slow") }

// Step implements Optimizer.
func (o Lookahead) Step(v Values, step int64, lr float64) error {
	last := len(v.Slots) - 1
	slow := v.Slots[last]
	v.Slots = v.Slots[:last]
	if step == 0 {
		if err := slow.Copy(v.Weights); err != nil {
			return err
		}
	}
	if err := o.Fast.Step(v, step, lr); err != nil {
		return err
	}
	if (step+1)%o.K != 0 {
		return nil
	}
	if err := slow.Lerp(v.Weights, o.Alpha); err != nil {
		return err
	}
	return v.Weights.Copy(slow)
}
