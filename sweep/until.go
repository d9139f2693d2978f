package sweep

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/lawa-replay/lawa-replay/averaging"
	"github.com/lawa-replay/lawa-replay/results/examples"
	"github.com/lawa-replay/lawa-replay/results/metric"
	"github.com/lawa-replay/lawa-replay/trajectory"
)

// Sampler is a Backend whose splits can be evaluated part by part.
type Sampler interface {
	// Size is how many examples a split has.
	Size(split string) (int, error)
	// Part makes a split of its own of some examples of a split, and gives its name.
	Part(split string, at []int) (string, error)
}

// Until says when enough is known of an average: its examples are evaluated part by part, 1/16 of them first, until the interval of its
// difference from the baseline, on the same examples, is narrow enough.
//
// The baseline is evaluated whole. How much an example's result changes from one of its checkpoints to the next says which examples are
// worth asking: those are drawn with a higher probability, and count for less, so that nothing is biased (priority sampling: Duffield,
// Lund, Thorup 2007, J. ACM 54(6)).
type Until struct {
	HalfWidth float64 // of the 95 % interval, in the metric's units; with 0, and Examples 0, everything is evaluated
	Examples  int     // instead: at least so many of each split, whatever the interval is; up to the next of 1/16, 1/8, … of it
	Metric    string
	Seed      uint64 // of the draw
}

// shares are the parts of a split that are evaluated one after the other, as the share that is known after each.
var shares = []float64{1. / 16, 1. / 8, 1. / 4, 1. / 2, 1}

// Samples are the averages of a plan of which a part of the examples was evaluated.
type Samples struct {
	Until
	plan     *Plan
	draws    []draw                  // by split
	parts    map[string][]string     // of an evaluation's key, those of its parts in turn
	goal     map[string]int          // of a key, how many parts it is expected to need
	baseline map[endpoint]string     // keys
	points   map[curve]int           // endpoints of a curve, over which the intervals hold at once
	known    map[string]examples.Set // what each example gave in the baseline's evaluations
	expected map[change][]float64    // how much each changes
	Passed   int                     // examples that went through a network, of those that all averages would have
	Of       int
}

type endpoint struct{ run, at, split int }

// change is of a metric about an endpoint.
type change struct {
	endpoint
	metric string
}

type curve struct {
	run, policy, split int
	scheme             string
}

func curveOf(r row) curve { return curve{r.run, r.policy, r.split, r.request.Scheme.Spec()} }

// RunUntil is Run, but evaluates of each average only as many examples as its difference from the baseline needs. The baseline is
// evaluated whole. What a store has already, whole or in parts of the same seed, is not evaluated again; an average all of whose parts
// are there is as if it had been evaluated whole.
func RunUntil(ctx context.Context, p *Plan, b Backend, store *Store, o Options, u Until) (Summary, *Samples, error) {
	sum := Summary{Evaluations: len(p.Cells)}
	sampler, ok := b.(Sampler)
	if !ok {
		return sum, nil, errors.New("what evaluates cannot evaluate a part of a split")
	}
	s := &Samples{Until: u, plan: p, parts: map[string][]string{}, goal: map[string]int{}, baseline: map[endpoint]string{}, points: map[curve]int{}, known: map[string]examples.Set{}, expected: map[change][]float64{}}
	whole := map[string]bool{} // what is evaluated whole
	for _, r := range p.rows {
		s.points[curveOf(r)]++
		if r.request.Scheme == averaging.Scheme(averaging.Last{}) && r.policy == p.baseline {
			s.baseline[endpoint{r.run, r.request.Endpoint, r.split}] = r.key
			whole[r.key] = true
		}
	}
	o.only = whole
	first, err := Run(ctx, p, b, store, o)
	sum.Evaluated, sum.Recorded, sum.Without = first.Evaluated, first.Recorded, first.Without
	if err != nil {
		return sum, s, err
	}
	stores := append(Stores{store}, o.Others...)
	for i, split := range p.Spec.Splits {
		n, err := sampler.Size(split)
		if err != nil {
			return sum, s, err
		}
		d, err := s.draw(stores, store, i, n)
		if err != nil {
			return sum, s, err
		}
		s.draws = append(s.draws, d)
	}
	missing, _ := p.Missing(stores...)
	sum.Missing = len(missing) + first.Missing
	active := map[string]Cell{}
	for _, c := range missing {
		active[c.Key] = c
		s.Of += len(s.draws[c.Split].order)
	}
	touched := map[string]bool{} // averages of which something was evaluated now
	for len(active) > 0 {
		err := s.round(ctx, b, sampler, store, o, active, touched)
		sum.Evaluated = first.Evaluated + len(touched)
		if err != nil {
			return sum, s, errors.Join(err, store.Sync())
		}
		if err := s.settle(stores, store, active); err != nil {
			return sum, s, errors.Join(err, store.Sync())
		}
	}
	return sum, s, store.Sync()
}

