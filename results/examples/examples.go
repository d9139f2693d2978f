// Package examples keeps what each example gave in each evaluation: its loss, whether it was a hit, of texts the sums over their
// tokens and how many there are.
//
// It believes that two averages are compared on the same examples, one by one: the differences have a far smaller variance than
// either value, and without them no interval is honest. So they are kept for every evaluation, as float32 and compressed, in a few
// files beside the evaluations; one that is damaged or torn is missing, not wrong.
package examples

import (
	"fmt"
	"math"

	"github.com/lawa-replay/lawa-replay/results/metric"
)

// Metric is what the examples of a split gave in one metric.
type Metric struct {
	Name   string
	Values []float32 // one for each example, in the split's order; with Sizes a sum over as many things
	Sizes  []float32 // nil where each counts once
	// Documents are which document each example belongs to, by whole numbers; nil where they belong to none, or nobody knows.
	Documents []float32
}

// Mean is the metric's value with its standard error, and over how many it is: see metric.Mean.
func (m Metric) Mean() (mean, stderr float64, n int64) { return metric.Mean(m.Values, m.Sizes) }

// Set is all that the examples gave in one evaluation.
type Set []Metric

// Find returns the metric of a name.
func (s Set) Find(name string) (Metric, bool) {
	for _, m := range s {
		if m.Name == name {
			return m, true
		}
	}
	return Metric{}, false
}

// Of makes a metric of float64 values, whose sizes are nil where each counts once.
func Of(name string, values, sizes []float64) Metric {
	return Metric{Name: name, Values: narrow(values), Sizes: narrow(sizes)}
}

func narrow(values []float64) []float32 {
	if values == nil {
		return nil
	}
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(v)
	}
	return out
}

// check says what is wrong with a set.
func (s Set) check() error {
	if len(s) == 0 || len(s) > maxMetrics {
		return fmt.Errorf("%d metrics; 1 to %d are kept", len(s), maxMetrics)
	}
	for i, m := range s {
		if m.Name == "" || len(m.Name) > maxName {
			return fmt.Errorf("a metric whose name has %d bytes; 1 to %d are kept", len(m.Name), maxName)
		}
		if _, twice := s[:i].Find(m.Name); twice {
			return fmt.Errorf("the metric %q twice", m.Name)
		}
		if len(m.Values) == 0 || len(m.Values) > maxExamples {
			return fmt.Errorf("metric %s: %d examples; 1 to %d are kept", m.Name, len(m.Values), maxExamples)
		}
		if err := metric.CheckSizes(m.Values, m.Sizes); err != nil {
			return fmt.Errorf("metric %s: %w", m.Name, err)
		}
		if err := m.checkDocuments(); err != nil {
			return fmt.Errorf("metric %s: %w", m.Name, err)
		}
	}
	return nil
}

func (m Metric) checkDocuments() error {
	if m.Documents != nil && len(m.Documents) != len(m.Values) {
		return fmt.Errorf("the documents of %d examples, there are %d", len(m.Documents), len(m.Values))
	}
	for i, d := range m.Documents {
		if !(d >= 0) || d > maxExamples || d != float32(int32(d)) {
			return fmt.Errorf("example %d belongs to document %v", i+1, d)
		}
	}
	return nil
}

// Clusters are the documents, counted from 0 in the order of their first examples, and how many there are; nil where there are none, or
// each example has its own.
func (m Metric) Clusters() (clusters []int, n int) {
	if m.Documents == nil {
		return nil, 0
	}
	number := map[float32]int{}
	for _, d := range m.Documents {
		i, ok := number[d]
		if !ok {
			i = len(number)
			number[d] = i
		}
		clusters = append(clusters, i)
	}
	if len(number) == len(clusters) {
		return nil, 0
	}
	return clusters, len(number)
}

// In gives the metrics of a set the documents that its examples belong to.
func (s Set) In(documents []float32) Set {
	for i := range s {
		s[i].Documents = documents
	}
	return s
}

// same says whether two arrays hold the same bits.
func same(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return false
		}
	}
	return true
}
