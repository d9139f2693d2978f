package sweep

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Plan makes a plan again that was written down, by the arithmetic by which most of it was evaluated, as stores and
// training logs have it: no network and no data are needed for it. A note says what was evaluated by another.
func (w *Written) Plan(ctx context.Context, spec Spec, stores Stores) (*Plan, error) {
	numerics, err := stores.numerics()
	if err != nil {
		return nil, err
	}
	for _, t := range spec.Trajectories {
		for _, c := range t.Checkpoints {
			for _, raw := range c.Known {
				numerics[numericOf(raw)] = true
			}
		}
	}
	if len(numerics) == 0 { // nothing was evaluated yet
		numerics[""] = true
	}
	var best *Plan
	fewest, have := 0, map[string]int{}
	for _, numeric := range slices.Sorted(maps.Keys(numerics)) {
		p, err := NewPlan(ctx, spec, w.Backend(numeric))
		if err != nil {
			return nil, err
		}
		missing, recorded := p.Missing(stores...)
		have[numeric] = len(p.Cells) - len(missing) - recorded // the training's own may be of another kind of device
		if best == nil || len(missing) < fewest {
			best, fewest = p, len(missing)
		}
	}
	if err := w.Same(best, w.Backend(best.Numeric())); err != nil {
		return nil, err
	}
	for _, numeric := range slices.Sorted(maps.Keys(have)) {
		if n := have[numeric]; n > 0 && numeric != best.Numeric() {
			best.Notes = append(best.Notes, Note{Text: fmt.Sprintf("%d evaluations were made by another arithmetic and are not used: %s, most by %s", n, numeric, best.Numeric())})
		}
	}
	return best, nil
}

// Numeric is the arithmetic of the plan's evaluations: Inputs.Numeric.
func (p *Plan) Numeric() string { return p.inputs[0][0].Numeric }

// numericOf is the arithmetic of an evaluation.
func numericOf(evaluation []byte) string {
	var of struct{ Inputs struct{ Numeric string } }
	_ = json.Unmarshal(evaluation, &of) // what cannot be read is found by its key, or not at all
	return of.Inputs.Numeric
}

// numerics are the arithmetics of all evaluations.
func (s Stores) numerics() (map[string]bool, error) {
	out := map[string]bool{}
	for _, one := range s {
		for _, p := range one.index {
			line := make([]byte, p.size)
			if _, err := one.segments.File(p.segment).ReadAt(line, p.at); err != nil {
				return nil, fmt.Errorf("%s: record at byte %d: %w", one.segments.File(p.segment).Name(), p.at, err)
			}
			out[numericOf(line[textBegin:])] = true
		}
	}
	return out, nil
}

// Join puts what others have of a plan's evaluations into the store, too, with what is in their averages. It returns
// how many evaluations there were; what each example gave comes along.
func (s *Store) Join(p *Plan, others Stores) (int, error) {
	var cells []Cell
	n := 0
	for _, c := range p.Cells {
		if err := s.joinExamples(c.Key, others); err != nil {
			return n, err
		}
		if s.Has(c.Key) {
			continue
		}
		for _, o := range others {
			k, ok, err := o.get(c.Key)
			if err == nil && ok {
				err = s.Put(Evaluation{p.inputsOf(c), k.Values, k.Seconds})
			}
			if err != nil {
				return n, err
			}
			if ok {
				cells = append(cells, c)
				n++
				break
			}
		}
	}
	if err := newRun(p, cells, s, Options{}).keepAverages(); err != nil {
		return n, err
	}
	return n, s.Sync()
}

// joinExamples puts what others know of an evaluation's examples into the store, too. What is damaged is told and left out.
func (s *Store) joinExamples(key string, others Stores) error {
	if s.Examples.Has(key) {
		return nil
	}
	for _, o := range others {
		set, ok, err := o.Examples.Get(key)
		if err != nil {
			s.note(Note{Text: err.Error()})
		}
		if ok {
			return s.Examples.Put(key, set)
		}
	}
	return nil
}