// shareOf is where a share of n examples ends.
func shareOf(share float64, n int) int { return int(math.Round(share * float64(n))) }

// part is one of a split's, by its place in shares.
type part struct{ split, share int }

// name makes a split of a part, and gives its name and its size.
func (s *Samples) name(sampler Sampler, p part) (string, int, error) {
	split, order := s.plan.Spec.Splits[p.split], s.draws[p.split].order
	from, to := 0, shareOf(shares[p.share], len(order))
	if p.share > 0 {
		from = shareOf(shares[p.share-1], len(order))
	}
	if from == to {
		return "", 0, fmt.Errorf("split %s: %d examples are too few to be evaluated in parts", split, len(order))
	}
	name, err := sampler.Part(split, order[from:to])
	return name, to - from, err
}

// round evaluates what the active averages lack of as many parts as they are expected to need.
func (s *Samples) round(ctx context.Context, b Backend, sampler Sampler, store *Store, o Options, active map[string]Cell, touched map[string]bool) error {
	wanted := map[string][]part{} // by key
	var all []part
	for key, c := range active {
		for i := len(s.parts[key]); i < max(s.goal[key], len(s.parts[key])+1); i++ {
			wanted[key] = append(wanted[key], part{c.Split, i})
		}
		all = append(all, wanted[key]...)
	}
	slices.SortFunc(all, func(a, b part) int { return cmp.Or(a.split-b.split, a.share-b.share) })
	all = slices.Compact(all)
	spec := s.plan.Spec
	spec.Splits = nil
	var sizes []int
	for _, p := range all {
		name, size, err := s.name(sampler, p)
		if err != nil {
			return err
		}
		spec.Splits, sizes = append(spec.Splits, name), append(sizes, size)
	}
	p, err := NewPlan(ctx, spec, b)
	if err != nil {
		return err
	}
	keys := map[Cell]string{}
	for _, c := range p.Cells {
		key := c.Key
		c.Key = ""
		keys[c] = key
	}
	o.only, o.again = map[string]bool{}, true
	for key, c := range active {
		for _, w := range wanted[key] {
			c.Key, c.Split = "", slices.Index(all, w)
			one, ok := keys[c]
			if !ok {
				return fmt.Errorf("evaluation %.12s…: it has no part", key) // the plans differ in their splits alone
			}
			s.parts[key] = append(s.parts[key], one)
			s.Passed += sizes[c.Split]
			o.only[one] = true
			if !slices.ContainsFunc(append(Stores{store}, o.Others...), func(s *Store) bool { return s.Has(one) }) {
				touched[key] = true
			}
		}
	}
	_, err = Run(ctx, p, b, store, o)
	return err
}

// expect lets an average whose interval is so wide now, and is likely to need nearly all examples, have all of them at once: the interval
// is as wide as √((1−f)/f) of a share f.
func (s *Samples) expect(key string, half float64) {
	const nearlyAll = 0.95
	f, ratio := shares[len(s.parts[key])-1], s.HalfWidth/half
	if need := 1 / (1 + ratio*ratio*(1-f)/f); need >= nearlyAll {
		s.goal[key] = len(shares)
	}
}

// settle takes averages out of which enough is known; with all their examples known, the whole evaluations of them are put together.
func (s *Samples) settle(stores Stores, store *Store, active map[string]Cell) error {
	wide := map[string]bool{}
	for _, r := range s.plan.rows {
		n := len(s.parts[r.key])
		if _, is := active[r.key]; !is || n == len(shares) {
			continue
		}
		if s.HalfWidth == 0 {
			if s.Until.Examples == 0 || shareOf(shares[n-1], len(s.draws[r.split].order)) < s.Until.Examples {
				wide[r.key] = true
			}
			continue
		}
		e, err := s.estimate(stores, r)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(e, func(e estimated) bool { return e.Metric == s.Metric })
		if i < 0 {
			return fmt.Errorf("what is evaluated has no %s that is a mean over examples", s.Metric)
		}
		if !(e[i].half <= s.HalfWidth) {
			wide[r.key] = true
			s.expect(r.key, e[i].half)
		}
	}
	for key, c := range active {
		last := len(s.parts[key]) == len(shares)
		if last {
			set, err := s.set(stores, key)
			if err != nil {
				return err
			}
			if err := store.Put(Evaluation{s.plan.inputsOf(c), s.whole(set, c, store, key), s.seconds(stores, key)}); err != nil {
				return err
			}
			delete(s.parts, key)
		}
		if last || !wide[key] {
			delete(active, key)
		}
	}
	return nil
}

// seconds are what the parts of an evaluation took together; 0 where that is not known of all.
func (s *Samples) seconds(stores Stores, key string) float64 {
	sum := 0.0
	for _, part := range s.parts[key] {
		v, ok := stores.Seconds(part)
		if !ok {
			return 0
		}
		sum += v
	}
	return sum
}

// whole puts a split's examples into their own order, keeps them, and makes the values of them.
func (s *Samples) whole(set examples.Set, c Cell, store *Store, key string) []Value {
	order := s.draws[c.Split].order
	var out []Value
	own := make(examples.Set, len(set))
	for i, m := range set {
		one := examples.Metric{Name: m.Name, Values: make([]float32, len(order))}
		if m.Sizes != nil {
			one.Sizes = make([]float32, len(order))
		}
		if m.Documents != nil {
			one.Documents = make([]float32, len(order))
		}
		for j, at := range order {
			one.Values[at] = m.Values[j]
			if m.Sizes != nil {
				one.Sizes[at] = m.Sizes[j]
			}
			if m.Documents != nil {
				one.Documents[at] = m.Documents[j]
			}
		}
		own[i] = one
		mean, stderr, n := one.Mean()
		out = append(out, Value{m.Name, trajectory.Number(mean), trajectory.Number(stderr), n})
		if s.exponential(m.Name) {
			e := math.Exp(mean)
			out = append(out, Value{metric.Perplexity.Name, trajectory.Number(e), trajectory.Number(e * stderr), n})
		}
	}
	if err := store.Examples.Put(key, own); err != nil {
		store.note(Note{Text: err.Error()}) // the values are there
	}
	return out
}

// exponential says whether the perplexity belongs to a metric, which is no mean over examples itself.
func (s *Samples) exponential(name string) bool {
	return name == metric.Loss.Name && slices.ContainsFunc(s.plan.metrics, func(m metric.Metric) bool { return m.Name == metric.Perplexity.Name })
}

// set is what the examples of all parts of an evaluation gave, in the order that was drawn.
func (s *Samples) set(stores Stores, key string) (examples.Set, error) {
	var out examples.Set
	for i, part := range s.parts[key] {
		set, err := stores.examples(part)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			out = set
			continue
		}
		if len(set) != len(out) {
			return nil, fmt.Errorf("evaluation %.12s…: its parts have other metrics than one another", key)
		}
		for j := range out {
			if out[j].Name != set[j].Name || (out[j].Sizes == nil) != (set[j].Sizes == nil) || (out[j].Documents == nil) != (set[j].Documents == nil) {
				return nil, fmt.Errorf("evaluation %.12s…: its parts have other metrics than one another", key)
			}
			out[j].Values = append(out[j].Values, set[j].Values...)
			out[j].Sizes = append(out[j].Sizes, set[j].Sizes...)
			out[j].Documents = append(out[j].Documents, set[j].Documents...)
		}
	}
	return out, nil
}

// examples finds what each example gave in an evaluation.
func (s Stores) examples(key string) (examples.Set, error) {
	for _, one := range s {
		if set, ok, err := one.Examples.Get(key); ok || err != nil {
			return set, err
		}
	}
	return nil, fmt.Errorf("what each example gave in evaluation %.12s… is not kept", key)
}

// estimated is what is known of a metric of an average by a part of the examples.
type estimated struct {
	Value
	low, high, half float64 // the interval of the value on the whole split
	examples        int
}

// draw is the order in which the examples of a split are evaluated, and how it came about.
type draw struct {
	order    []int
	weights  []float64 // by example
	priority []float64
}

// chances are the probabilities by which each example is among the first n of the order.
func (d draw) chances(n int) []float64 {
	out := make([]float64, len(d.order))
	for i, w := range d.weights {
		out[i] = 1
		if n < len(d.order) {
			out[i] = min(1, w/d.priority[d.order[n]])
		}
	}
	return out
}

// draw draws the order of a split, or finds the one that was drawn before: what was evaluated in its parts is not evaluated again. The
// weight of an example is the root mean square of how its result changes between neighbouring checkpoints of the baseline, each pair
// of them counting alike, and at least a tenth of the mean.
func (s *Samples) draw(stores Stores, store *Store, split, n int) (draw, error) {
	d := draw{weights: make([]float64, n), priority: make([]float64, n), order: make([]int, n)}
	key := s.drawKey(split)
	set, ok, err := store.Examples.Get(key)
	switch {
	case err != nil:
		return d, err
	case ok && len(set) == 1 && len(set[0].Values) == n:
		for i, w := range set[0].Values {
			d.weights[i] = float64(w)
		}
	default:
		if err := s.weigh(stores, split, d.weights); err != nil {
			return d, err
		}
		set = examples.Set{examples.Of("weight", d.weights, nil)}
		if err := store.Examples.Put(key, set); err != nil {
			return d, err
		}
		for i, w := range set[0].Values { // as they are read again
			d.weights[i] = float64(w)
		}
	}
	rng := rand.New(rand.NewPCG(s.Seed, 0x756e74696c))
	for i := range d.order {
		d.order[i] = i
		d.priority[i] = d.weights[i] / (1 - rng.Float64())
	}
	slices.SortStableFunc(d.order, func(a, b int) int { return cmp.Compare(d.priority[b], d.priority[a]) })
	return d, nil
}

// drawKey is that under which the weights of a draw are kept.
func (s *Samples) drawKey(split int) string {
	sum := sha256.Sum256([]byte(fmt.Sprintf("weights of a draw by seed %d of %s", s.Seed, s.plan.inputs[s.plan.baseline][split].Data)))
	return hex.EncodeToString(sum[:])
}

// weigh gives each example its weight.
func (s *Samples) weigh(stores Stores, split int, weights []float64) error {
	pairs := 0
	for run := range s.plan.Spec.Trajectories {
		var before *examples.Metric
		for _, at := range s.endpoints(run, split) {
			m, err := s.of(stores, s.baseline[endpoint{run, at, split}], s.Metric)
			if err != nil {
				return err
			}
			if len(m.Values) != len(weights) {
				return fmt.Errorf("the baseline was evaluated on %d examples, the split %s has %d", len(m.Values), s.plan.Spec.Splits[split], len(weights))
			}
			if before != nil {
				total := 0.0
				for i := range weights {
					d := float64(m.Values[i]) - float64(before.Values[i])
					total += d * d
				}
				if total > 0 && !math.IsInf(total, 0) && !math.IsNaN(total) {
					pairs++
					for i := range weights {
						d := float64(m.Values[i]) - float64(before.Values[i])
						weights[i] += d * d / total * float64(len(weights))
					}
				}
			}
			before = &m
		}
	}
	if pairs == 0 {
		for i := range weights {
			weights[i] = 1
		}
		return nil
	}
	mean := 0.0
	for i := range weights {
		weights[i] = math.Sqrt(weights[i] / float64(pairs))
		mean += weights[i] / float64(len(weights))
	}
	for i := range weights {
		weights[i] = max(weights[i], mean/10)
	}
	return nil
}

// endpoints are those of a trajectory at which there is a baseline, in their order.
func (s *Samples) endpoints(run, split int) []int {
	var out []int
	for e := range s.baseline {
		if e.run == run && e.split == split {
			out = append(out, e.at)
		}
	}
	slices.Sort(out)
	return out
}

// of is what each example gave in an evaluation of the baseline; of no metric, the one that is shown first.
func (s *Samples) of(stores Stores, key, name string) (examples.Metric, error) {
	set, ok := s.known[key]
	if !ok {
		var err error
		if set, err = stores.examples(key); err != nil {
			return examples.Metric{}, err
		}
		s.known[key] = set
	}
	if name == "" && len(set) > 0 {
		return set[0], nil
	}
	m, ok := set.Find(name)
	if !ok {
		return m, fmt.Errorf("what is evaluated has no %s that is a mean over examples", name)
	}
	return m, nil
}

// neighbours is how many pairs of the baseline's checkpoints say by how much examples change about an endpoint.
const neighbours = 5

// changes are the mean squares of how each example's result changes between the baseline's checkpoints about an endpoint, an example
// that never does counting as one that seldom does: half a pair of the mean over examples is added.
func (s *Samples) changes(stores Stores, e endpoint, name string, n int) ([]float64, error) {
	if out, ok := s.expected[change{e, name}]; ok {
		return out, nil
	}
	at := s.endpoints(e.run, e.split)
	i := slices.Index(at, e.at)
	from := max(0, min(i-neighbours/2, len(at)-neighbours-1))
	out := make([]float64, n)
	pairs, total := 0, 0.0
	for j := from; j+1 < len(at) && pairs < neighbours; j++ {
		a, err := s.of(stores, s.baseline[endpoint{e.run, at[j], e.split}], name)
		if err != nil {
			return nil, err
		}
		b, err := s.of(stores, s.baseline[endpoint{e.run, at[j+1], e.split}], name)
		if err != nil {
			return nil, err
		}
		pairs++
		for i := range out {
			d := float64(a.Values[i]) - float64(b.Values[i])
			out[i] += d * d
			total += d * d
		}
	}
	s.expected[change{e, name}] = out
	if pairs == 0 {
		return out, nil
	}
	mean := total / float64(pairs) / float64(n)
	for i := range out {
		out[i] = (out[i] + 0.5*mean) / (float64(pairs) + 0.5)
	}
	return out, nil
}

// estimate is the baseline's value on the whole split, and the difference from it, of those examples that are known, each counting by
// the inverse of its chance. The variance is the larger of the one that the differences show (Horvitz, Thompson 1952, for independent
// draws) and the one that the baseline's own changes let expect: rare changes of examples that were hardly asked would show in neither
// the difference nor its error. The interval holds at 95 % for all points of the curve at once (Bonferroni).
func (s *Samples) estimate(stores Stores, r row) ([]estimated, error) {
	set, err := s.set(stores, r.key)
	if err != nil || len(set) == 0 {
		return nil, err
	}
	e := endpoint{r.run, r.request.Endpoint, r.split}
	d := s.draws[r.split]
	z := distuv.UnitNormal.Quantile(1 - 0.025/float64(s.points[curveOf(r)]))
	n := len(set[0].Values)
	if n > len(d.order) {
		return nil, fmt.Errorf("evaluation %.12s…: %d examples of %d", r.key, n, len(d.order))
	}
	chances := d.chances(n)
	var out []estimated
	for _, m := range set {
		whole, err := s.of(stores, s.baseline[e], m.Name)
		if err != nil {
			return nil, err
		}
		if len(whole.Values) != len(d.order) || len(m.Values) != n {
			return nil, fmt.Errorf("evaluation %.12s…: the baseline was not evaluated on the examples of %s", r.key, s.plan.Spec.Splits[r.split])
		}
		expected, err := s.changes(stores, e, m.Name, len(d.order))
		if err != nil {
			return nil, err
		}
		middle, stderr, count := whole.Mean()
		sum, shown, foreseen, size := 0.0, 0.0, 0.0, 0.0
		for i, v := range m.Values {
			at := d.order[i]
			p, x := chances[at], float64(v)-float64(whole.Values[at])
			sum += x / p
			shown += x * x * (1 - p) / (p * p)
		}
		for i, v := range expected {
			foreseen += v * (1 - chances[i]) / chances[i]
			if size++; whole.Sizes != nil {
				size += float64(whole.Sizes[i]) - 1
			}
		}
		half := z * math.Sqrt(max(shown, foreseen)) / size
		value := middle + sum/size
		one := estimated{Value{m.Name, trajectory.Number(value), trajectory.Number(stderr), count}, value - half, value + half, half, n}
		out = append(out, one)
		if s.exponential(m.Name) {
			p := math.Exp(value)
			out = append(out, estimated{Value{metric.Perplexity.Name, trajectory.Number(p), trajectory.Number(p * stderr), count}, math.Exp(one.low), math.Exp(one.high), (math.Exp(one.high) - math.Exp(one.low)) / 2, n})
		}
	}
	return out, nil
}

// Partly counts the averages that rest on a part of the examples.
func (s *Samples) Partly() int { return len(s.parts) }
